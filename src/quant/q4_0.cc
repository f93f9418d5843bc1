// Q4_0: x = d · (q − 8). The number of largest magnitude becomes −8 or nearly so, the one code without a positive twin.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

void encode(const float* x, const float* w, BlockQ4_0& block) {
  block.d = f32_to_f16(fit_scale(x, w, kBlock, -8, 1.5f, [](float scaled) { return nearest_float(scaled, -8, 7); }));
  const float inverse = inverse_of(f16_to_f32(block.d));
  const auto code = [&](int i) { return nearest_int(x[i] * inverse, -8, 7) + 8; };
  for (int i = 0; i < kBlock / 2; ++i) block.q[i] = static_cast<uint8_t>(code(i) | (code(i + kBlock / 2) << 4));
}

void decode(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>((block.q[i] & 15) - 8);
    out[i + kBlock / 2] = d * static_cast<float>((block.q[i] >> 4) - 8);
  }
}

}  // namespace

const RowCodec kQ4_0Codec = block_codec<BlockQ4_0, kBlock, encode, decode>();

}  // namespace owlet
