// Q5_1: Q4_1 with 32 steps: x = d · q + m. Bit i of `high` is the fifth bit of number i.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fifth_bits.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, const float* w, BlockQ5_1& block) {
  block = {};
  const auto [scale, offset] = fit_range(x, w, kBlock, 31, Offset::kAny);
  block.d = f32_to_f16(scale);
  block.m = f32_to_f16(-offset);
  const float inverse = inverse_of(f16_to_f32(block.d)), m = f16_to_f32(block.m);
  for (int i = 0; i < kBlock; ++i) set_five_bits(block, i, nearest_int((x[i] - m) * inverse, 0, 31));
}

void decode(const BlockQ5_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>((block.q[i] & 15) | fifth_bit(block.high, i)) + m;
    out[i + kBlock / 2] = d * static_cast<float>((block.q[i] >> 4) | fifth_bit(block.high, i + kBlock / 2)) + m;
  }
}

}  // namespace

const RowCodec kQ5_1Codec = block_codec<BlockQ5_1, kBlock, encode, decode>();

}  // namespace owlet
