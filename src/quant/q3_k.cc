// Q3_K: the low two bits of the numbers lie as in Q2_K. Number 32·k + l (k = 0 … 7) has its third bit in bit k of high[l]; where
// that is 0, four are subtracted. The sixteen scales have six bits: four in the nibbles of the first eight bytes (scale i < 8 low,
// i + 8 high), and two in bits 2·(i / 4) and 2·(i / 4) + 1 of byte 8 + i mod 4.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

int scale_of(const BlockQ3_K& block, int i) {
  const int low = i < 8 ? block.scales[i] & 15 : block.scales[i - 8] >> 4;
  const int high = (block.scales[8 + i % 4] >> (2 * (i / 4))) & 3;
  return (low | (high << 4)) - 32;
}

void decode(const BlockQ3_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int sub = 0; sub < 16; ++sub) {
    const float scale = d * static_cast<float>(scale_of(block, sub));
    const uint8_t* q = block.q + 32 * (sub / 8) + 16 * (sub % 2);
    const uint8_t* high = block.high + 16 * (sub % 2);
    const int shift = 2 * (sub % 8 / 2), bit = sub / 2;
    for (int l = 0; l < 16; ++l) {
      const int code = ((q[l] >> shift) & 3) | (((high[l] >> bit) & 1) << 2);
      out[16 * sub + l] = scale * static_cast<float>(code - 4);
    }
  }
}

}  // namespace

const RowCodec kQ3_KCodec = block_decoder<BlockQ3_K, kSuperBlock, decode>();

}  // namespace owlet
