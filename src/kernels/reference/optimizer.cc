// AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019), in the order of operations that
// PyTorch uses: decay, moments, bias correction, step.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/half.h"
#include "kernels/draws.h"
#include "kernels/reference/reference_ops.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

template <class T>
void adamw_step(T* weight, const T* gradient, T* m, T* v, int64_t n, const AdamWStep& s) {
  const double correction1 = 1 - std::pow(s.beta1, static_cast<double>(s.step));
  const double correction2 = 1 - std::pow(s.beta2, static_cast<double>(s.step));
  const T decay = static_cast<T>(1 - s.lr * s.weight_decay);
  const T step_size = static_cast<T>(s.lr / correction1);
  const T sqrt_correction2 = static_cast<T>(std::sqrt(correction2));
  const T beta1 = static_cast<T>(s.beta1), beta2 = static_cast<T>(s.beta2);
  const T one_minus_beta1 = static_cast<T>(1 - s.beta1);
  const T one_minus_beta2 = static_cast<T>(1 - s.beta2);
  const T grad_scale = static_cast<T>(s.grad_scale);
  const T eps = static_cast<T>(s.eps);
  for (int64_t i = 0; i < n; ++i) {
    const T g = gradient[i] * grad_scale;
    m[i] = m[i] * beta1 + g * one_minus_beta1;
    v[i] = v[i] * beta2 + g * g * one_minus_beta2;
    weight[i] = weight[i] * decay - step_size * (m[i] / (std::sqrt(v[i]) / sqrt_correction2 + eps));
  }
}

// Numbers as T, whatever they are stored in; moments in 8 bits are padded to whole blocks.
template <class T>
std::vector<T> numbers_of(TensorView x) {
  const auto n = static_cast<size_t>(x.numel());
  if (x.dtype == DType::kF64) return {x.as<double>(), x.as<double>() + n};
  std::vector<float> decoded(n);
  dequantize_row(x.dtype, x.data, decoded.data(), x.numel());
  return {decoded.begin(), decoded.end()};
}

// Stores them again; bfloat16 is rounded stochastically.
template <class T>
void store_numbers(TensorView x, const std::vector<T>& numbers, const Draw& rounding) {
  if (x.dtype == DType::kF64) {
    std::copy(numbers.begin(), numbers.end(), x.as<double>());
    return;
  }
  const std::vector<float> floats(numbers.begin(), numbers.end());
  if (x.dtype != DType::kBF16) return quantize_row(x.dtype, floats.data(), x.data, x.numel());
  for (size_t i = 0; i < floats.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const uint16_t random = draw_group(rounding, at / kDrawsAtOnce)[i % static_cast<size_t>(kDrawsAtOnce)];
    x.as<uint16_t>()[i] = round_stochastically(floats[i], random);
  }
}

}  // namespace

void ReferenceOps::adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v,
                         const AdamWStep& step) {
  check::adamw(kTypes, weight, gradient, m, v, step);
  by_type(gradient.dtype, [&]<class T>(T) {
    std::vector<T> w = numbers_of<T>(weight), first = numbers_of<T>(m), second = numbers_of<T>(v);
    adamw_step(w.data(), gradient.as<T>(), first.data(), second.data(), weight.numel(), step);
    store_numbers(weight, w, step.rounding);
    for (auto* moment : {&first, &second}) std::fill(moment->begin() + weight.numel(), moment->end(), T{0});
    store_numbers(m, first, {});
    store_numbers(v, second, {});
  });
}

void ReferenceOps::decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) {
  check::decay_and_add(kTypes, weight, x);
  by_type(x.dtype, [&]<class T>(T) {
    std::vector<T> w = numbers_of<T>(weight);
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<T>(keep) * w[i] + static_cast<T>(factor) * x.as<T>()[i];
    store_numbers(weight, w, rounding);
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
