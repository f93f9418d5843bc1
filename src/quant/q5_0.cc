// Q5_0: Q4_0 with 32 steps: x = d · (q − 16). Bit i of `high` is the fifth bit of number i.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fifth_bits.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void decode(const BlockQ5_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(((block.q[i] & 15) | fifth_bit(block.high, i)) - 16);
    out[i + kBlock / 2] = d * static_cast<float>(((block.q[i] >> 4) | fifth_bit(block.high, i + kBlock / 2)) - 16);
  }
}

}  // namespace

const RowCodec kQ5_0Codec = block_decoder<BlockQ5_0, kBlock, decode>();

}  // namespace owlet
