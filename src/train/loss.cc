#include "train/loss.h"

#include <algorithm>

namespace owlet {
namespace {
constexpr int64_t kChunkRows = 512;
}

OutputLoss::OutputLoss(Context context, const Model& model, double z_loss)
    : context_(context), model_(model), z_loss_(z_loss),
      logits_(model.compute_dtype(), Shape{kChunkRows, model.config.vocab_size}),
      capped_(model.config.logit_soft_cap > 0 ? Tensor(model.compute_dtype(), logits_.shape()) : Tensor()),
      loss_(model.compute_dtype(), Shape{kChunkRows}) {}

LossSum OutputLoss::forward(TensorView h_ND, std::span<const int32_t> targets_N) {
  return run(h_ND, targets_N, 0, nullptr);
}

LossSum OutputLoss::forward_backward(TensorView h_ND, std::span<const int32_t> targets_N, double dloss,
                                     const Weights& gradients) {
  return run(h_ND, targets_N, dloss, &gradients);
}

LossSum OutputLoss::run(TensorView h_ND, std::span<const int32_t> targets_N, double dloss, const Weights* gradients) {
  const Tensor& output = model_.weights.output();
  const bool tied = !model_.weights.output_VD;
  const TensorView d_output = !gradients ? TensorView() : tied ? gradients->embedding_VD.view() : gradients->output_VD.view();
  LossSum sum;
  for (int64_t begin = 0; begin < h_ND.rows(); begin += kChunkRows) {
    const int64_t end = std::min(h_ND.rows(), begin + kChunkRows);
    const TensorView h = h_ND.row_range(begin, end);
    const TensorView logits = logits_.view().row_range(0, end - begin);
    const TensorView loss = loss_.view().reshape({end - begin});
    const auto targets = targets_N.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    output_logits(context_, model_, logits, h);
    const bool keep_capped = gradients && capped_;
    const TensorView capped = keep_capped ? capped_.view().row_range(0, end - begin) : TensorView{};
    if (keep_capped) context_.ops.copy(capped, logits);
    context_.ops.cross_entropy(loss, logits, targets, gradients ? dloss : 0.0, z_loss_);
    if (keep_capped) context_.ops.soft_cap_backward(logits, capped, model_.config.logit_soft_cap);
    if (gradients) {
      const double scale = model_.config.logit_scale;
      if (scale != 1.0) context_.ops.add_scaled(logits, scale, logits, 0.0, logits);
      if (d_output) context_.ops.linear_backward_weight(d_output, logits, h, context_.precision);
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
