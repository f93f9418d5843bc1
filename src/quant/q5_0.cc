// Q5_0: Q4_0 with 32 steps: x = d · (q − 16). Bit i of `high` is the fifth bit of number i.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fifth_bits.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, BlockQ5_0& block) {
  block = {};
  block.d = fit_scale(x, kBlock, -16, [](float scaled) { return static_cast<float>(nearest_int(scaled, -16, 15)); });
  const float inverse = inverse_of(block.d);
  for (int i = 0; i < kBlock; ++i) {
    const int code = nearest_int(x[i] * inverse, -16, 15) + 16;
    uint8_t& nibbles = block.q[i % (kBlock / 2)];
    nibbles = static_cast<uint8_t>(nibbles | ((code & 15) << (i < kBlock / 2 ? 0 : 4)));
    block.high[i / 8] = static_cast<uint8_t>(block.high[i / 8] | ((code >> 4) << (i % 8)));
  }
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
