// Products of small matrices inside attention, straight from where they lie.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cpu/vectors.h"

namespace owlet::cpu {

enum class Start : uint8_t { kZero, kSum };  // of a sum: from nothing, or from what C holds

// R lines of C by V vectors of columns.
template <class S, Start kStart, int64_t R, int64_t V>
inline void small_tile(float* c, int64_t c_stride, int64_t k, Strided a, const float* b, int64_t b_stride) {
  using F = typename S::F;
  F sum[R][V];
#pragma GCC unroll 16
  for (int64_t r = 0; r < R; ++r) {
    for (int64_t v = 0; v < V; ++v) sum[r][v] = kStart == Start::kZero ? S::zero() : S::load(c + r * c_stride + v * S::kLanes);
  }
  for (int64_t d = 0; d < k; ++d) {
    F row[V];
    for (int64_t v = 0; v < V; ++v) row[v] = S::load(b + d * b_stride + v * S::kLanes);
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      const F ar = S::set1(a.data[r * a.row + d * a.col]);
      for (int64_t v = 0; v < V; ++v) sum[r][v] = S::fma(ar, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < R; ++r) {
    for (int64_t v = 0; v < V; ++v) S::store(c + r * c_stride + v * S::kLanes, sum[r][v]);
  }
}

// Whole tiles of R lines, then halves of them.
template <class S, Start kStart, int64_t R, int64_t V>
inline void small_strip(float* c, int64_t c_stride, int64_t m, int64_t k, Strided a, const float* b, int64_t b_stride) {
  int64_t i = 0;
  for (; i + R <= m; i += R) {
    small_tile<S, kStart, R, V>(c + i * c_stride, c_stride, k, {a.data + i * a.row, a.row, a.col}, b, b_stride);
  }
  if constexpr (R > 1) {
    if (i < m) {
      small_strip<S, kStart, R / 2, V>(c + i * c_stride, c_stride, m - i, k, {a.data + i * a.row, a.row, a.col}, b, b_stride);
    }
  }
}

// C[m,n] = or += Σ_k A(m,k) · B[k,n], k ascending for each element. n is a multiple of S::kLanes.
template <class S, Start kStart>
inline void small_product(float* c, int64_t c_stride, int64_t m, int64_t n, int64_t k, Strided a, const float* b,
                          int64_t b_stride) {
  int64_t j = 0;
  for (; j + 2 * S::kLanes <= n; j += 2 * S::kLanes) small_strip<S, kStart, S::kSmallRows, 2>(c + j, c_stride, m, k, a, b + j, b_stride);
  if (j < n) small_strip<S, kStart, S::kSmallRows, 1>(c + j, c_stride, m, k, a, b + j, b_stride);
}

}  // namespace owlet::cpu
