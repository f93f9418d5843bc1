// Q4_1: sixteen even steps from the block's least number: x = d · q + m. Nibbles lie as in Q4_0.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, const float* w, BlockQ4_1& block) {
  const auto [scale, offset] = fit_range(x, w, kBlock, 15, Offset::kAny);
  block.d = f32_to_f16(scale);
  block.m = f32_to_f16(-offset);
  const float inverse = inverse_of(f16_to_f32(block.d)), m = f16_to_f32(block.m);
  const auto code = [&](int i) { return nearest_int((x[i] - m) * inverse, 0, 15); };
  for (int i = 0; i < kBlock / 2; ++i) block.q[i] = static_cast<uint8_t>(code(i) | (code(i + kBlock / 2) << 4));
}

void decode(const BlockQ4_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(block.q[i] & 15) + m;
    out[i + kBlock / 2] = d * static_cast<float>(block.q[i] >> 4) + m;
  }
}

}  // namespace

const RowCodec kQ4_1Codec = block_codec<BlockQ4_1, kBlock, encode, decode>();

}  // namespace owlet
