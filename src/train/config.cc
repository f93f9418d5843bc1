#include "train/config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace owlet {
namespace {

Status require(bool holds, std::string_view key, std::string_view rule) {
  if (holds) return {};
  return make_error(ErrorCode::kInvalidArgument, "{}{} must be {}", key.starts_with("lora.") ? "" : "train.", key, rule);
}

// How far the decay that begins at `begin` has come, in [0, 1].
double progress(int64_t step, int64_t begin, int64_t end) {
  if (end <= begin) return 1.0;
  return std::clamp(static_cast<double>(step - begin) / static_cast<double>(end - begin), 0.0, 1.0);
}

bool matches_whole(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  name.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  if (pattern.find('*') == std::string_view::npos) return name.ends_with(pattern);
  // The earliest place of what stands before the next star leaves the most for the rest.
  const std::string_view middle = pattern.substr(0, pattern.find('*'));
  const size_t at = name.find(middle);
  return at != std::string_view::npos && matches_whole(pattern.substr(middle.size()), name.substr(at + middle.size()));
}

Status check_lora(const LoraConfig& lora) {
  OWLET_TRY(require(lora.rank >= 0 && lora.rank <= 4096, "lora.rank", "between 0 and 4,096"));
  OWLET_TRY(require(lora.alpha >= 0, "lora.alpha", "0 or more"));
  OWLET_TRY(require(lora.dropout >= 0 && lora.dropout < 1, "lora.dropout", "in [0, 1)"));
  OWLET_TRY(require(!lora.magnitude || lora.dropout == 0, "lora.dropout", "0 with lora.magnitude"));
  return require(lora.base == "stored" || lora.base == "nf4", "lora.base", "stored or nf4");
}

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
  for (;;) {
    if (matches_whole(pattern, name)) return true;
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) return false;
    name.remove_prefix(dot + 1);
  }
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return matches(pattern, name); });
}

double LoraConfig::scale() const {
  const double a = alpha > 0 ? alpha : 2 * static_cast<double>(rank), r = static_cast<double>(rank);
  return rank_stabilized ? a / std::sqrt(r) : a / r;
}

Status TrainConfig::validate() const {
  OWLET_TRY(require(steps > 0, "steps", "at least 1"));
  OWLET_TRY(require(batch_rows > 0 && batch_rows <= 65536, "batch_rows", "between 1 and 65,536"));
  OWLET_TRY(require(seq_len > 1 && seq_len <= 1 << 20, "seq_len", "between 2 and 1,048,576"));
  OWLET_TRY(require(grad_accum_steps > 0, "grad_accum_steps", "at least 1"));
  OWLET_TRY(require(optimizer == "adamw" || optimizer == "muon", "optimizer", "adamw or muon"));
  OWLET_TRY(require(schedule == "constant" || schedule == "linear" || schedule == "cosine" || schedule == "wsd", "schedule",
                    "constant, linear, cosine or wsd"));
  OWLET_TRY(require(lr > 0 && lr < 10, "lr", "between 0 and 10"));
  OWLET_TRY(require(warmup_steps >= 0, "warmup_steps", "0 or more"));
  OWLET_TRY(require(decay_fraction > 0 && decay_fraction <= 1, "decay_fraction", "in (0, 1]"));
  OWLET_TRY(require(min_lr_ratio >= 0 && min_lr_ratio <= 1, "min_lr_ratio", "in [0, 1]"));
  OWLET_TRY(require(beta1 >= 0 && beta1 < 1, "beta1", "in [0, 1)"));
  OWLET_TRY(require(beta2 >= 0 && beta2 < 1, "beta2", "in [0, 1)"));
  OWLET_TRY(require(eps > 0, "eps", "above 0"));
  OWLET_TRY(require(weight_decay >= 0, "weight_decay", "0 or more"));
  OWLET_TRY(require(clip_norm >= 0, "clip_norm", "0 or more"));
  OWLET_TRY(require(precision == "bf16" || precision == "f32", "precision", "bf16 or f32"));
  OWLET_TRY(require(dropout >= 0 && dropout < 1, "dropout", "in [0, 1)"));
  OWLET_TRY(require(z_loss >= 0, "z_loss", "0 or more"));
  OWLET_TRY(require(weights == "f32" || weights == "bf16", "weights", "f32 or bf16"));
  OWLET_TRY(require(states == "f32" || states == "8bit", "states", "f32 or 8bit"));
  OWLET_TRY(require(recompute_every >= 0, "recompute_every", "0 or more"));
  OWLET_TRY(check_lora(lora));
  OWLET_TRY(require(eval_every >= 0, "eval_every", "0 or more"));
  OWLET_TRY(require(checkpoint_every >= 0, "checkpoint_every", "0 or more"));
  OWLET_TRY(require(patience >= 0, "patience", "0 or more"));
  return require(keep_checkpoints > 0, "keep_checkpoints", "at least 1");
}

double lr_multiplier(const TrainConfig& c, int64_t step) {
  const double span = 1.0 - c.min_lr_ratio;
  if (step < c.warmup_steps) {
    const double t = static_cast<double>(step) / static_cast<double>(c.warmup_steps);
    return c.schedule == "wsd" ? c.min_lr_ratio + span * t : t;
  }
  if (c.schedule == "linear") return 1.0 - span * progress(step, c.warmup_steps, c.steps);
  if (c.schedule == "cosine") {
    const double t = progress(step, c.warmup_steps, c.steps);
    return c.min_lr_ratio + span * 0.5 * (1.0 + std::cos(std::numbers::pi * t));
  }
  if (c.schedule == "wsd") {
    const int64_t decay_steps = std::llround(c.decay_fraction * static_cast<double>(c.steps));  // 0.29 of 100 is a little less than 29
    return 1.0 - span * progress(step, c.steps - decay_steps, c.steps);
  }
  return 1.0;
}

}  // namespace owlet
