// Adapter folders against PEFT, on the model of train/adamw.
#include <algorithm>

#include "apps/peft.h"
#include "io/safetensors.h"
#include "model/load.h"
#include "model/tape.h"
#include "report.h"
#include "train/loss.h"
#include "train/parameters.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

struct Batch {
  Rows rows;
  std::vector<int32_t> targets;
};

Result<Batch> first_batch(const fs::path& dir) {
  OWLET_ASSIGN(const auto batches, read_safetensors(dir / "batches.safetensors"));
  const Tensor &tokens = batches.at("tokens"), &targets = batches.at("targets");
  const auto n = static_cast<size_t>(tokens.shape()[1] * tokens.shape()[2]);
  const auto first = targets.span<int32_t>().subspan(0, n);
  return Batch{Rows(tokens.span<int32_t>().subspan(0, n), tokens.shape()[2]), {first.begin(), first.end()}};
}

double loss_of(Context context, const Model& model, const Batch& batch) {
  Tape tape(context, model, static_cast<int64_t>(batch.rows.tokens.size()));
  OutputLoss loss(context, model);
  const LossSum sum = loss.forward(tape.forward({batch.rows.tokens, batch.rows.positions, batch.rows.first_row}), batch.targets);
  return sum.nats / static_cast<double>(sum.n_targets);
}

// The adapter as training has it, beside the weights with its magnitudes: its logits, loss and gradients.
struct Trained {
  double logits = 0, loss = 0, gradients = 0;
};

Result<Trained> train_once(const fs::path& dir, Model model, Context context, const Batch& batch, const std::map<std::string, Tensor>& expected) {
  OWLET_ASSIGN(const Adapter adapter, load_peft(dir, model));
  model.weights.for_each_linear([&](const std::string& name, Linear& linear) {
    const auto it = adapter.parts.find(name + ".weight");
    if (it == adapter.parts.end()) return;
    linear.low_rank.push_back({.a_RI = it->second.a_RI, .b_OR = it->second.b_OR, .scale = it->second.scale, .magnitude_O = it->second.magnitude_O});
  });
  const Parameters parameters(model, [](const std::string& name) { return name.find(".lora_") != std::string::npos; }, false);
  Tape tape(context, model, static_cast<int64_t>(batch.rows.tokens.size()));
  OutputLoss loss(context, model);
  const PackedRows rows{batch.rows.tokens, batch.rows.positions, batch.rows.first_row};
  const auto counted = std::count_if(batch.targets.begin(), batch.targets.end(), [](int32_t t) { return t >= 0; });
  const TensorView hidden = tape.forward(rows);
  const LossSum sum = loss.forward_backward(hidden, batch.targets, 1 / static_cast<double>(counted), parameters.gradients());
  tape.backward(rows, hidden, parameters.gradients());
  const double mean = static_cast<double>(expected.at("loss").span<float>()[0]);
  Trained found{relative_error(all_logits(context, model, batch.rows), expected.at("logits").span<float>()),
                std::abs(sum.nats / static_cast<double>(sum.n_targets) - mean) / mean};
  for (int64_t b = 0; b < parameters.n_buckets(); ++b) {
    for (const Parameter& p : parameters.bucket(b)) {
      const auto it = expected.find("gradient." + p.name + (p.name.ends_with("magnitude_vector") ? ".weight" : ""));
      found.gradients = std::max(found.gradients, it == expected.end() ? INFINITY : relative_error(p.gradient.span<float>(), it->second.span<float>()));
    }
  }
  return found;
}

Status check(const fs::path& dir, const fs::path& base, Context context, Report& report) {
  OWLET_ASSIGN(const Model stored, load_model(base));
  OWLET_ASSIGN(Model beside, to_float32(stored));
  OWLET_ASSIGN(Model merged, to_float32(stored));
  OWLET_ASSIGN(const Batch batch, first_batch(base));
  OWLET_ASSIGN(const auto expected, read_safetensors(dir / "expected.safetensors"));
  OWLET_TRY(use_adapters({dir.string()}, AdapterUse::kBeside, beside));
  OWLET_TRY(use_adapters({dir.string()}, AdapterUse::kMerge, merged));
  const auto theirs = expected.at("logits").span<float>();
  const double loss = static_cast<double>(expected.at("loss").span<float>()[0]);
  const double error = relative_error(all_logits(context, beside, batch.rows), theirs);
  const double merged_error = relative_error(all_logits(context, merged, batch.rows), theirs);
  const double loss_error = std::abs(loss_of(context, beside, batch) - loss) / loss;
  double weight_error = 0;
  merged.weights.for_each([&](const std::string& name, const Tensor& tensor) {
    const auto it = expected.find("merged." + name);
    if (it != expected.end()) weight_error = std::max(weight_error, relative_error(tensor.span<float>(), it->second.span<float>()));
  });
  OWLET_ASSIGN(Model base_model, to_float32(stored));
  OWLET_ASSIGN(const Trained trained, train_once(dir, std::move(base_model), context, batch, expected));
  report.check(std::max({trained.logits, trained.loss, trained.gradients}) <= kTolerance, dir / "gradients",
               fmt::format("logits {:.1e}, loss {:.1e}, gradients {:.1e}", trained.logits, trained.loss, trained.gradients));
  report.check(std::max({error, merged_error, loss_error, weight_error}) <= kTolerance, dir / "adapter_model.safetensors",
               fmt::format("logits {:.1e}, merged {:.1e}, loss {:.1e}, merged weight {:.1e}", error, merged_error, loss_error, weight_error));
  return {};
}

}  // namespace

void check_peft(const fs::path& root, Context context, Report& report) {
  for (const fs::path& dir : entries(root / "train" / "peft")) {
    if (!fs::exists(dir / "adapter_config.json")) continue;
    const Status status = check(dir, root / "train" / "adamw", context, report);
    if (!status.ok()) report.fail(dir, status.error().to_string());
  }
}

}  // namespace owlet::golden
