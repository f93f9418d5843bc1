// Q8_0: d = largest magnitude / 127, q = round(x / d), halves away from zero; where numbers count differently, d is fitted.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

// Within ±127 for every float: a scale below float's normal range has an infinite inverse, and files hold NaN.
int8_t to_code(float scaled) {
  const float rounded = std::round(scaled);
  return static_cast<int8_t>(rounded >= 127 ? 127.0f : rounded <= -127 ? -127.0f : std::isnan(rounded) ? 0.0f : rounded);
}

void encode_alike(const float* x, BlockQ8_0& block) {
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  block.d = f32_to_f16(d);
  for (int i = 0; i < kBlock; ++i) block.q[i] = to_code(x[i] * inverse);
}

void encode_weighted(const float* x, const float* w, BlockQ8_0& block) {
  const float scale = fit_scale(x, w, kBlock, 127, 1.5f, [](float scaled) { return nearest_float(scaled, -127, 127); });
  block.d = f32_to_f16(std::fabs(scale));
  const float inverse = inverse_of(f16_to_f32(block.d));
  for (int i = 0; i < kBlock; ++i) block.q[i] = to_code(x[i] * inverse);
}

void encode(const float* x, const float* importance, void* out, int64_t n) {
  auto* blocks = static_cast<BlockQ8_0*>(out);
  for (int64_t i = 0; i < n / kBlock; ++i) {
    if (importance) {
      encode_weighted(x + i * kBlock, importance + i * kBlock, blocks[i]);
    } else {
      encode_alike(x + i * kBlock, blocks[i]);
    }
  }
}

void decode(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(block.q[i]);
}

}  // namespace

const RowCodec kQ8_0Codec = {encode, block_decoder<BlockQ8_0, kBlock, decode>().decode};

}  // namespace owlet
