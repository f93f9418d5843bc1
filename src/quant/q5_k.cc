// Q5_K: Q4_K with a fifth bit: that of number l of sub-block s is bit s of high[l].
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/k_fit.h"
#include "quant/k_scales.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, const float* w, BlockQ5_K& block) {
  block = {};
  const SuperBlockFit fit = fit_super_block(x, w, 31);
  block.d = fit.d;
  block.m = fit.m;
  for (int sub = 0; sub < 8; ++sub) set_k_scale(block.scales, sub, {fit.scales[sub], fit.offsets[sub]});
  for (int pair = 0; pair < 4; ++pair) {
    const uint8_t* low = fit.codes + 64 * pair;
    for (int l = 0; l < 32; ++l) block.q[32 * pair + l] = static_cast<uint8_t>((low[l] & 15) | ((low[l + 32] & 15) << 4));
  }
  for (int sub = 0; sub < 8; ++sub) {
    for (int l = 0; l < 32; ++l) block.high[l] = static_cast<uint8_t>(block.high[l] | ((fit.codes[32 * sub + l] >> 4) << sub));
  }
}

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

const RowCodec kQ5_KCodec = block_codec<BlockQ5_K, kSuperBlock, encode, decode>();

}  // namespace owlet
