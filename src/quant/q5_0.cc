// Q5_0: Q4_0 with 32 steps: x = d · (q − 16). Bit i of `high` is the fifth bit of number i.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fifth_bits.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, const float* w, BlockQ5_0& block) {
  block = {};
  block.d = f32_to_f16(fit_scale(x, w, kBlock, -16, 2, [](float scaled) { return nearest_float(scaled, -16, 15); }));
  const float inverse = inverse_of(f16_to_f32(block.d));
  for (int i = 0; i < kBlock; ++i) set_five_bits(block, i, nearest_int(x[i] * inverse, -16, 15) + 16);
}

void decode(const BlockQ5_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(((block.q[i] & 15) | fifth_bit(block.high, i)) - 16);
    out[i + kBlock / 2] = d * static_cast<float>(((block.q[i] >> 4) | fifth_bit(block.high, i + kBlock / 2)) - 16);
  }
}

}  // namespace

const RowCodec kQ5_0Codec = block_codec<BlockQ5_0, kBlock, encode, decode>();

}  // namespace owlet
