// Cross entropy of a softmax: loss = log Σ exp(logits) − logits[target]; its gradient is softmax − one-hot;
// that of z · lse² is 2 · z · lse · softmax.
#include <algorithm>
#include <cmath>

#include "kernels/reference/reference_ops.h"

namespace owlet {
namespace {

// One row of V logits, replaced by their gradient unless dloss is 0. Returns the loss.
template <class T>
T cross_entropy_row(T* logits, int64_t v, int32_t target, T dloss, T z_loss) {
  if (target < 0) {
    if (dloss != 0) std::fill_n(logits, v, T{0});
    return 0;
  }
  const T max = *std::max_element(logits, logits + v);
  T sum = 0;
  for (int64_t j = 0; j < v; ++j) sum += std::exp(logits[j] - max);
  const T lse = std::log(sum) + max, loss = lse - logits[target];
  if (dloss != 0) {
    for (int64_t j = 0; j < v; ++j)
      logits[j] = (std::exp(logits[j] - max) / sum * (1 + 2 * z_loss * lse) - (j == target ? 1 : 0)) * dloss;
  }
  return loss;
}

}  // namespace

void ReferenceOps::cross_entropy(TensorView loss_N, TensorView logits_NV, std::span<const int32_t> targets,
                                 double dloss, double z_loss) {
  check::cross_entropy(kTypes, loss_N, logits_NV, targets);
  by_type(logits_NV.dtype, [&]<class T>(T) {
    const int64_t v = logits_NV.cols();
    T* logits = logits_NV.as<T>();
    for (size_t i = 0; i < targets.size(); ++i, logits += v) {
      loss_N.as<T>()[i] = cross_entropy_row(logits, v, targets[i], static_cast<T>(dloss), static_cast<T>(z_loss));
    }
  });
}

}  // namespace owlet
