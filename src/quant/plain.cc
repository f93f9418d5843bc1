// The plain types: one number an element.
#include <algorithm>

#include "core/half.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

// A codec that converts element by element.
template <class T, T (*kFromFloat)(float), float (*kToFloat)(T)>
constexpr RowCodec element_codec() {
  return {[](const float* x, const float*, void* out, int64_t n) { std::transform(x, x + n, static_cast<T*>(out), kFromFloat); },
          [](const void* row, float* out, int64_t n) {
            const T* elements = static_cast<const T*>(row);
            std::transform(elements, elements + n, out, kToFloat);
          }};
}

double to_double(float x) { return x; }
float from_double(double x) { return static_cast<float>(x); }

}  // namespace

const RowCodec kF32Codec = {
    [](const float* x, const float*, void* out, int64_t n) { std::copy_n(x, n, static_cast<float*>(out)); },
    [](const void* row, float* out, int64_t n) { std::copy_n(static_cast<const float*>(row), n, out); }};
const RowCodec kF64Codec = element_codec<double, to_double, from_double>();
const RowCodec kF16Codec = element_codec<uint16_t, f32_to_f16, f16_to_f32>();
const RowCodec kBF16Codec = element_codec<uint16_t, f32_to_bf16, bf16_to_f32>();
const RowCodec kI32Codec = {nullptr, [](const void* row, float* out, int64_t n) {
                              const auto* elements = static_cast<const int32_t*>(row);
                              std::transform(elements, elements + n, out, [](int32_t x) { return static_cast<float>(x); });
                            }};

}  // namespace owlet
