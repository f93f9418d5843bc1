// What a training run will take of memory and arithmetic, before anything is allocated.
#pragma once

#include "model/config.h"
#include "train/config.h"

namespace owlet {

struct TrainingPlan {
  int64_t params = 0;           // of the model
  int64_t trained = 0;          // numbers that are trained: the model's, or its adapters'
  int64_t weights = 0;          // bytes of all weights, adapters too
  int64_t gradients = 0;
  int64_t states = 0;           // of the optimizer
  int64_t activations = 0;      // kept for the way back, and its own
  int64_t logits = 0;           // of a chunk of rows
  int64_t scratch = 0;          // of kernels, at most about
  double flops_per_step = 0;    // with what is computed again
  int64_t tokens_per_step = 0;
  int64_t peak() const { return weights + gradients + states + activations + logits + scratch; }
};

// `stored_bytes`: what the weights take where they stay as a model's file has them (lora.base: stored); 0: two bytes a number.
TrainingPlan plan_training(const ModelConfig& model, const TrainConfig& config, int64_t stored_bytes = 0);

// 6 × matmul parameters × tokens and full attention over seq_len: what a step's speed is counted in. Nothing computed again counts.
double step_flops(const ModelConfig& config, int64_t tokens, int64_t seq_len);

// The settings, "train.states=8bit", that would together bring the peak under `bytes`, taken in the order of what they cost in time or
// quality; empty where none do.
std::vector<std::string> settings_that_fit(const ModelConfig& model, TrainConfig config, int64_t stored_bytes, int64_t bytes);

}  // namespace owlet
