// Activations as the block formats meet them: 8 bits per number, a float32 scale per block of 32.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "quant/blocks.h"

namespace owlet::cpu {

struct HalfTag {};    // 16-bit words that are IEEE halves
struct BFloatTag {};  // … or bfloat16

struct QuantizedBlock {
  float d;           // x ≈ d · q, d = max |x| / 127
  int8_t q[kBlock];
  int32_t sums[8];   // of q[4i] … q[4i + 3]: kernels that multiply unsigned codes take their offset out with them
};

inline void quantize_activations(const float* x, QuantizedBlock* out, int64_t n) {
  for (int64_t b = 0; b < n / kBlock; ++b, x += kBlock) {
    QuantizedBlock& block = out[b];
    float largest = 0;
    for (int i = 0; i < kBlock; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    block.d = largest / 127.0f;
    // A scale that is no normal number has no inverse: such a block counts as zeros.
    const float inverse = block.d >= FLT_MIN ? 1.0f / block.d : 0.0f;
    for (int i = 0; i < kBlock; ++i) block.q[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
    for (int i = 0; i < 8; ++i) block.sums[i] = block.q[4 * i] + block.q[4 * i + 1] + block.q[4 * i + 2] + block.q[4 * i + 3];
  }
}

}  // namespace owlet::cpu
