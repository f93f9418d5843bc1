// Q6_K: a super-block of 256 numbers in two halves of 128. In a half, number 32·j + l (j = 0 … 3) takes its low four bits from
// byte l + 32·(j mod 2), the low nibble for j < 2 and the high one else; its upper two bits from bits 2j and 2j + 1 of high byte l;
// and its scale from scales[2j + l / 16].
#include <algorithm>
#include <cmath>

#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

// The scale of each sixteen by itself, then all as whole multiples of one d that gives the largest of them ±127.
void encode(const float* x, BlockQ6_K& block) {
  block = {};
  float scales[16], largest = 0;
  for (int sub = 0; sub < 16; ++sub) {
    scales[sub] = f16_to_f32(fit_scale(x + 16 * sub, 16, -32, [](float scaled) { return static_cast<float>(nearest_int(scaled, -32, 31)); }));
    largest = std::max(largest, std::fabs(scales[sub]));
  }
  block.d = f32_to_f16(largest / 127.0f);
  for (int sub = 0; sub < 16; ++sub) {
    const int scale = nearest_int(scales[sub] * inverse_of(block.d), -127, 127);
    block.scales[sub] = static_cast<int8_t>(scale);
    const float step = f16_to_f32(block.d) * static_cast<float>(scale), inverse = step != 0 ? 1.0f / step : 0.0f;
    const int half = sub / 8, j = sub % 8 / 2;
    for (int l = 16 * (sub % 2); l < 16 * (sub % 2) + 16; ++l) {
      const int code = nearest_int(x[128 * half + 32 * j + l] * inverse, -32, 31) + 32;
      uint8_t& low = block.low[64 * half + l + 32 * (j % 2)];
      uint8_t& high = block.high[32 * half + l];
      low = static_cast<uint8_t>(low | ((code & 15) << (j < 2 ? 0 : 4)));
      high = static_cast<uint8_t>(high | ((code >> 4) << (2 * j)));
    }
  }
}

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

const RowCodec kQ6_KCodec = block_codec<BlockQ6_K, kSuperBlock, encode, decode>();

}  // namespace owlet
