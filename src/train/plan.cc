#include "train/plan.h"

#include <algorithm>

#include "model/model.h"
#include "model/tape.h"
#include "train/optimizer.h"

namespace owlet {
namespace {

constexpr int64_t kLogitRows = 512;
constexpr int64_t kScratch = int64_t{120} << 20;

struct Setting {
  const char* text;
  void (*set)(TrainConfig&);
};

constexpr Setting kSettings[] = {
    {"train.recompute_every=1", [](TrainConfig& c) { c.recompute_every = 1; }},
    {"train.clip_norm=0", [](TrainConfig& c) { c.clip_norm = 0; }},
    {"train.states=8bit", [](TrainConfig& c) { c.states = "8bit"; }},
    {"train.weights=bf16", [](TrainConfig& c) { c.weights = "bf16"; }},
    {"train.batch_rows=1", [](TrainConfig& c) { c.batch_rows = 1; }},
    {"lora.rank=16", [](TrainConfig& c) { c.lora.rank = c.lora.rank > 0 ? c.lora.rank : 16; }},
    {"lora.base=nf4", [](TrainConfig& c) { c.lora.base = "nf4"; }},
};

struct Sizes {
  int64_t trained = 0, gradients = 0, states = 0, largest_block = 0, largest_table = 0;
};

// A trained tensor's share.
void add(Sizes& sizes, const TrainConfig& config, const Shape& shape, bool block_matrix, int64_t& bucket) {
  const int64_t n = shape.numel();
  const bool muon = config.optimizer == "muon" && block_matrix, small = config.states == "8bit" && n >= kSmallest8Bit;
  sizes.trained += n;
  bucket += 4 * n;
  sizes.states += muon ? 4 * n : small ? 2 * n + n / 32 : 8 * n;
}

int64_t lora_numel(const LoraConfig& lora, const Shape& shape) {
  return lora.rank * (shape[0] + shape[1]) + (lora.magnitude ? shape[0] : 0);
}

}  // namespace

TrainingPlan plan_training(const ModelConfig& model, const TrainConfig& config, int64_t stored_bytes) {
  const bool adapters = config.lora.rank > 0, nf4 = adapters && config.lora.base == "nf4";
  TrainingPlan plan{.params = model.n_params()};
  Sizes sizes;
  const Weights skeleton = empty_weights(model);
  std::vector<int64_t> buckets(static_cast<size_t>(model.n_layers) + 2);
  const auto bucket_of = [&](const std::string& name) -> int64_t& {
    if (name.starts_with("model.embed")) return buckets.front();
    if (!name.starts_with("model.layers.")) return buckets.back();
    return buckets[static_cast<size_t>(std::stoll(name.substr(13))) + 1];
  };
  int64_t linear_numel = 0, linear_nf4 = 0;
  skeleton.for_each_linear([&](const std::string& name, const Linear& linear) {
    const Shape& shape = linear.weight_OI.shape();
    linear_numel += shape.numel();
    linear_nf4 += shape.numel() / 64 * 36;
    if (!adapters || (!config.lora.layers.empty() && !matches_any(config.lora.layers, name))) return;
    add(sizes, config, Shape{lora_numel(config.lora, shape)}, false, bucket_of(name));
  });
  skeleton.for_each([&](const std::string& name, const Tensor& tensor) {
    const bool matrix = tensor.shape().rank() == 2;
    plan.weights += tensor.numel() * (matrix && config.weights == "bf16" ? 2 : 4);
    if (adapters || matches_any(config.freeze, name)) return;
    add(sizes, config, tensor.shape(), matrix && name.starts_with("model.layers."), bucket_of(name));
  });
  if (adapters) {
    const int64_t stored = stored_bytes > 0 ? stored_bytes : 2 * plan.params;
    const double per_number = static_cast<double>(stored) / static_cast<double>(plan.params);
    plan.weights = 4 * sizes.trained + (nf4 ? linear_nf4 + static_cast<int64_t>(per_number * static_cast<double>(plan.params - linear_numel)) : stored);
  }
  plan.trained = sizes.trained;
  plan.states = sizes.states;
  if (config.steps_on_the_way_back()) {
    plan.gradients = *std::max_element(buckets.begin() + 1, buckets.end() - 1);
    plan.gradients += model.tie_embeddings ? buckets.front() + buckets.back() : std::max(buckets.front(), buckets.back());
  } else {
    for (const int64_t bucket : buckets) plan.gradients += bucket;
  }
  const int64_t rows = config.batch_rows * config.seq_len;
  plan.activations = Tape::bytes(model, rows, config.recompute_every, DType::kF32);
  plan.logits = 4 * std::min(rows, kLogitRows) * model.vocab_size * (model.logit_soft_cap > 0 ? 2 : 1);
  plan.scratch = kScratch;
  plan.tokens_per_step = rows * config.grad_accum_steps;
  const double again = config.recompute_every > 0 ? 1.0 / static_cast<double>(config.recompute_every) : 0.0;
  const double without_weights = adapters ? 2.0 / 3.0 : 1.0;  // no gradients of weights
  plan.flops_per_step = step_flops(model, plan.tokens_per_step, config.seq_len) * (without_weights + again / 3);
  return plan;
}

double step_flops(const ModelConfig& c, int64_t tokens, int64_t seq_len) {
  const double per_token = 6.0 * static_cast<double>(c.n_matmul_params()) +
                           12.0 * static_cast<double>(c.n_layers * c.q_dim() * seq_len);
  return per_token * static_cast<double>(tokens);
}

std::vector<std::string> settings_that_fit(const ModelConfig& model, TrainConfig config, int64_t stored_bytes, int64_t bytes) {
  using Settings = std::vector<const Setting*>;
  const auto peak_with = [&](const Settings& settings) {
    TrainConfig changed = config;
    for (const Setting* setting : settings) setting->set(changed);
    return plan_training(model, changed, stored_bytes).peak();
  };
  Settings taken;
  int64_t peak = peak_with(taken);
  for (const Setting& setting : kSettings) {
    if (peak <= bytes) break;
    taken.push_back(&setting);
    const int64_t lower = peak_with(taken);
    if (lower >= peak) taken.pop_back();
    peak = std::min(peak, lower);
  }
  if (peak > bytes) return {};
  // What a later one made needless goes again.
  for (size_t i = 0; i < taken.size();) {
    Settings without = taken;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    if (peak_with(without) <= bytes) {
      taken = without;
    } else {
      ++i;
    }
  }
  std::vector<std::string> texts;
  for (const Setting* setting : taken) texts.emplace_back(setting->text);
  return texts;
}

}  // namespace owlet
