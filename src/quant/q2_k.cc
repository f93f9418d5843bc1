// Q2_K: two halves of 128 numbers with 32 bytes each. In a half, number 32·j + l (j = 0 … 3) is in bits 2j and 2j + 1 of byte l;
// its sub-block's byte scales[2j + l / 16] has the scale in the low nibble and the offset in the high one.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void decode(const BlockQ2_K& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int sub = 0; sub < 16; ++sub) {
    const float scale = d * static_cast<float>(block.scales[sub] & 15);
    const float offset = m * static_cast<float>(block.scales[sub] >> 4);
    const uint8_t* q = block.q + 32 * (sub / 8) + 16 * (sub % 2);
    const int shift = 2 * (sub % 8 / 2);
    for (int l = 0; l < 16; ++l) out[16 * sub + l] = scale * static_cast<float>((q[l] >> shift) & 3) - offset;
  }
}

}  // namespace

const RowCodec kQ2_KCodec = block_decoder<BlockQ2_K, kSuperBlock, decode>();

}  // namespace owlet
