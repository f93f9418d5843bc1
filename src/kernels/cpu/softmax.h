// What both kinds of attention do to rows: scores to weights, and keys turned so that scores are products of rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/vectors.h"

namespace owlet::cpu {

// Whole vectors that n numbers fill.
template <class S>
inline int64_t round_up(int64_t n) {
  return (n + S::kLanes - 1) / S::kLanes * S::kLanes;
}

// n ≥ 1.
template <class S>
inline float largest(const float* row, int64_t n) {
  if (n < S::kLanes) {
    float top = row[0];
    for (int64_t j = 1; j < n; ++j) top = std::max(top, row[j]);
    return top;
  }
  typename S::F top = S::load(row + n - S::kLanes);  // overlaps the vector before it
  for (int64_t j = 0; j + S::kLanes <= n; j += S::kLanes) top = S::max(top, S::load(row + j));
  return S::largest(top);
}

// row = e^(row − shift) for the numbers from `first` to `seen`, 0 for the others of n, a multiple of S::kLanes; returns the sum.
template <class S>
inline float exponentials(float* row, int64_t first, int64_t seen, int64_t n, float shift) {
  typename S::F sum = S::zero();
  int64_t j = 0;
  for (; j + S::kLanes <= first; j += S::kLanes) S::store(row + j, S::zero());
  for (; j < seen; j += S::kLanes) {
    S::store(row + j, exp<S>(S::sub(S::load(row + j), S::set1(shift))));
    for (int64_t before = j; before < first; ++before) row[before] = 0;
    const auto value = load_up_to<S>(row + j, seen - j);
    S::store(row + j, value);
    sum = S::add(sum, value);
  }
  for (; j < n; j += S::kLanes) S::store(row + j, S::zero());
  return S::sum(sum);
}

// row = cap · tanh(row / cap) for n numbers, a multiple of S::kLanes.
template <class S>
inline void cap_scores(float* row, int64_t n, float cap) {
  const auto factor = S::set1(cap), inverse = S::set1(1.0f / cap);
  for (int64_t j = 0; j < n; j += S::kLanes) S::store(row + j, S::mul(tanh<S>(S::mul(S::load(row + j), inverse)), factor));
}

// to[i][j] = row j's number i, for n rows of `width` numbers, a multiple of S::kLanes; columns past n are zeros up to a whole
// vector. load(j, i) is a vector of row j from number i on.
template <class S, class Load>
inline void turn(float* to, int64_t to_stride, int64_t n, int64_t width, const Load& load) {
  for (int64_t j = 0; j < n; j += S::kLanes) {
    for (int64_t i = 0; i < width; i += S::kLanes) {
      typename S::F square[S::kLanes];
      for (int64_t l = 0; l < S::kLanes; ++l) square[l] = j + l < n ? load(j + l, i) : S::zero();
      transpose<S>(square);
      for (int64_t l = 0; l < S::kLanes; ++l) S::store(to + (i + l) * to_stride + j, square[l]);
    }
  }
}

}  // namespace owlet::cpu
