// AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019), in the order of operations that
// PyTorch uses: decay, moments, bias correction, step.
#include <cmath>

#include "kernels/reference/reference_ops.h"

namespace owlet {
namespace {

template <class T>
void adamw_step(T* weight, const T* gradient, T* m, T* v, int64_t n, const AdamWStep& s) {
  const double correction1 = 1 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1 - std::pow(s.beta2, static_cast<double>(s.step));
  const T decay = static_cast<T>(1 - s.lr * s.weight_decay);
  const T step_size = static_cast<T>(s.lr / correction1);
  const T sqrt_correction2 = static_cast<T>(std::sqrt(correction2));
  const T beta2 = static_cast<T>(s.beta2);
  const T one_minus_beta1 = static_cast<T>(1 - s.beta1);
  const T one_minus_beta2 = static_cast<T>(1 - s.beta2);
  const T grad_scale = static_cast<T>(s.grad_scale);
  const T eps = static_cast<T>(s.eps);
  for (int64_t i = 0; i < n; ++i) {
    const T g = gradient[i] * grad_scale;
    m[i] += (g - m[i]) * one_minus_beta1;
    v[i] = v[i] * beta2 + g * g * one_minus_beta2;
    weight[i] = weight[i] * decay - step_size * (m[i] / (std::sqrt(v[i]) / sqrt_correction2 + eps));
  }
}

}  // namespace

void ReferenceOps::adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v,
                         const AdamWStep& step) {
  check::adamw(kTypes, weight, gradient, m, v, step);
  by_type(weight.dtype, [&]<class T>(T) {
    adamw_step(weight.as<T>(), gradient.as<T>(), m.as<T>(), v.as<T>(), weight.numel(), step);
  });
}

double ReferenceOps::sum_of_squares(TensorView x) {
  check::sum_of_squares(kTypes, x);
  double sum = 0;
  by_type(x.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < x.numel(); ++i)
      sum += static_cast<double>(x.as<T>()[i]) * static_cast<double>(x.as<T>()[i]);
  });
  return sum;
}

}  // namespace owlet
