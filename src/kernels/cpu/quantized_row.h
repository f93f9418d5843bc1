// What the products share: activations of 8 bits or in bfloat16, and names for the kinds of numbers.
#pragma once

#include <cfloat>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/block_codes.h"
#include "kernels/cpu/vectors.h"

namespace owlet::cpu {

struct HalfTag {};    // 16-bit words that are IEEE halves
struct BFloatTag {};  // … or bfloat16

// Where no instruction adds products to what an integer sum begins with, codes with an offset begin in float32, one operation less a run.
template <class S>
inline constexpr bool kStartsAsFloat = requires { requires S::kStartsAsFloat; };

// 32 activations, and what their sum has to do with the weights' kind of code.
struct QuantizedBlock {
  float d;  // x ≈ d · q, d = max |x| / 127
  union {
    int32_t start;      // −offset · Σ q: where integer sums of unsigned codes begin
    float scaled_sum;   // d · Σ q, for weights with a least value; d · start, where that is a float
    int16_t halves[2];  // Σ q of the first sixteen and of the others
  };
  int8_t q[kBlock];
};
static_assert(sizeof(QuantizedBlock) == 40);

// 32 activations in bfloat16.
struct BF16Block {
  alignas(64) uint32_t pairs[kBlock / 2];
};
template <class Codes>
using ActivationsOf = std::conditional_t<Codes::kKind == CodeKind::kPairs, BF16Block, QuantizedBlock>;

// q[i] = x[i] · inverse as a whole number; returns their sum. Weights that are not finite numbers leave activations that are none, and
// maxima that have lost what stood before them: what does not fit becomes 0.
template <class S>
inline int32_t sixteen_codes(const float* x, typename S::F inverse, int8_t* q) {
  if constexpr (requires { S::round_to_codes(inverse, q); }) {
    return S::round_to_codes(S::mul(S::load(x), inverse), q);
  } else {
    float rounded[kBlock / 2];
    for (int64_t i = 0; i < kBlock / 2; i += S::kLanes) S::store(rounded + i, S::round(S::mul(S::load(x + i), inverse)));
    int32_t sum = 0;
    for (int64_t i = 0; i < kBlock / 2; ++i) {
      const bool fits = rounded[i] >= -127.0f && rounded[i] <= 127.0f;
      const auto code = static_cast<int32_t>(fits ? rounded[i] : 0.0f);
      q[i] = static_cast<int8_t>(code);
      sum += code;
    }
    return sum;
  }
}

// `stride` from a block of `out` to the next; `offset` of unsigned codes.
template <class S>
inline void quantize_activations(const float* x, QuantizedBlock* out, int64_t stride, int64_t blocks, CodeKind kind, int32_t offset) {
  using F = typename S::F;
  for (int64_t b = 0; b < blocks; ++b, x += kBlock, out += stride) {
    F largest = S::zero();
    for (int64_t i = 0; i < kBlock; i += S::kLanes) {
      const F v = S::load(x + i);
      largest = S::max(largest, S::max(v, S::sub(S::zero(), v)));
    }
    float d = S::largest(largest) / 127.0f;
    if (!(d >= FLT_MIN)) d = 0;
    const F inverse = S::set1(d != 0 ? 1.0f / d : 0.0f);
    int32_t sums[2];
    for (int64_t half = 0; half < 2; ++half) sums[half] = sixteen_codes<S>(x + half * kBlock / 2, inverse, out->q + half * kBlock / 2);
    out->d = d;
    switch (kind) {
      case CodeKind::kOffset:
        if constexpr (kStartsAsFloat<S>) {
          out->scaled_sum = d * static_cast<float>(-offset * (sums[0] + sums[1]));
          break;
        }
        [[fallthrough]];
      case CodeKind::kSigned: out->start = -offset * (sums[0] + sums[1]); break;
      case CodeKind::kLeast: out->scaled_sum = d * static_cast<float>(sums[0] + sums[1]); break;
      case CodeKind::kPairs: break;
      case CodeKind::kHalves:
        for (int half = 0; half < 2; ++half) out->halves[half] = static_cast<int16_t>(sums[half]);
    }
  }
}

template <class S>
inline void round_activations(const float* x, BF16Block* out, int64_t stride, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, x += kBlock, out += stride) {
    for (int64_t i = 0; i < kBlock; i += 2 * S::kLanes) {
      const typename S::F pairs = S::bf16_pairs(S::load(x + i), S::load(x + i + S::kLanes));
      std::memcpy(out->pairs + i / 2, &pairs, sizeof pairs);
    }
  }
}

}  // namespace owlet::cpu
