#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

namespace owlet {
namespace {

int64_t count_targets(const Batch& batch) {
  return std::count_if(batch.targets.begin(), batch.targets.end(), [](int32_t t) { return t >= 0; });
}

// The row where each row's document begins: segments are numbered inside a row of the batch, documents never cross rows.
std::vector<int32_t> first_rows(const Batch& batch) {
  std::vector<int32_t> first(batch.tokens.size());
  for (size_t i = 0; i < first.size(); ++i) {
    const bool begins = i % static_cast<size_t>(batch.T) == 0 || batch.segments[i] != batch.segments[i - 1];
    first[i] = begins ? static_cast<int32_t>(i) : first[i - 1];
  }
  return first;
}

double step_flops(const ModelConfig& c, int64_t tokens, int64_t seq_len) {
  const double per_token = 6.0 * static_cast<double>(c.n_matmul_params()) +
                           12.0 * static_cast<double>(c.n_layers * c.q_dim() * seq_len);
  return per_token * static_cast<double>(tokens);
}

}  // namespace

Trainer::Trainer(Context context, Model& model, const TrainConfig& config, BatchStream& data, std::filesystem::path run)
    : context_{context.ops, config.precision == "bf16" ? Precision::kBF16 : Precision::kF32},
      model_(model), config_(config), data_(data), run_(std::move(run)),
      gradients_(make_weights(model.config)), tape_(context_, model, config.batch_rows * config.seq_len),
      loss_(context_, model), optimizer_(context_, model, config) {}

Result<bool> Trainer::resume() {
  const auto checkpoint = latest_checkpoint(run_);
  if (!checkpoint) return false;
  OWLET_ASSIGN(const Json state, load_checkpoint(*checkpoint, model_, optimizer_));
  OWLET_ASSIGN(step_, get_int(state, "step"));
  if (!state.contains("data")) return make_error(ErrorCode::kCorrupt, "{}: 'data' is missing", checkpoint->string());
  OWLET_TRY(data_.restore(state["data"]));
  return true;
}

Status Trainer::save(const TrainObserver& observer) {
  const Json state = {{"step", step_}, {"data", data_.state()}};
  OWLET_TRY(save_checkpoint(run_, step_, model_, optimizer_, state, config_.keep_checkpoints, observer.add_files));
  if (observer.on_checkpoint) observer.on_checkpoint(*latest_checkpoint(run_));
  return {};
}

LossSum Trainer::forward_backward(const Batch& batch, double dloss, const Weights* gradients) {
  const std::vector<int32_t> first_row = first_rows(batch);
  const PackedRows rows{batch.tokens, batch.positions, first_row};
  const TensorView hidden = tape_.forward(rows);
  if (!gradients) return loss_.forward(hidden, batch.targets);
  const LossSum sum = loss_.forward_backward(hidden, batch.targets, dloss, *gradients);
  tape_.backward(rows, hidden, *gradients);
  return sum;
}

Result<StepReport> Trainer::step() {
  const auto begin = std::chrono::steady_clock::now();
  // The loss is a mean over the whole step's counted tokens, so all of its batches are needed before the first gradient.
  std::vector<Batch> batches;
  int64_t n_targets = 0;
  for (int64_t i = 0; i < config_.grad_accum_steps; ++i) {
    OWLET_ASSIGN(Batch batch, data_.next());
    n_targets += count_targets(batch);
    batches.push_back(std::move(batch));
  }
  gradients_.for_each([](const std::string&, Tensor& gradient) { gradient.zero(); });
  StepReport report{.steps = config_.steps};
  double nats = 0;
  for (const Batch& batch : batches) {
    nats += forward_backward(batch, 1.0 / static_cast<double>(std::max<int64_t>(1, n_targets)), &gradients_).nats;
    report.tokens += static_cast<int64_t>(batch.tokens.size());
  }
  report.loss = nats / static_cast<double>(std::max<int64_t>(1, n_targets));
  report.grad_norm = gradient_norm(context_.ops, gradients_);
  if (!std::isfinite(report.loss) || !std::isfinite(report.grad_norm)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the loss is {} at step {}", report.loss, step_ + 1),
                 "lower train.lr or raise train.warmup_steps, and resume from the last checkpoint"};
  }
  const bool clip = config_.clip_norm > 0 && report.grad_norm > config_.clip_norm;
  const double multiplier = lr_multiplier(config_, step_);
  ++step_;
  optimizer_.step(step_, multiplier, clip ? config_.clip_norm / report.grad_norm : 1.0, model_.weights, gradients_);
  report.step = step_;
  report.lr = config_.lr * multiplier;
  report.flops = step_flops(model_.config, report.tokens, config_.seq_len);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

ValidationReport Trainer::validate(const ValidationSet& set) {
  LossSum sum;
  for (const Batch& batch : set.batches) {
    const LossSum part = forward_backward(batch, 0, nullptr);
    sum.nats += part.nats;
    sum.n_targets += part.n_targets;
  }
  return {step_, sum.nats / static_cast<double>(std::max<int64_t>(1, sum.n_targets)),
          sum.nats / std::numbers::ln2 / static_cast<double>(std::max<int64_t>(1, set.target_bytes))};
}

Status Trainer::train(const ValidationSet& validation, const TrainObserver& observer, const std::atomic<bool>& stop) {
  const auto due = [this](int64_t every) { return every > 0 && step_ % every == 0; };
  while (step_ < config_.steps && !stop) {
    OWLET_ASSIGN(const StepReport report, step());
    if (observer.on_step) observer.on_step(report);
    const bool last = step_ == config_.steps;
    if ((last || due(config_.eval_every)) && !validation.batches.empty() && observer.on_validation) {
      observer.on_validation(validate(validation));
    }
    if (!last && due(config_.checkpoint_every)) OWLET_TRY(save(observer));
  }
  return save(observer);
}

}  // namespace owlet
