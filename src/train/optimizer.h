// AdamW on every tensor, or Muon on the blocks' matrices with AdamW on the rest. Moments are float32, or 8 bits in blocks of 256
// (quant/dynamic_map.h) on tensors of 4,096 numbers and more.
#pragma once

#include <string>
#include <vector>

#include "train/config.h"
#include "train/parameters.h"

namespace owlet {

constexpr int64_t kSmallest8Bit = 4096;  // numbers of a tensor whose moments may be 8 bits

// Where in a run a step stands, and what all its tensors share.
struct OptimizerStep {
  int64_t step = 1;         // counted from 1
  double multiplier = 1;    // share of the peak learning rate
  double grad_scale = 1.0;  // gradients are multiplied by this first
};

class Optimizer {
 public:
  Optimizer(Context context, const Parameters& parameters, const TrainConfig& config);

  // Steps the weights of one bucket, or of all.
  void step(int64_t bucket, const OptimizerStep& step);
  void step_all(const OptimizerStep& step);

  // The states by name, for checkpoints: "NAME.m", "NAME.v" (AdamW), "NAME.momentum" (Muon). Those in 8 bits are there as whole numbers
  // of 32 bits, [blocks, 65]: a block's scale, then its codes.
  std::vector<std::pair<std::string, Tensor>> states() const;
  int64_t bytes() const;

 private:
  struct Slot {
    bool muon = false;
    bool decays = false;
    Tensor m;  // first moment, or Muon's momentum
    Tensor v;  // second moment, empty for Muon
  };
  void add_slots(std::span<const Parameter> parameters, Bucket& states, std::vector<Slot>& slots) const;

  Context context_;
  const Parameters& parameters_;
  TrainConfig config_;
  std::vector<Bucket> states_;            // one for each of the parameters' buckets
  std::vector<std::vector<Slot>> slots_;  // likewise
};

}  // namespace owlet
