// IQ4_XS: eight sub-blocks of 32, each laid out as in IQ4_NL. Their scales have six bits: the low four of sub-block s are nibble
// s of `scales_low`, the upper two are bits 2s and 2s + 1 of `scales_high`.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"
#include "quant/uneven_steps.h"

namespace owlet {
namespace {

void decode(const BlockIQ4_XS& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int sub = 0; sub < 8; ++sub) {
    const int low = (block.scales_low[sub / 2] >> (4 * (sub % 2))) & 15;
    const int high = (block.scales_high >> (2 * sub)) & 3;
    const float scale = d * static_cast<float>((low | (high << 4)) - 32);
    const uint8_t* q = block.q + 16 * sub;
    for (int l = 0; l < 16; ++l) {
      out[32 * sub + l] = scale * static_cast<float>(kUnevenSteps[q[l] & 15]);
      out[32 * sub + 16 + l] = scale * static_cast<float>(kUnevenSteps[q[l] >> 4]);
    }
  }
}

}  // namespace

const RowCodec kIQ4_XSCodec = block_decoder<BlockIQ4_XS, kSuperBlock, decode>();

}  // namespace owlet
