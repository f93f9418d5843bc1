#include "model/onnx_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace owlet {
namespace {

constexpr int64_t kColumnsAtATime = 32;  // of a matrix that is turned: so many lie on a cache line and more

std::vector<float> row_of(const StoredTensor& stored, int64_t row) {
  std::vector<float> x(static_cast<size_t>(stored.shape().last()));
  stored.write_row(row, DType::kF32, x.data());
  return x;
}

float scale_of(const std::vector<float>& x) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  return largest / 127.0f;
}

// What is stored of a row.
std::vector<float> as_floats(const std::vector<float>& x) { return x; }

std::vector<uint8_t> as_int8(const std::vector<float>& x) {
  const float scale = scale_of(x);
  std::vector<uint8_t> q;
  q.reserve(x.size());
  for (const float value : x) {
    const float code = scale > 0 ? std::nearbyint(value / scale) : 0.0f;
    q.push_back(static_cast<uint8_t>(kInt8Zero + (std::isfinite(code) ? static_cast<int>(std::clamp(code, -127.0f, 127.0f)) : 0)));
  }
  return q;
}

template <class T, std::vector<T> (*kEncode)(const std::vector<float>&)>
OnnxContent rows(const StoredTensor& stored) {
  return [stored](const OnnxPut& put) -> Status {
    for (int64_t r = 0; r < stored.shape().rows(); ++r) {
      const std::vector<T> row = kEncode(row_of(stored, r));
      OWLET_TRY(put(std::as_bytes(std::span(row))));
    }
    return {};
  };
}

template <class T, std::vector<T> (*kEncode)(const std::vector<float>&)>
OnnxContent columns(const StoredTensor& stored) {
  return [stored](const OnnxPut& put) -> Status {
    const auto n_rows = static_cast<size_t>(stored.shape().rows()), n_columns = static_cast<size_t>(stored.shape().last());
    std::vector<T> matrix;
    matrix.reserve(n_rows * n_columns);
    for (size_t r = 0; r < n_rows; ++r) {
      const std::vector<T> row = kEncode(row_of(stored, static_cast<int64_t>(r)));
      matrix.insert(matrix.end(), row.begin(), row.end());
    }
    for (size_t begin = 0; begin < n_columns; begin += kColumnsAtATime) {
      const size_t n = std::min<size_t>(kColumnsAtATime, n_columns - begin);
      std::vector<T> turned(n * n_rows);
      for (size_t r = 0; r < n_rows; ++r) {
        for (size_t c = 0; c < n; ++c) turned[c * n_rows + r] = matrix[r * n_columns + begin + c];
      }
      OWLET_TRY(put(std::as_bytes(std::span(turned))));
    }
    return {};
  };
}

std::vector<int64_t> dims_of(const Shape& shape, bool turned) {
  if (shape.rank() == 1) return {shape[0]};
  return turned ? std::vector{shape[1], shape[0]} : std::vector{shape[0], shape[1]};
}

}  // namespace

OnnxTensor float_rows(const StoredTensor& stored) {
  return {stored.name(), OnnxType::kFloat, dims_of(stored.shape(), false), rows<float, as_floats>(stored)};
}

OnnxTensor float_columns(const StoredTensor& stored) {
  return {stored.name(), OnnxType::kFloat, dims_of(stored.shape(), true), columns<float, as_floats>(stored)};
}

OnnxTensor int8_rows(const StoredTensor& stored) {
  return {stored.name() + "_quantized", OnnxType::kUint8, dims_of(stored.shape(), false), rows<uint8_t, as_int8>(stored)};
}

OnnxTensor int8_columns(const StoredTensor& stored) {
  return {stored.name() + "_quantized", OnnxType::kUint8, dims_of(stored.shape(), true), columns<uint8_t, as_int8>(stored)};
}

OnnxTensor int8_scales(const StoredTensor& stored) {
  return {stored.name() + "_scale", OnnxType::kFloat, {stored.shape().rows()}, [stored](const OnnxPut& put) {
            std::vector<float> scales;
            for (int64_t r = 0; r < stored.shape().rows(); ++r) scales.push_back(scale_of(row_of(stored, r)));
            return put(std::as_bytes(std::span(scales)));
          }};
}

}  // namespace owlet
