// Q6_K: a super-block of 256 numbers in two halves of 128. In a half, number 32·j + l (j = 0 … 3) takes its low four bits from
// byte l + 32·(j mod 2), the low nibble for j < 2 and the high one else; its upper two bits from bits 2j and 2j + 1 of high byte l;
// and its scale from scales[2j + l / 16].
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void decode(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 4; ++j) {
      for (int l = 0; l < 32; ++l) {
        const int nibbles = block.low[64 * half + l + 32 * (j % 2)];
        const int low = j < 2 ? nibbles & 15 : nibbles >> 4;
        const int high = (block.high[32 * half + l] >> (2 * j)) & 3;
        const float scale = d * static_cast<float>(block.scales[8 * half + 2 * j + l / 16]);
        out[128 * half + 32 * j + l] = scale * static_cast<float>((low | (high << 4)) - 32);
      }
    }
  }
}

}  // namespace

const RowCodec kQ6_KCodec = block_decoder<BlockQ6_K, kSuperBlock, decode>();

}  // namespace owlet
