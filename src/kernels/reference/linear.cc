// Matrix products with a weight of any dtype, decoded row by row. Weights in blocks meet activations that are quantized
// themselves, 32 or 256 numbers at a time (activations_per_scale):
//   d = max |x| / 127,  q = round(x / d), ties to even  (a block with d below the smallest normal float counts as zeros)
// Gradients of inputs run along the other dimension, where blocks mean nothing: they take the numbers as they are.
#include <cmath>
#include <vector>

#include "core/half.h"
#include "kernels/reference/reference_ops.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

// The numbers as the product sees them.
template <class T>
void round_to(Precision precision, std::vector<T>& x) {
  if (precision != Precision::kBF16) return;
  for (T& value : x) value = static_cast<T>(bf16_to_f32(f32_to_bf16(static_cast<float>(value))));
}

template <class T>
std::vector<T> rounded(TensorView x, Precision precision) {
  std::vector<T> out(x.as<T>(), x.as<T>() + x.numel());
  round_to(precision, out);
  return out;
}

template <class T>
void write(T& out, Into into, T value) {
  out = into == Into::kAdd ? out + value : value;
}

// out_NO = x_NI · weight_OIᵀ
template <class T>
void linear_forward(T* out, Into into, const T* x, TensorView weight, int64_t n, Precision precision) {
  const int64_t i_size = weight.cols(), o_size = weight.rows();
  std::vector<T> w(static_cast<size_t>(i_size));
  for (int64_t o = 0; o < o_size; ++o) {
    decode_row(weight, o, w.data());
    round_to(precision, w);
    for (int64_t row = 0; row < n; ++row) {
      T sum = 0;
      for (int64_t i = 0; i < i_size; ++i) sum += x[row * i_size + i] * w[static_cast<size_t>(i)];
      write(out[row * o_size + o], into, sum);
    }
  }
}

// dx_NI = dout_NO · weight_OI
template <class T>
void linear_backward_input_rows(T* dx, Into into, const T* dout, TensorView weight, int64_t n,
                                Precision precision) {
  const int64_t i_size = weight.cols(), o_size = weight.rows();
  std::vector<T> w(static_cast<size_t>(i_size));
  std::vector<T> sums(static_cast<size_t>(n * i_size));
  for (int64_t o = 0; o < o_size; ++o) {
    decode_row(weight, o, w.data());
    round_to(precision, w);
    for (int64_t row = 0; row < n; ++row) {
      T* sum = &sums[static_cast<size_t>(row * i_size)];
      for (int64_t i = 0; i < i_size; ++i) sum[i] += dout[row * o_size + o] * w[static_cast<size_t>(i)];
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) write(dx[i], into, sums[i]);
}

// dweight_OI += dout_NOᵀ · x_NI
template <class T>
void linear_backward_weight_rows(T* dweight, const T* dout, const T* x, int64_t n, int64_t i_size,
                                 int64_t o_size) {
  for (int64_t o = 0; o < o_size; ++o) {
    for (int64_t i = 0; i < i_size; ++i) {
      T sum = 0;
      for (int64_t row = 0; row < n; ++row) sum += dout[row * o_size + o] * x[row * i_size + i];
      dweight[o * i_size + i] += sum;
    }
  }
}

// x_NO += bias_O
template <class T>
void add_bias_rows(T* x, TensorView bias, int64_t n) {
  std::vector<T> row(static_cast<size_t>(bias.numel()));
  decode_row(bias, 0, row.data());
  for (int64_t i = 0; i < n; ++i) {
    for (const T b : row) *x++ += b;
  }
}

}  // namespace

void ReferenceOps::linear(TensorView out_NO, Into into, TensorView x_NI, TensorView weight_OI,
                          Precision precision) {
  check::linear(kTypes, out_NO, x_NI, weight_OI);
  by_type(x_NI.dtype, [&]<class T>(T) {
    const int64_t i_size = weight_OI.cols(), n = x_NI.numel() / i_size;
    const Precision used = is_quantized(weight_OI.dtype) ? Precision::kF32 : precision;
    const std::vector<T> x = multiplies_in_8_bits(weight_OI.dtype) ? in_8_bits<T>(x_NI, weight_OI.dtype) : rounded<T>(x_NI, used);
    linear_forward(out_NO.as<T>(), into, x.data(), weight_OI, n, used);
  });
}

void ReferenceOps::linear_backward_input(TensorView dx_NI, Into into, TensorView dout_NO,
                                         TensorView weight_OI, Precision precision) {
  check::linear_backward_input(kTypes, dx_NI, dout_NO, weight_OI);
  by_type(dout_NO.dtype, [&]<class T>(T) {
    const Precision used = is_quantized(weight_OI.dtype) ? Precision::kF32 : precision;
    const std::vector<T> dout = rounded<T>(dout_NO, used);
    linear_backward_input_rows(dx_NI.as<T>(), into, dout.data(), weight_OI,
                               dout_NO.numel() / weight_OI.rows(), used);
  });
}

void ReferenceOps::linear_backward_weight(TensorView dweight_OI, TensorView dout_NO, TensorView x_NI,
                                          Precision precision) {
  check::linear_backward_weight(kTypes, dweight_OI, dout_NO, x_NI);
  by_type(dout_NO.dtype, [&]<class T>(T) {
    const std::vector<T> dout = rounded<T>(dout_NO, precision), x = rounded<T>(x_NI, precision);
    linear_backward_weight_rows(dweight_OI.as<T>(), dout.data(), x.data(), x_NI.numel() / dweight_OI.cols(),
                                dweight_OI.cols(), dweight_OI.rows());
  });
}

void ReferenceOps::add_bias(TensorView x_NO, TensorView bias_O) {
  check::add_bias(kTypes, x_NO, bias_O);
  by_type(x_NO.dtype, [&]<class T>(T) { add_bias_rows(x_NO.as<T>(), bias_O, x_NO.numel() / bias_O.numel()); });
}

void ReferenceOps::bias_backward(TensorView dbias_O, TensorView dout_NO) {
  check::bias_backward(kTypes, dbias_O, dout_NO);
  by_type(dout_NO.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < dout_NO.numel(); ++i) dbias_O.as<T>()[i % dbias_O.numel()] += dout_NO.as<T>()[i];
  });
}

void ReferenceOps::scale_columns(TensorView out_NO, TensorView x_NO, TensorView scale_O) {
  check::scale_columns(kTypes, out_NO, x_NO, scale_O);
  by_type(x_NO.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < x_NO.numel(); ++i) out_NO.as<T>()[i] = x_NO.as<T>()[i] * scale_O.as<T>()[i % scale_O.numel()];
  });
}

void ReferenceOps::scale_columns_backward(TensorView dscale_O, TensorView dout_NO, TensorView x_NO) {
  check::scale_columns(kTypes, dout_NO, x_NO, dscale_O);
  by_type(x_NO.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < x_NO.numel(); ++i) dscale_O.as<T>()[i % dscale_O.numel()] += dout_NO.as<T>()[i] * x_NO.as<T>()[i];
  });
}

}  // namespace owlet
