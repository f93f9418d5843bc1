// Matrix products with a weight of any dtype. Weights are decoded row by row, except that those in Q8_0 and Q4_0
// meet activations that are quantized themselves, 32 numbers at a time:
//   d = max |x| / 127,  q = round(x / d), ties to even  (a block with d below the smallest normal float
//   counts as zeros) out = Σ over blocks of d_w · d_x · Σ q_w q_x, the inner sum in exact integers.
// Gradients of inputs run along the other dimension, where blocks mean nothing: they take the decoded
// weights.
#include <cfloat>
#include <cmath>
#include <vector>

#include "core/half.h"
#include "kernels/reference/reference_ops.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

// The integers of one block and what one of them is worth.
struct Codes {
  float d = 0;
  int q[kBlock] = {};
};

Codes codes_of(const BlockQ8_0& block) {
  Codes codes{f16_to_f32(block.d), {}};
  for (int i = 0; i < kBlock; ++i) codes.q[i] = block.q[i];
  return codes;
}

Codes codes_of(const BlockQ4_0& block) {
  Codes codes{f16_to_f32(block.d), {}};
  for (int i = 0; i < kBlock / 2; ++i) {
    codes.q[i] = (block.q[i] & 15) - 8;
    codes.q[i + kBlock / 2] = (block.q[i] >> 4) - 8;
  }
  return codes;
}

template <class T>
Codes codes_of(const T* x) {
  float max = 0;
  for (int i = 0; i < kBlock; ++i) max = std::fmax(max, std::fabs(static_cast<float>(x[i])));
  Codes codes{max / 127, {}};
  if (codes.d < FLT_MIN) return {};
  const float inverse = 1 / codes.d;
  for (int i = 0; i < kBlock; ++i) {
    const float code = std::nearbyint(static_cast<float>(x[i]) * inverse);
    codes.q[i] = code >= -127 && code <= 127 ? static_cast<int>(code) : 0;  // what is no number is no code
  }
  return codes;
}

// One row of outputs, out_O = x_I · weight_OIᵀ, with weights in blocks.
template <class Block, class T>
void quantized_row(T* out, Into into, const T* x, TensorView weight) {
  const int64_t n_blocks = weight.cols() / kBlock;
  std::vector<Codes> x_codes;
  for (int64_t b = 0; b < n_blocks; ++b) x_codes.push_back(codes_of(x + b * kBlock));
  const Block* w = weight.as<Block>();
  for (int64_t o = 0; o < weight.rows(); ++o, w += n_blocks) {
    T sum = 0;
    for (int64_t b = 0; b < n_blocks; ++b) {
      const Codes a = x_codes[static_cast<size_t>(b)];
      const Codes c = codes_of(w[b]);
      int product = 0;
      for (int i = 0; i < kBlock; ++i) product += a.q[i] * c.q[i];
      sum += static_cast<T>(c.d) * static_cast<T>(a.d) * static_cast<T>(product);
    }
    out[o] = into == Into::kAdd ? out[o] + sum : sum;
  }
}

// The numbers as the product sees them.
template <class T>
void round_to(Precision precision, std::vector<T>& x) {
  if (precision == Precision::kF32) return;
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
    if (weight_OI.dtype != DType::kQ8_0 && weight_OI.dtype != DType::kQ4_0) {
      const Precision used = is_quantized(weight_OI.dtype) ? Precision::kF32 : precision;
      const std::vector<T> x = rounded<T>(x_NI, used);
      return linear_forward(out_NO.as<T>(), into, x.data(), weight_OI, n, used);
    }
    const auto row_of =
        weight_OI.dtype == DType::kQ8_0 ? quantized_row<BlockQ8_0, T> : quantized_row<BlockQ4_0, T>;
    for (int64_t row = 0; row < n; ++row) {
      row_of(out_NO.as<T>() + row * weight_OI.rows(), into, x_NI.as<T>() + row * i_size, weight_OI);
    }
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

}  // namespace owlet
