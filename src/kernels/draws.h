// What ops make of random numbers, scalar and exact: every backend draws the same.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "core/bit_cast.h"
#include "core/half.h"
#include "core/random.h"
#include "kernels/ops.h"

namespace owlet {

constexpr int64_t kDrawsAtOnce = 8;

// Sixteen random bits for each of the elements 8 · group … 8 · group + 7.
inline std::array<uint16_t, kDrawsAtOnce> draw_group(const Draw& draw, int64_t group) {
  const auto index = static_cast<uint64_t>(group);
  const auto words = philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), draw.stream, draw.step},
                            {static_cast<uint32_t>(draw.seed), static_cast<uint32_t>(draw.seed >> 32)});
  std::array<uint16_t, kDrawsAtOnce> bits;
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(words[i / 2] >> (i % 2 * 16));
  return bits;
}

// For elements [at, at + n); at is a multiple of eight.
inline void draw_bits(const Draw& draw, int64_t at, int64_t n, uint16_t* bits) {
  for (int64_t i = 0; i < n; i += kDrawsAtOnce) {
    const auto group = draw_group(draw, (at + i) / kDrawsAtOnce);
    std::copy_n(group.begin(), std::min(kDrawsAtOnce, n - i), bits + i);
  }
}

// Up to the next bfloat16 with the probability of what lies below it, down otherwise. What is no finite number stays what it is.
inline uint16_t round_stochastically(float x, uint16_t random) {
  const uint32_t word = bit_cast<uint32_t>(x);
  if ((word & 0x7f800000u) == 0x7f800000u) return f32_to_bf16(x);
  return static_cast<uint16_t>((word + random) >> 16);
}

// An element whose draw lies below is dropped: p to the nearest of 2^−16.
inline uint32_t drop_below(double p) { return static_cast<uint32_t>(std::lround(p * 65536)); }

}  // namespace owlet
