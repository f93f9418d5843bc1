// Muon: momentum whose matrix is made orthogonal before it is a step (Jordan et al. 2024; torch.optim.Muon).
#pragma once

#include "model/model.h"

namespace owlet {

struct MuonStep {
  double lr = 0;
  double weight_decay = 0;
  double momentum = 0.95;
  double scale = 1;         // of the orthogonal step
  double grad_scale = 1.0;  // gradients are multiplied by this first (clipping)
  Draw rounding = {};       // of a weight in bfloat16
};

// The scale that gives a step the root mean square of one of AdamW: 0.2·√(longer side) (Liu et al. 2025).
double muon_scale_like_adamw(int64_t rows, int64_t cols);

// One step on a matrix [rows, cols] with its momentum, all of one dtype (the weight may be bfloat16): Nesterov's look-ahead, five quintic
// Newton–Schulz iterations towards the nearest matrix with equal singular values.
void muon_step(const Context& context, TensorView weight, TensorView gradient, TensorView momentum, const MuonStep& step);

}  // namespace owlet
