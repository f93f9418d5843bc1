// Q4_0: the number of largest magnitude becomes −8, the one code without a positive twin: d = that number / −8,
// q = x / d + 8, rounded to the nearest of 0 … 15.
#include <cmath>

#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

// `shifted` is x / d + 8.5; its whole part is the code. NaN gives 0.
uint8_t to_code(float shifted) { return shifted >= 15 ? 15 : shifted > 0 ? static_cast<uint8_t>(shifted) : 0; }

void encode(const float* x, BlockQ4_0& block) {
  float largest = 0, signed_largest = 0;
  for (int i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) > largest) {
      largest = std::fabs(x[i]);
      signed_largest = x[i];
    }
  }
  const float d = signed_largest / -8.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  block.d = f32_to_f16(d);
  for (int i = 0; i < kBlock / 2; ++i) {
    const uint8_t low = to_code(x[i] * inverse + 8.5f);
    const uint8_t high = to_code(x[i + kBlock / 2] * inverse + 8.5f);
    block.q[i] = static_cast<uint8_t>(low | (high << 4));
  }
}

void decode(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>((block.q[i] & 15) - 8);
    out[i + kBlock / 2] = d * static_cast<float>((block.q[i] >> 4) - 8);
  }
}

}  // namespace

const RowCodec kQ4_0Codec = block_codec<BlockQ4_0, kBlock, encode, decode>();

}  // namespace owlet
