#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <utility>

#include "train/plan.h"

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

// Adapters where there are any, else all that is not frozen.
Parameters::Filter trained_names(const TrainConfig& config) {
  if (config.lora.rank > 0) return [](const std::string& name) { return name.find(".lora_") != std::string::npos; };
  return [freeze = config.freeze](const std::string& name) { return !matches_any(freeze, name); };
}

}  // namespace

Trainer::Trainer(Context context, Model& model, const TrainConfig& config, BatchStream& data, std::filesystem::path run)
    : context_{.ops = context.ops, .precision = config.precision == "bf16" ? Precision::kBF16 : Precision::kF32, .dropping = &dropping_},
      model_(model), config_(config), data_(data), run_(std::move(run)), dropping_{.seed = config.seed, .residual = config.dropout},
      parameters_(model, trained_names(config), config.steps_on_the_way_back()),
      tape_(context_, model, config.batch_rows * config.seq_len, config.recompute_every), loss_(context_, model, config.z_loss),
      optimizer_(context_, parameters_, config) {}

Result<bool> Trainer::resume(const std::function<void(const std::string&)>& note) {
  const auto checkpoints = complete_checkpoints(run_);
  Status damage;
  for (auto checkpoint = checkpoints.rbegin(); checkpoint != checkpoints.rend(); ++checkpoint) {
    Status checked = check_checkpoint(*checkpoint);
    if (!checked.ok()) {
      if (note) note(fmt::format("passed over {}: {}", checkpoint->string(), checked.error().message));
      damage = std::move(checked);
      continue;
    }
    OWLET_ASSIGN(const Json state, load_checkpoint(*checkpoint, state_of_all()));
    OWLET_TRY(restore(state));
    // The run's newest checkpoint is the one that it goes on from, for everybody who looks for it.
    for (auto damaged = checkpoints.rbegin(); damaged != checkpoint; ++damaged) OWLET_TRY(set_aside(*damaged));
    return true;
  }
  OWLET_TRY(std::move(damage));
  return false;
}

TrainingState Trainer::state_of_all() { return {model_, parameters_, optimizer_, config_.lora.rank == 0}; }

Status Trainer::restore(const Json& state) {
  OWLET_ASSIGN(step_, get_int(state, "step"));
  if (!state.contains("data")) return corrupt("trainer.json: 'data' is missing");
  if (state.contains("best")) {
    OWLET_ASSIGN(best_.loss, get_number(state["best"], "loss"));
    OWLET_ASSIGN(best_.step, get_int(state["best"], "step"));
    OWLET_ASSIGN(best_.since, get_int(state["best"], "since"));
  }
  return data_.restore(state["data"]);
}

Status Trainer::save(const TrainObserver& observer) {
  Json state = {{"step", step_}, {"data", data_.state()}};
  if (best_.step > 0) state["best"] = {{"loss", best_.loss}, {"step", best_.step}, {"since", best_.since}};
  OWLET_TRY(save_checkpoint(run_, step_, state_of_all(), state, observer.add_files));
  OWLET_TRY(prune_checkpoints(run_, config_.keep_checkpoints, config_.keep_best ? best_.step : 0));
  if (observer.on_checkpoint) observer.on_checkpoint(*latest_checkpoint(run_));
  return {};
}

Error Trainer::diverged(double loss) const {
  return Error{ErrorCode::kInvalidArgument, fmt::format("the loss is {} at step {}", loss, step_ + 1),
               "lower train.lr or raise train.warmup_steps, and resume from the last checkpoint"};
}

Result<double> Trainer::forward_backward(const Batch& batch, double dloss, Stepping* stepping) {
  const std::vector<int32_t> first_row = first_rows(batch);
  const PackedRows rows{batch.tokens, batch.positions, first_row};
  const TensorView hidden = tape_.forward(rows);
  const double nats = loss_.forward_backward(hidden, batch.targets, dloss, parameters_.gradients()).nats;
  if (!stepping) {
    tape_.backward(rows, hidden, parameters_.gradients());
    return nats;
  }
  if (!std::isfinite(nats)) return diverged(nats);
  // A bucket's memory may be the next one's: it is left zeroed.
  const auto step_bucket = [&](int64_t bucket) {
    stepping->squares += parameters_.sum_of_squares(context_.ops, bucket);
    if (std::isfinite(stepping->squares)) optimizer_.step(bucket, stepping->step);
    parameters_.zero(bucket);
  };
  const int64_t last = parameters_.n_buckets() - 1;
  bool head_done = false;
  tape_.backward(rows, hidden, parameters_.gradients(), [&](int64_t block) {
    if (!std::exchange(head_done, true)) step_bucket(last);
    step_bucket(block + 1);
  });
  if (!head_done) step_bucket(last);
  step_bucket(0);
  return std::isfinite(stepping->squares) ? Result<double>(nats) : diverged(nats);
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
  for (int64_t b = 0; b < parameters_.n_buckets(); ++b) parameters_.zero(b);
  const double multiplier = lr_multiplier(config_, step_), mean = 1.0 / static_cast<double>(std::max<int64_t>(1, n_targets));
  StepReport report{.steps = config_.steps};
  Stepping stepping{{.step = step_ + 1, .multiplier = multiplier}};
  const bool on_the_way_back = config_.steps_on_the_way_back();
  double nats = 0;
  for (const Batch& batch : batches) {
    dropping_.step = static_cast<uint32_t>(step_ * config_.grad_accum_steps + (&batch - batches.data()));
    OWLET_ASSIGN(const double part, forward_backward(batch, mean, on_the_way_back ? &stepping : nullptr));
    nats += part;
    report.tokens += static_cast<int64_t>(batch.tokens.size());
  }
  report.loss = nats * mean;
  report.grad_norm = on_the_way_back ? std::sqrt(stepping.squares) : gradient_norm(context_.ops, parameters_);
  if (!std::isfinite(report.loss) || !std::isfinite(report.grad_norm)) return diverged(report.loss);
  if (!on_the_way_back) {
    const bool clip = config_.clip_norm > 0 && report.grad_norm > config_.clip_norm;
    stepping.step.grad_scale = clip ? config_.clip_norm / report.grad_norm : 1.0;
    optimizer_.step_all(stepping.step);
  }
  report.step = ++step_;
  report.lr = config_.lr * multiplier;
  report.flops = step_flops(model_.config, report.tokens, config_.seq_len);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

ValidationReport Trainer::validate(const ValidationSet& set) {
  dropping_.on = false;
  LossSum sum;
  for (const Batch& batch : set.batches) {
    const std::vector<int32_t> first_row = first_rows(batch);
    const LossSum part = loss_.forward(tape_.forward({batch.tokens, batch.positions, first_row}), batch.targets);
    sum.nats += part.nats;
    sum.n_targets += part.n_targets;
  }
  dropping_.on = true;
  return {step_, sum.nats / static_cast<double>(std::max<int64_t>(1, sum.n_targets)),
          sum.nats / std::numbers::ln2 / static_cast<double>(std::max<int64_t>(1, set.target_bytes))};
}

bool Trainer::is_best(const ValidationReport& report) {
  const bool best = best_.step == 0 || report.loss < best_.loss;
  best_ = best ? Best{report.loss, report.step, 0} : Best{best_.loss, best_.step, best_.since + 1};
  return best;
}

Status Trainer::train(const ValidationSet& validation, const TrainObserver& observer, const std::atomic<bool>& stop) {
  const auto due = [this](int64_t every) { return every > 0 && step_ % every == 0; };
  const auto stale = [this] { return config_.patience > 0 && best_.since >= config_.patience; };
  while (step_ < config_.steps && !stop && !stale()) {
    OWLET_ASSIGN(const StepReport report, step());
    if (observer.on_step) observer.on_step(report);
    const bool last = step_ == config_.steps;
    bool best = false;
    const bool evaluate = last || due(config_.eval_every);
    if (evaluate && !validation.batches.empty()) {
      const ValidationReport found = validate(validation);
      best = is_best(found);
      if (observer.on_validation) observer.on_validation(found);
    }
    if (evaluate && observer.on_evaluation) observer.on_evaluation(step_);
    if (!last && (due(config_.checkpoint_every) || (best && config_.keep_best))) OWLET_TRY(save(observer));
  }
  return save(observer);
}

}  // namespace owlet
