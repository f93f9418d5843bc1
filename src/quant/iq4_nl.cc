// IQ4_NL: x = d · table[q]. Nibbles lie as in Q4_0.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"
#include "quant/uneven_steps.h"

namespace owlet {
namespace {

void decode(const BlockIQ4_NL& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(kUnevenSteps[block.q[i] & 15]);
    out[i + kBlock / 2] = d * static_cast<float>(kUnevenSteps[block.q[i] >> 4]);
  }
}

}  // namespace

const RowCodec kIQ4_NLCodec = block_decoder<BlockIQ4_NL, kBlock, decode>();

}  // namespace owlet
