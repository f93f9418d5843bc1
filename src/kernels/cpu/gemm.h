// Packed matrix products for training and long prompts: C[M,N] = or += Σ_k A(m,k) · B(k,n), float32 in memory, computed in float32
// or in bfloat16 with float32 sums.
//
// Both sides are copied once into panels: A in strips of kRows rows, B in strips of two vectors of columns, each strip with k
// running slowest, so that the inner loop reads both in order. A strip of C is summed in registers over kDepth steps of k at a time.
// Every element of C is computed by one thread, k in ascending order: results depend on neither tiling nor threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/half.h"
#include "core/thread_pool.h"

namespace owlet::cpu {

// A matrix by its strides: element (i, j) is data[i · row + j · col]; one of the strides is 1.
struct Strided {
  const float* data;
  int64_t row;
  int64_t col;
};

// Panels hold float32, kept or rounded to bfloat16 …
template <class S, bool kRound>
struct FloatPanels {
  using Element = float;
  static constexpr int64_t kStep = 1;  // values of k per element
  static Element pack_pair(float a, float) { return kRound ? bf16_to_f32(f32_to_bf16(a)) : a; }
  using Vector = typename S::F;
  static Vector load(const Element* p) { return S::load(p); }
  static Vector broadcast(const Element* p) { return S::set1(*p); }
  static typename S::F multiply_add(Vector a, Vector b, typename S::F c) { return S::fma(a, b, c); }
};

// … or pairs of bfloat16 along k, for processors that multiply them.
template <class S>
struct BF16Panels {
  using Element = uint32_t;
  static constexpr int64_t kStep = 2;
  static Element pack_pair(float a, float b) {
    return static_cast<uint32_t>(f32_to_bf16(a)) | (static_cast<uint32_t>(f32_to_bf16(b)) << 16);
  }
  using Vector = typename S::BF16Pairs;
  static Vector load(const Element* p) { return S::load_pairs(p); }
  static Vector broadcast(const Element* p) { return S::broadcast_pair(*p); }
  static typename S::F multiply_add(Vector a, Vector b, typename S::F c) { return S::dot_pairs(a, b, c); }
};

template <class S, class Panels>
class Gemm {
 public:
  explicit Gemm(ThreadPool& pool) : pool_(pool) {}

  void multiply(float* c, int64_t m, int64_t n, int64_t k, Strided a, Strided b, bool add) {
    const int64_t steps = (k + Panels::kStep - 1) / Panels::kStep;
    const int64_t a_strips = (m + kRows - 1) / kRows, b_strips = (n + kCols - 1) / kCols;
    a_.resize(static_cast<size_t>(a_strips * kRows * steps));
    b_.resize(static_cast<size_t>(b_strips * kCols * steps));
    pool_.run([&](int thread, int n_threads) {
      pack<kRows>(a_.data(), a, m, k, steps, a_strips * thread / n_threads, a_strips * (thread + 1) / n_threads);
      pack<kCols>(b_.data(), {b.data, b.col, b.row}, n, k, steps, b_strips * thread / n_threads,
                  b_strips * (thread + 1) / n_threads);
    });
    pool_.run([&](int thread, int n_threads) {
      // The longer side is divided.
      const bool by_rows = a_strips * kRows >= b_strips * kCols;
      const int64_t strips = by_rows ? a_strips : b_strips;
      const int64_t begin = strips * thread / n_threads, end = strips * (thread + 1) / n_threads;
      by_rows ? compute(c, m, n, steps, begin, end, 0, b_strips, add) : compute(c, m, n, steps, 0, a_strips, begin, end, add);
    });
  }

 private:
  using F = typename S::F;
  using Element = typename Panels::Element;
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kRows = S::kGemmRows;
  static constexpr int64_t kCols = 2 * kLanes;
  static constexpr int64_t kDepth = 256 / Panels::kStep * 2;  // elements: what one strip of B keeps in the first cache
  static constexpr int64_t kBlockStrips = 240 / kRows;         // strips of A that stay in the second cache

  // Strips [begin, end) of kWidth rows of a matrix seen as (row i, step k); rows past the end are zeros.
  template <int64_t kWidth>
  static void pack(Element* out, Strided from, int64_t rows, int64_t k, int64_t steps, int64_t begin, int64_t end) {
    for (int64_t strip = begin; strip < end; ++strip) {
      Element* to = out + strip * kWidth * steps;
      const int64_t first = strip * kWidth;
      const int64_t here = std::min(kWidth, rows - first);
      const float* x = from.data + first * from.row;
      for (int64_t s = 0; s < steps; ++s) {
        const int64_t k0 = s * Panels::kStep;
        const bool pair = Panels::kStep == 2 && k0 + 1 < k;
        for (int64_t i = 0; i < here; ++i) {
          const float* at = x + i * from.row + k0 * from.col;
          to[s * kWidth + i] = Panels::pack_pair(at[0], pair ? at[from.col] : 0.0f);
        }
        for (int64_t i = here; i < kWidth; ++i) to[s * kWidth + i] = Element{};
      }
    }
  }

  void compute(float* c, int64_t m, int64_t n, int64_t steps, int64_t a_begin, int64_t a_end, int64_t b_begin, int64_t b_end,
               bool add) {
    for (int64_t depth = 0; depth < steps; depth += kDepth) {
      const int64_t depth_end = std::min(steps, depth + kDepth);
      for (int64_t block = a_begin; block < a_end; block += kBlockStrips) {
        const int64_t block_end = std::min(a_end, block + kBlockStrips);
        for (int64_t j = b_begin; j < b_end; ++j) {
          for (int64_t i = block; i < block_end; ++i) {
            tile(a_.data() + (i * steps + depth) * kRows, b_.data() + (j * steps + depth) * kCols, depth_end - depth,
                 c + i * kRows * n + j * kCols, n, std::min(kRows, m - i * kRows), std::min(kCols, n - j * kCols),
                 add || depth > 0);
          }
        }
      }
    }
  }

  // kRows × kCols of C over `depth` elements of both strips.
  static void tile(const Element* a, const Element* b, int64_t depth, float* c, int64_t stride, int64_t rows, int64_t cols,
                   bool add) {
    F sum[kRows][2];
    for (int64_t i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = S::zero();
    for (int64_t d = 0; d < depth; ++d) {
      const auto b0 = Panels::load(b + d * kCols), b1 = Panels::load(b + d * kCols + kLanes);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kRows; ++i) {
        const auto ai = Panels::broadcast(a + d * kRows + i);
        sum[i][0] = Panels::multiply_add(ai, b0, sum[i][0]);
        sum[i][1] = Panels::multiply_add(ai, b1, sum[i][1]);
      }
    }
    const bool whole = rows == kRows && cols == kCols;
#pragma GCC unroll 16
    for (int64_t i = 0; i < kRows; ++i) {
      if (!whole && i >= rows) break;
      float* row = c + i * stride;
      const int64_t left = std::min(cols, kLanes), right = cols - left;
      F out0 = sum[i][0], out1 = sum[i][1];
      if (whole) {
        if (add) {
          out0 = S::add(S::load(row), out0);
          out1 = S::add(S::load(row + kLanes), out1);
        }
        S::store(row, out0);
        S::store(row + kLanes, out1);
        continue;
      }
      if (add) {
        out0 = S::add(S::load_partial(row, left), out0);
        if (right > 0) out1 = S::add(S::load_partial(row + kLanes, right), out1);
      }
      S::store_partial(row, out0, left);
      if (right > 0) S::store_partial(row + kLanes, out1, right);
    }
  }

  ThreadPool& pool_;
  std::vector<Element> a_;  // grown to the largest product seen
  std::vector<Element> b_;
};

// C[m,n] += Σ_k A(m,k) · B[k,n] for the small products inside attention: B's rows are contiguous, A is read by strides.
// n is padded by the caller to whole vectors.
template <class S>
void small_multiply_add(float* c, int64_t c_stride, int64_t m, int64_t n, int64_t k, Strided a, const float* b, int64_t b_stride) {
  using F = typename S::F;
  constexpr int64_t kLanes = S::kLanes, kTile = 4;
  const auto strip = [&](int64_t i, int64_t j, auto rows_c, auto vectors_c) {
    constexpr int64_t rows = decltype(rows_c)::value, vectors = decltype(vectors_c)::value;
    F sum[rows][vectors];
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t v = 0; v < vectors; ++v) sum[r][v] = S::load(c + (i + r) * c_stride + j + v * kLanes);
    }
    for (int64_t d = 0; d < k; ++d) {
      F bv[vectors];
      for (int64_t v = 0; v < vectors; ++v) bv[v] = S::load(b + d * b_stride + j + v * kLanes);
      for (int64_t r = 0; r < rows; ++r) {
        const F ar = S::set1(a.data[(i + r) * a.row + d * a.col]);
        for (int64_t v = 0; v < vectors; ++v) sum[r][v] = S::fma(ar, bv[v], sum[r][v]);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t v = 0; v < vectors; ++v) S::store(c + (i + r) * c_stride + j + v * kLanes, sum[r][v]);
    }
  };
  using One = std::integral_constant<int64_t, 1>;
  using Two = std::integral_constant<int64_t, 2>;
  using Tile = std::integral_constant<int64_t, kTile>;
  for (int64_t j = 0; j < n;) {
    const bool two = j + 2 * kLanes <= n;
    int64_t i = 0;
    for (; i + kTile <= m; i += kTile) two ? strip(i, j, Tile{}, Two{}) : strip(i, j, Tile{}, One{});
    for (; i < m; ++i) two ? strip(i, j, One{}, Two{}) : strip(i, j, One{}, One{});
    j += two ? 2 * kLanes : kLanes;
  }
}

}  // namespace owlet::cpu
