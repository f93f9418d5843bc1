// Every setting of a training run. The names are the keys of the YAML file's `train:` section (apps/config.cc).
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace owlet {

struct TrainConfig {
  int64_t steps = 1000;             // optimizer steps
  int64_t batch_rows = 8;           // B: rows per micro-batch
  int64_t seq_len = 512;            // T: tokens per row
  int64_t grad_accum_steps = 1;     // micro-batches per step; the loss is a mean over all their counted tokens
  std::string optimizer = "adamw";  // "adamw", or "muon": Muon for the blocks' matrices, AdamW for the rest
  double lr = 1e-3;                 // peak learning rate; Muon's steps are scaled to the size of AdamW's
  std::string schedule = "cosine";  // after warm-up: "constant", "linear", "cosine", "wsd"
  int64_t warmup_steps = 100;
  double decay_fraction = 0.2;      // wsd: the last share of the steps, in which the rate falls
  double min_lr_ratio = 0.1;        // where the decay ends, as a share of the peak
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;        // on tensors with two dimensions
  double clip_norm = 1.0;           // 0: no clipping
  std::string precision = "bf16";   // of matrix products: "bf16" or "f32"; weights and sums are float32
  int64_t eval_every = 200;         // steps between validations; 0: never
  int64_t checkpoint_every = 200;   // steps between checkpoints; one is always written at the end
  int64_t keep_checkpoints = 2;
  uint64_t seed = 1;

  // Refuses what makes no sense, naming the key.
  Status validate() const;
};

// The share of the peak learning rate at `step` (counted from 0), as transformers' schedulers define it: linear warm-up over
// warmup_steps, then the schedule down to min_lr_ratio.
double lr_multiplier(const TrainConfig& config, int64_t step);

}  // namespace owlet
