// IQ4_NL: x = d · table[q]. Nibbles lie as in Q4_0.
#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fit.h"
#include "quant/row_codec.h"
#include "quant/uneven_steps.h"

namespace owlet {
namespace {

// The code whose step is nearest to x: the number of midpoints below it.
int nearest_code(float x) {
  int code = 0;
  for (int i = 1; i < 16; ++i) code += 2 * x > static_cast<float>(kUnevenSteps[i - 1] + kUnevenSteps[i]);
  return code;
}

float nearest_step(float x) {
  float step = kUnevenSteps[0];
  for (int i = 1; i < 16; ++i) {
    step += 2 * x > static_cast<float>(kUnevenSteps[i - 1] + kUnevenSteps[i]) ? static_cast<float>(kUnevenSteps[i] - kUnevenSteps[i - 1]) : 0.0f;
  }
  return step;
}

void encode(const float* x, const float* w, BlockIQ4_NL& block) {
  block.d = f32_to_f16(fit_scale(x, w, kBlock, -127, 19, nearest_step));
  const float inverse = inverse_of(f16_to_f32(block.d));
  for (int i = 0; i < kBlock / 2; ++i) {
    block.q[i] = static_cast<uint8_t>(nearest_code(x[i] * inverse) | (nearest_code(x[i + kBlock / 2] * inverse) << 4));
  }
}

void decode(const BlockIQ4_NL& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(kUnevenSteps[block.q[i] & 15]);
    out[i + kBlock / 2] = d * static_cast<float>(kUnevenSteps[block.q[i] >> 4]);
  }
}

}  // namespace

const RowCodec kIQ4_NLCodec = block_codec<BlockIQ4_NL, kBlock, encode, decode>();

}  // namespace owlet
