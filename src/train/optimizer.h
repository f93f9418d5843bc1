// AdamW on every tensor, or Muon on the blocks' matrices with AdamW on the rest.
#pragma once

#include <string>
#include <vector>

#include "model/model.h"
#include "train/config.h"

namespace owlet {

class Optimizer {
 public:
  Optimizer(Context context, const Model& model, const TrainConfig& config);

  // One step (counted from 1) with the given share of the peak learning rates. Gradients are multiplied by grad_scale first.
  void step(int64_t step, double multiplier, double grad_scale, Weights& weights, const Weights& gradients);

  // The states by name, for checkpoints: "NAME.m", "NAME.v" (AdamW), "NAME.momentum" (Muon).
  std::vector<std::pair<std::string, Tensor>> states() const;

 private:
  struct Slot {
    std::string name;
    bool muon = false;
    Tensor m;  // first moment, or Muon's momentum
    Tensor v;  // second moment, empty for Muon
  };

  Context context_;
  TrainConfig config_;
  std::vector<Slot> slots_;
};

// √Σ g² over all gradients.
double gradient_norm(Ops& ops, const Weights& gradients);

}  // namespace owlet
