// Q5_K: Q4_K with a fifth bit: that of number l of sub-block s is bit s of high[l].
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/k_scales.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void decode(const BlockQ5_K& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int sub = 0; sub < 8; ++sub) {
    const auto [s, t] = k_scale(block.scales, sub);
    const float scale = d * static_cast<float>(s), offset = m * static_cast<float>(t);
    const uint8_t* q = block.q + 32 * (sub / 2);
    const int shift = 4 * (sub % 2);
    for (int l = 0; l < 32; ++l) {
      const int code = ((q[l] >> shift) & 15) | (((block.high[l] >> sub) & 1) << 4);
      out[32 * sub + l] = scale * static_cast<float>(code) - offset;
    }
  }
}

}  // namespace

const RowCodec kQ5_KCodec = block_decoder<BlockQ5_K, kSuperBlock, decode>();

}  // namespace owlet
