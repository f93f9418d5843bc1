#include "train/loss.h"

#include <algorithm>

namespace owlet {
namespace {
constexpr int64_t kChunkRows = 512;
}

OutputLoss::OutputLoss(Context context, const Model& model)
    : context_(context), model_(model),
      logits_(model.cos_sin_PE.dtype(), Shape{kChunkRows, model.config.vocab_size}),
      loss_(model.cos_sin_PE.dtype(), Shape{kChunkRows}) {}

LossSum OutputLoss::forward(TensorView h_ND, std::span<const int32_t> targets_N) {
  return run(h_ND, targets_N, 0, nullptr);
}

LossSum OutputLoss::forward_backward(TensorView h_ND, std::span<const int32_t> targets_N, double dloss,
                                     const Weights& gradients) {
  return run(h_ND, targets_N, dloss, &gradients);
}

LossSum OutputLoss::run(TensorView h_ND, std::span<const int32_t> targets_N, double dloss, const Weights* gradients) {
  const Tensor& output = model_.weights.output();
  LossSum sum;
  for (int64_t begin = 0; begin < h_ND.rows(); begin += kChunkRows) {
    const int64_t end = std::min(h_ND.rows(), begin + kChunkRows);
    const TensorView h = h_ND.row_range(begin, end);
    const TensorView logits = logits_.view().row_range(0, end - begin);
    const TensorView loss = loss_.view().reshape({end - begin});
    const auto targets = targets_N.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    context_.ops.linear(logits, Into::kWrite, h, output, context_.precision);
    context_.ops.cross_entropy(loss, logits, targets, gradients ? dloss : 0.0);
    if (gradients) {
      context_.ops.linear_backward_weight(gradients->output(), logits, h, context_.precision);
      context_.ops.linear_backward_input(h, Into::kWrite, logits, output, context_.precision);
    }
    for (size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] < 0) continue;
      sum.nats += loss.dtype == DType::kF64 ? loss.as<double>()[i] : static_cast<double>(loss.f32()[i]);
      ++sum.n_targets;
    }
  }
  return sum;
}

}  // namespace owlet
