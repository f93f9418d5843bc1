// RMSNorm: out = x · rstd · weight, rstd = 1 / sqrt(mean(x²) + eps)  (Zhang & Sennrich, "Root Mean Square
// Layer Normalization", 2019).
#include <cmath>
#include <vector>

#include "kernels/reference/reference_ops.h"

namespace owlet {
namespace {

// x_ND, out_ND, rstd_N (or null), weight_D
template <class T>
void rms_norm_forward(T* out, T* rstd, const T* x, const T* weight, int64_t n, int64_t d, double eps) {
  for (int64_t i = 0; i < n; ++i, x += d, out += d) {
    T sum = 0;
    for (int64_t j = 0; j < d; ++j) sum += x[j] * x[j];
    const T scale = 1 / std::sqrt(sum / static_cast<T>(d) + static_cast<T>(eps));
    for (int64_t j = 0; j < d; ++j) out[j] = x[j] * scale * weight[j];
    if (rstd) rstd[i] = scale;
  }
}

// With x̂ = x · rstd and g = dout · weight:  dx = rstd · (g − x̂ · mean(g · x̂)),  dweight += dout · x̂.
template <class T>
void rms_norm_backward_rows(T* dx, Into into, T* dweight, const T* dout, const T* x, const T* weight,
                            const T* rstd, int64_t n, int64_t d) {
  for (int64_t i = 0; i < n; ++i, x += d, dx += d, dout += d) {
    T mean = 0;
    for (int64_t j = 0; j < d; ++j) mean += dout[j] * weight[j] * x[j] * rstd[i];
    mean /= static_cast<T>(d);
    for (int64_t j = 0; j < d; ++j) {
      const T x_hat = x[j] * rstd[i];
      const T gradient = rstd[i] * (dout[j] * weight[j] - x_hat * mean);
      if (dweight) dweight[j] += dout[j] * x_hat;
      dx[j] = into == Into::kAdd ? dx[j] + gradient : gradient;
    }
  }
}

}  // namespace

void ReferenceOps::rms_norm(TensorView out_ND, TensorView rstd_N, TensorView x_ND, TensorView weight_D,
                            double eps) {
  check::rms_norm(kTypes, out_ND, rstd_N, x_ND, weight_D);
  by_type(x_ND.dtype, [&]<class T>(T) {
    const int64_t d = weight_D.numel();
    std::vector<T> weight(static_cast<size_t>(d));
    decode_row(weight_D, 0, weight.data());
    rms_norm_forward(out_ND.as<T>(), rstd_N.as<T>(), x_ND.as<T>(), weight.data(), x_ND.numel() / d, d, eps);
  });
}

void ReferenceOps::rms_norm_backward(TensorView dx_ND, Into into, TensorView dweight_D, TensorView dout_ND,
                                     TensorView x_ND, TensorView weight_D, TensorView rstd_N) {
  check::rms_norm_backward(kTypes, dx_ND, dweight_D, dout_ND, x_ND, weight_D, rstd_N);
  by_type(x_ND.dtype, [&]<class T>(T) {
    const int64_t d = weight_D.numel();
    std::vector<T> weight(static_cast<size_t>(d));
    decode_row(weight_D, 0, weight.data());
    rms_norm_backward_rows(dx_ND.as<T>(), into, dweight_D.as<T>(), dout_ND.as<T>(), x_ND.as<T>(),
                           weight.data(), rstd_N.as<T>(), x_ND.numel() / d, d);
  });
}

}  // namespace owlet
