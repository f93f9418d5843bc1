// Q8_0: d = largest magnitude / 127, q = round(x / d), halves away from zero.
#include <algorithm>
#include <cmath>

#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

// Within ±127 for every float: a scale below float's normal range has an infinite inverse, and files hold NaN.
int8_t to_code(float scaled) {
  const float rounded = std::round(scaled);
  return static_cast<int8_t>(rounded >= 127 ? 127.0f : rounded <= -127 ? -127.0f : std::isnan(rounded) ? 0.0f : rounded);
}

void encode(const float* x, BlockQ8_0& block) {
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  block.d = f32_to_f16(d);
  for (int i = 0; i < kBlock; ++i) block.q[i] = to_code(x[i] * inverse);
}

void decode(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(block.q[i]);
}

}  // namespace

const RowCodec kQ8_0Codec = block_codec<BlockQ8_0, kBlock, encode, decode>();

}  // namespace owlet
