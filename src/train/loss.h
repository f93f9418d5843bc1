// The loss of a batch and its gradient: cross-entropy over the vocabulary, in chunks of rows so that the logits of a whole batch
// never exist at once.
#pragma once

#include "model/model.h"
#include "model/tape.h"

namespace owlet {

struct LossSum {
  double nats = 0;         // Σ −log p(target) over counted targets
  int64_t n_targets = 0;   // targets ≥ 0
};

// Σ loss of targets_N (−100, or anything negative: not counted) given hidden states h_ND.
// With gradients: h_ND is replaced by dloss times its gradient, and the output table's gradient is added to where `gradients` has it.
class OutputLoss {
 public:
  // z_loss: see Ops::cross_entropy().
  OutputLoss(Context context, const Model& model, double z_loss = 0);
  LossSum forward(TensorView h_ND, std::span<const int32_t> targets_N);
  LossSum forward_backward(TensorView h_ND, std::span<const int32_t> targets_N, double dloss, const Weights& gradients);

 private:
  LossSum run(TensorView h_ND, std::span<const int32_t> targets_N, double dloss, const Weights* gradients);
  Context context_;
  const Model& model_;
  double z_loss_;
  Tensor logits_;
  Tensor capped_;  // logits as the soft cap left them, where there is one
  Tensor loss_;
};

}  // namespace owlet
