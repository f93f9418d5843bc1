// The training loop: batches → loss → gradients → optimizer → checkpoint. One step is step() in trainer.cc.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>

#include "data/packing.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/loss.h"
#include "train/optimizer.h"

namespace owlet {

// What a validation is measured on: batches, and how many bytes of text their counted targets stand for.
struct ValidationSet {
  std::vector<Batch> batches;
  int64_t target_bytes = 0;
};

struct StepReport {
  int64_t step = 0;           // finished steps
  int64_t steps = 0;          // of the whole run
  double loss = 0;            // nats per counted token
  double grad_norm = 0;       // before clipping
  double lr = 0;
  int64_t tokens = 0;         // in this step
  double flops = 0;           // of this step: 6 × matmul parameters × tokens, and full attention over seq_len
  double seconds = 0;         // this step took
};

struct ValidationReport {
  int64_t step = 0;
  double loss = 0;            // nats per counted token
  double bits_per_byte = 0;
};

struct TrainObserver {
  std::function<void(const StepReport&)> on_step;
  std::function<void(const ValidationReport&)> on_validation;
  std::function<void(const std::filesystem::path&)> on_checkpoint;
  std::function<Status(const std::filesystem::path&)> add_files;  // into each checkpoint before it gets its name
};

class Trainer {
 public:
  // Everything outlives the trainer. `run` is the folder of its checkpoints.
  Trainer(Context context, Model& model, const TrainConfig& config, BatchStream& data, std::filesystem::path run);

  // Goes on from the newest checkpoint under `run`, if there is one: true. The steps to come are bit-equal to those of a run
  // that was never interrupted.
  Result<bool> resume();
  // Trains to the last step, or until `stop` becomes true (then a checkpoint is written first).
  Status train(const ValidationSet& validation, const TrainObserver& observer, const std::atomic<bool>& stop);

  Result<StepReport> step();
  ValidationReport validate(const ValidationSet& set);
  int64_t finished_steps() const { return step_; }

 private:
  Status save(const TrainObserver& observer);
  LossSum forward_backward(const Batch& batch, double dloss, const Weights* gradients);

  Context context_;
  Model& model_;
  TrainConfig config_;
  BatchStream& data_;
  std::filesystem::path run_;
  int64_t step_ = 0;
  Weights gradients_;
  Tape tape_;
  OutputLoss loss_;
  Optimizer optimizer_;
};

}  // namespace owlet
