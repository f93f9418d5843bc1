// Looking rows up, decoding, moving and mixing them.
#include <cstring>
#include <type_traits>
#include <vector>

#include "kernels/draws.h"
#include "kernels/reference/reference_ops.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

template <class T>
void decode_row_as(TensorView weight, int64_t row, T* out) {
  const void* bytes = weight.row_range(row, row + 1).data;
  const int64_t n = weight.cols();
  if (weight.dtype == DType::kF64) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(static_cast<const double*>(bytes)[i]);
  } else if constexpr (std::is_same_v<T, float>) {
    dequantize_row(weight.dtype, bytes, out, n);
  } else {
    std::vector<float> row_f32(static_cast<size_t>(n));
    dequantize_row(weight.dtype, bytes, row_f32.data(), n);
    for (int64_t i = 0; i < n; ++i) out[i] = row_f32[static_cast<size_t>(i)];
  }
}

}  // namespace

void decode_row(TensorView weight, int64_t row, float* out) { decode_row_as(weight, row, out); }
void decode_row(TensorView weight, int64_t row, double* out) { decode_row_as(weight, row, out); }

void ReferenceOps::embedding(TensorView out_ND, TensorView table_VD, std::span<const int32_t> ids) {
  check::embedding(kTypes, out_ND, table_VD, ids);
  by_type(out_ND.dtype, [&]<class T>(T) {
    T* out = out_ND.as<T>();
    for (size_t i = 0; i < ids.size(); ++i, out += table_VD.cols()) decode_row(table_VD, ids[i], out);
  });
}

void ReferenceOps::embedding_backward(TensorView dtable_VD, TensorView dout_ND,
                                      std::span<const int32_t> ids) {
  check::embedding_backward(kTypes, dtable_VD, dout_ND, ids);
  by_type(dout_ND.dtype, [&]<class T>(T) {
    const int64_t d = dtable_VD.cols();
    const T* dout = dout_ND.as<T>();
    for (size_t i = 0; i < ids.size(); ++i, dout += d) {
      T* row = dtable_VD.as<T>() + ids[i] * d;
      for (int64_t j = 0; j < d; ++j) row[j] += dout[j];
    }
  });
}

void ReferenceOps::copy(TensorView out, TensorView x) {
  check::copy(out, x);
  if (x.numel() > 0) std::memmove(out.data, x.data, static_cast<size_t>(x.bytes()));
}

void ReferenceOps::add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) {
  check::add_scaled(kTypes, out, a, x, b, y);
  by_type(out.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < out.numel(); ++i) {
      T sum = 0;
      if (a != 0) sum += static_cast<T>(a) * x.as<T>()[i];
      if (b != 0) sum += static_cast<T>(b) * y.as<T>()[i];
      out.as<T>()[i] = sum;
    }
  });
}

void ReferenceOps::dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) {
  check::dropout(kTypes, out, x, p);
  by_type(x.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      const bool kept = draw_group(draw, i / kDrawsAtOnce)[static_cast<size_t>(i % kDrawsAtOnce)] >= drop_below(p);
      const T value = kept ? x.as<T>()[i] * static_cast<T>(1 / (1 - p)) : T{0};
      out.as<T>()[i] = into == Into::kAdd ? out.as<T>()[i] + value : value;
    }
  });
}

}  // namespace owlet
