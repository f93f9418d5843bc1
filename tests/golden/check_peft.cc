// Adapter folders against PEFT, on the model of train/adamw.
#include "apps/peft.h"
#include "io/safetensors.h"
#include "model/load.h"
#include "model/tape.h"
#include "report.h"
#include "train/loss.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

constexpr double kTolerance = 1e-4;

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

Status check(const fs::path& dir, const fs::path& base, Context context, Report& report) {
  OWLET_ASSIGN(const Model stored, load_model(base));
  OWLET_ASSIGN(Model beside, to_float32(stored));
  OWLET_ASSIGN(Model merged, to_float32(stored));
  OWLET_ASSIGN(const Batch batch, first_batch(base));
  OWLET_ASSIGN(const auto expected, read_safetensors(dir / "expected.safetensors"));
  OWLET_TRY(use_adapters({dir.string()}, false, beside));
  OWLET_TRY(use_adapters({dir.string()}, true, merged));
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
