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
#include "train/parameters.h"

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
  std::function<void(int64_t step)> on_evaluation;  // whenever a validation is due, whether or not there is anything to validate on
  std::function<void(const std::filesystem::path&)> on_checkpoint;
  std::function<Status(const std::filesystem::path&)> add_files;  // into each checkpoint before it gets its name
};

class Trainer {
 public:
  // Everything outlives the trainer. `run` is the folder of its checkpoints.
  Trainer(Context context, Model& model, const TrainConfig& config, BatchStream& data, std::filesystem::path run);

  // Goes on from the newest checkpoint under `run`, if there is one: true. The steps to come are bit-equal to those of a run
  // that was never interrupted. A damaged checkpoint is passed over, with a note, for the one before it, and set aside; an error where none is whole.
  Result<bool> resume(const std::function<void(const std::string&)>& note = {});
  // Trains to the last step, until validations have not improved for `patience` of them, or until `stop` becomes true; then writes a
  // checkpoint.
  Status train(const ValidationSet& validation, const TrainObserver& observer, const std::atomic<bool>& stop);

  Result<StepReport> step();
  ValidationReport validate(const ValidationSet& set);
  int64_t finished_steps() const { return step_; }
  const Parameters& parameters() const { return parameters_; }

 private:
  struct Best {
    double loss = 0;
    int64_t step = 0;   // 0: no validation yet
    int64_t since = 0;  // validations that were no better
  };
  TrainingState state_of_all();
  Status restore(const Json& state);
  Status save(const TrainObserver& observer);
  bool is_best(const ValidationReport& report);
  // The gradients of a micro-batch, added to the others'; steps buckets as they are whole where `stepping` says how.
  struct Stepping {
    OptimizerStep step;
    double squares = 0;  // Σ g² of the buckets that were stepped
  };
  Result<double> forward_backward(const Batch& batch, double dloss, Stepping* stepping);
  Error diverged(double loss) const;

  Context context_;
  Model& model_;
  TrainConfig config_;
  BatchStream& data_;
  std::filesystem::path run_;
  int64_t step_ = 0;
  Best best_;
  Dropping dropping_;
  Parameters parameters_;
  Tape tape_;
  OutputLoss loss_;
  Optimizer optimizer_;
};

}  // namespace owlet
