// Q4_K: eight sub-blocks of 32. Sub-blocks 2p and 2p + 1 are the low and the high nibbles of bytes 32·p … 32·p + 31.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/k_fit.h"
#include "quant/k_scales.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, const float* w, BlockQ4_K& block) {
  block = {};
  const SuperBlockFit fit = fit_super_block(x, w, 15);
  block.d = fit.d;
  block.m = fit.m;
  for (int sub = 0; sub < 8; ++sub) set_k_scale(block.scales, sub, {fit.scales[sub], fit.offsets[sub]});
  for (int pair = 0; pair < 4; ++pair) {
    const uint8_t* low = fit.codes + 64 * pair;
    for (int l = 0; l < 32; ++l) block.q[32 * pair + l] = static_cast<uint8_t>((low[l] & 15) | ((low[l + 32] & 15) << 4));
  }
}

void decode(const BlockQ4_K& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int sub = 0; sub < 8; ++sub) {
    const auto [s, t] = k_scale(block.scales, sub);
    const float scale = d * static_cast<float>(s), offset = m * static_cast<float>(t);
    const uint8_t* q = block.q + 32 * (sub / 2);
    const int shift = 4 * (sub % 2);
    for (int l = 0; l < 32; ++l) out[32 * sub + l] = scale * static_cast<float>((q[l] >> shift) & 15) - offset;
  }
}

}  // namespace

const RowCodec kQ4_KCodec = block_codec<BlockQ4_K, kSuperBlock, encode, decode>();

}  // namespace owlet
