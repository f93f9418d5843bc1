// What the block formats' products share: activations of 8 bits, and names for the kinds of numbers.
#pragma once

#include <cfloat>
#include <cstdint>

#include "kernels/cpu/vectors.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct HalfTag {};    // 16-bit words that are IEEE halves
struct BFloatTag {};  // … or bfloat16

// 32 activations. `start` is where integer sums begin: where an instruction set multiplies unsigned codes (code + offset), it is
// −offset · Σ q, which takes the offset out again.
struct QuantizedBlock {
  float d;  // x ≈ d · q, d = max |x| / 127
  int32_t start;
  int8_t q[kBlock];
};

template <class S>
inline void quantize_activations(const float* x, QuantizedBlock* out, int64_t blocks, int32_t offset) {
  using F = typename S::F;
  for (int64_t b = 0; b < blocks; ++b, x += kBlock) {
    F largest = S::zero();
    for (int64_t i = 0; i < kBlock; i += S::kLanes) {
      const F v = S::load(x + i);
      largest = S::max(largest, S::max(v, S::sub(S::zero(), v)));
    }
    out[b].d = S::largest(largest) / 127.0f;
    if (!(out[b].d >= FLT_MIN)) out[b].d = 0;
    const F inverse = S::set1(out[b].d != 0 ? 1.0f / out[b].d : 0.0f);
    float rounded[kBlock];
    for (int64_t i = 0; i < kBlock; i += S::kLanes) S::store(rounded + i, S::round(S::mul(S::load(x + i), inverse)));
    int32_t sum = 0;
    for (int64_t i = 0; i < kBlock; ++i) {
      // Weights that are not finite numbers leave activations that are none, and maxima that have lost what stood before them.
      const bool fits = rounded[i] >= -127.0f && rounded[i] <= 127.0f;
      out[b].q[i] = static_cast<int8_t>(fits ? rounded[i] : 0.0f);
      sum += out[b].q[i];
    }
    out[b].start = -offset * sum;
  }
}

}  // namespace owlet::cpu
