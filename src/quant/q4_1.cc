// Q4_1: sixteen even steps from the block's least number: x = d · q + m. Nibbles lie as in Q4_0.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void decode(const BlockQ4_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(block.q[i] & 15) + m;
    out[i + kBlock / 2] = d * static_cast<float>(block.q[i] >> 4) + m;
  }
}

}  // namespace

const RowCodec kQ4_1Codec = block_decoder<BlockQ4_1, kBlock, decode>();

}  // namespace owlet
