// What the products share: activations of 8 bits or in bfloat16, and names for the kinds of numbers.
#pragma once

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/block_codes.h"
#include "kernels/cpu/vectors.h"

namespace owlet::cpu {

struct HalfTag {};    // 16-bit words that are IEEE halves
struct BFloatTag {};  // … or bfloat16

// Sums of 16 bits, two to a lane: one of codes 0 and 1 of every four, one of codes 2 and 3.
template <class S>
inline constexpr bool kSumsPairs = requires { requires S::kSumsPairs; };

// 32 activations, and what their sums have to do with the weights' kind of code.
struct QuantizedBlock {
  float d;  // x ≈ d · q, d = max |x| / 127; of the 32, or of all that share it
  union {
    int32_t starts[2];  // −offset · Σ q of both sixteens, or of all and nothing: where integer sums of unsigned codes begin
    int16_t halves[2];  // Σ q of both sixteens
    float sum;          // d · Σ q, for weights with a least value; Σ q where d is shared
  };
  int8_t q[kBlock];
};
static_assert(sizeof(QuantizedBlock) == 44);

// Whether both sixteens are worth different scales, and their sums begin apart.
template <class Codes>
inline constexpr bool kInHalves = Codes::kKind == CodeKind::kHalves;

// How many runs of a block meet activations of one scale (activations_per_scale).
template <class Codes>
inline constexpr int kRunsPerScale = Codes::kKind == CodeKind::kLeast ? Codes::kRuns : 1;

// How many products of pairs, of unsigned codes of B bits by signed ones of eight, 16 bits can sum: 2 (2^B − 1) 127 each; where sums begin with
// what an offset of 2^(B − 1) takes away it matters only what they come to, 2 · 2^(B − 1) · 127 each. Of a run's eight, or of a sixteen's four.
template <class Codes>
constexpr int pairs_together() {
  constexpr int kAll = kInHalves<Codes> ? 4 : 8, kMost = 32767 / (2 * 127 * (Codes::kOffset > 0 ? Codes::kOffset : (1 << Codes::kBits) - 1));
  static_assert(Codes::kOffset == 0 || kMost >= kAll, "sums begin once");
  return static_cast<int>(std::bit_floor(static_cast<unsigned>(std::min(kMost, kAll))));
}

// 32 activations in bfloat16.
struct BF16Block {
  alignas(64) uint32_t pairs[kBlock / 2];
};
template <class Codes>
using ActivationsOf = std::conditional_t<Codes::kKind == CodeKind::kPairs, BF16Block, QuantizedBlock>;

// Sums of 32 codes: of both sixteens, and of these in the pairs that kSumsPairs sums.
struct HalfSums {
  int32_t of[2];
  HalfSums halves() const { return *this; }
  // −offset · Σ: of each, or of all and nothing.
  HalfSums starts(int32_t offset, bool apart) const { return {-offset * (apart ? of[0] : of[0] + of[1]), apart ? -offset * of[1] : 0}; }
};
struct PairSums {
  int16_t of[2][2];
  HalfSums halves() const { return {of[0][0] + of[0][1], of[1][0] + of[1][1]}; }
  PairSums starts(int32_t offset, bool apart) const {
    const auto start = [&](int h, int i) { return static_cast<int16_t>(-offset * (apart ? of[h][i] : h == 0 ? of[0][i] + of[1][i] : 0)); };
    return {{{start(0, 0), start(0, 1)}, {start(1, 0), start(1, 1)}}};
  }
};

// q[i] = x[i] · inverse as a whole number, of 32. Weights that are not finite numbers leave activations that are none, and maxima that have
// lost what stood before them: what does not fit becomes 0.
template <class S>
inline auto round_to_codes(const float* x, typename S::F inverse, int8_t* q) {
  if constexpr (requires { S::round_to_codes(x, inverse, q); }) {
    return S::round_to_codes(x, inverse, q);
  } else {
    static_assert(!kSumsPairs<S>);
    HalfSums sums = {};
    float rounded[kBlock];
    for (int64_t i = 0; i < kBlock; i += S::kLanes) S::store(rounded + i, S::round(S::mul(S::load(x + i), inverse)));
    for (int64_t i = 0; i < kBlock; ++i) {
      const bool fits = rounded[i] >= -127.0f && rounded[i] <= 127.0f;
      q[i] = static_cast<int8_t>(fits ? rounded[i] : 0.0f);
      sums.of[i / 16] += q[i];
    }
    return sums;
  }
}

// What products with codes of a kind, and of that offset, need to know of the sums of activations d · q.
template <class S, class Sums>
inline void note_sums(QuantizedBlock& block, const Sums& sums, bool shared, CodeKind kind, int32_t offset) {
  const HalfSums halves = sums.halves();
  if (offset != 0) {
    const auto starts = [&] {
      if constexpr (kSumsPairs<S>) return sums.starts(offset, kind == CodeKind::kHalves);
      else return halves.starts(offset, kind == CodeKind::kHalves);
    }();
    static_assert(sizeof starts == sizeof block.starts);
    std::memcpy(block.starts, &starts, sizeof starts);
  } else if (kind == CodeKind::kLeast) {
    block.sum = (shared ? 1.0f : block.d) * static_cast<float>(halves.of[0] + halves.of[1]);
  } else if (kind == CodeKind::kHalves) {
    for (int h = 0; h < 2; ++h) block.halves[h] = static_cast<int16_t>(halves.of[h]);
  }
}

// `stride` from a block of `out` to the next; `offset` of unsigned codes. kShared neighbours have one d.
template <class S, int kShared>
inline void quantize_activations(const float* x, QuantizedBlock* out, int64_t stride, int64_t blocks, CodeKind kind, int32_t offset) {
  using F = typename S::F;
  constexpr int64_t kTogether = 8;  // so that none need wait for its division
  for (; blocks > 0; blocks -= kTogether, x += kTogether * kBlock, out += kTogether * stride) {
    const int64_t here = std::min(kTogether, blocks);
    float d[kTogether], inverse[kTogether];
    for (int64_t first = 0; first < here; first += kShared) {
      F largest = S::zero();
      for (int64_t i = first * kBlock; i < (first + kShared) * kBlock; i += S::kLanes) {
        const F v = S::load(x + i);
        largest = S::max(largest, S::max(v, S::sub(S::zero(), v)));
      }
      const float step = S::largest(largest) / 127.0f;
      std::fill_n(d + first, kShared, step >= FLT_MIN ? step : 0.0f);
      std::fill_n(inverse + first, kShared, step >= FLT_MIN ? 1.0f / step : 0.0f);
    }
    for (int64_t b = 0; b < here; ++b) {
      QuantizedBlock& block = out[b * stride];
      block.d = d[b];
      note_sums<S>(block, round_to_codes<S>(x + b * kBlock, S::set1(inverse[b]), block.q), kShared > 1, kind, offset);
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
