// Packed matrix products for training: C[M,N] = or += Σ_k A(m,k) · B(k,n), float32 in memory, computed in float32 or in
// bfloat16 with float32 sums.
//
// Both sides are copied into panels: A in strips of kRows lines, B in strips of two vectors of lines, each strip with k running
// slowest, so that the inner loop reads both in order. B is packed whole and shared; A is packed block by block by the thread that
// multiplies it. A strip of C is summed in registers over a chunk of k at a time, k ascending: results depend on neither tiling nor
// threads. (The blocking is that of Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.)
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/thread_pool.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vectors.h"

namespace owlet::cpu {

// What a panel holds: float32, kept or rounded to bfloat16 …
template <class S, bool kRound>
struct FloatPanels {
  using F = typename S::F;
  static constexpr int64_t kStep = 1;  // values of k per element of a panel
  // Consecutive elements of one line, whose memory ends after n values of k.
  static F along(const float* p, int64_t n) { return rounded(load_up_to<S>(p, n)); }
  // One element of `lines` neighbouring lines, from the memory of each value of k.
  static F across(const float* k0, const float*, int64_t lines) { return rounded(load_up_to<S>(k0, lines)); }
  static F multiply_add(F a, F b, F c) { return S::fma(a, b, c); }

 private:
  static F rounded(F x) {
    if constexpr (kRound) return S::round_to_bf16(x);
    return x;
  }
};

// … or pairs of bfloat16 along k, for processors that multiply them.
template <class S>
struct BF16Panels {
  using F = typename S::F;
  static constexpr int64_t kStep = 2;
  static F along(const float* p, int64_t n) {
    const F first = load_up_to<S>(p, n);
    return S::bf16_pairs(first, n > S::kLanes ? load_up_to<S>(p + S::kLanes, n - S::kLanes) : S::zero());
  }
  static F across(const float* k0, const float* k1, int64_t lines) {
    return S::bf16_zip(load_up_to<S>(k0, lines), k1 ? load_up_to<S>(k1, lines) : S::zero());
  }
  static F multiply_add(F a, F b, F c) { return S::dot_pairs(a, b, c); }
  // All of a tile, where the processor multiplies small matrices.
  template <int64_t R>
    requires requires(const float* p, F (&sum)[R][2]) { S::multiply_pairs(p, p, 0, sum); }
  static void multiply(const float* a, const float* b, int64_t depth, F (&sum)[R][2]) { S::multiply_pairs(a, b, depth, sum); }
};

template <class S, class Panels>
class Gemm {
 public:
  explicit Gemm(ThreadPool& pool) : pool_(pool) {}

  // C's lines are `stride` apart. What B's panels would take beyond kSlab numbers is multiplied slab by slab: columns of C where there are
  // many, else parts of k. So is an A whose lines lie across memory: a slab's part of it is read while its pages are at hand. The cuts
  // along k follow from the shapes of the sums alone.
  void multiply(float* c, int64_t stride, int64_t m, int64_t n, int64_t k, Strided a, Strided b, bool add) {
    constexpr int64_t kChunk = kDepth * Panels::kStep;
    const bool across = a.col != 1;
    const int64_t sums = std::max<int64_t>(k, 1), limit = kSlab / (across ? std::min(kChunk, sums) : sums) / kCols * kCols;
    const int64_t columns = across || n > k ? std::max(limit, 4 * kCols) : std::max<int64_t>(n, 1);
    const int64_t depth = across ? kChunk : n > k ? sums : std::max(kSlab / columns / kChunk * kChunk, kChunk);
    for (int64_t j = 0; j < n; j += columns) {
      for (int64_t d = 0; d < sums; d += depth) {
        multiply_slab(c + j, stride, m, std::min(columns, n - j), std::min(depth, k - d), {a.data + d * a.col, a.row, a.col},
                      {b.data + d * b.row + j * b.col, b.row, b.col}, add || d > 0);
      }
    }
  }

 private:
  void multiply_slab(float* c, int64_t stride, int64_t m, int64_t n, int64_t k, Strided a, Strided b, bool add) {
    const Plan plan = plan_for(m, n, k);
    float* packed_b = b_.get<float>(plan.b_strips * kCols * plan.steps);
    const int64_t block = plan.block_strips * strip_floats<kRows>(plan.depth);
    float* packed_a = a_.get<float>(block * pool_.size());
    const Strided b_lines{b.data, b.col, b.row};
    pool_.run([&](int thread, int n_threads) {
      const int64_t begin = plan.b_strips * thread / n_threads, end = plan.b_strips * (thread + 1) / n_threads;
      pack<kCols>(packed_b, plan.steps, b_lines, n, k, begin, end, 0, plan.steps);
    });
    std::atomic<int64_t> next{0};
    pool_.run([&](int thread, int) {
      float* mine = packed_a + thread * block;
      for (int64_t item = next++; item < plan.row_blocks * plan.col_blocks; item = next++) {
        compute(plan, item, c, stride, m, n, k, a, mine, packed_b, add);
      }
    });
  }

  using F = typename S::F;
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kRows = S::kGemmRows;
  static constexpr int64_t kCols = 2 * kLanes;
  static constexpr int64_t kSlab = int64_t{8} << 20;   // numbers of B that are packed at once
  static constexpr int64_t kDepth = 5120 / kCols;                      // elements of a strip of B that stay in the first cache
  static constexpr int64_t kBlockStrips = 38400 / kDepth / kRows;      // strips of A that stay in the second

  // How a product is cut. Only the cuts along k could show in the result, and they follow from k alone.
  struct Plan {
    int64_t steps, depth;                  // elements along k, in all and of a chunk
    int64_t a_strips, b_strips;
    int64_t row_blocks, block_strips;      // blocks of A and their strips
    int64_t col_blocks;                    // parts of B that are work items of their own, where A has few blocks
  };
  Plan plan_for(int64_t m, int64_t n, int64_t k) const {
    const auto parts = [](int64_t whole, int64_t part) { return (whole + part - 1) / part; };
    Plan p;
    p.steps = parts(k, Panels::kStep);
    p.depth = p.steps == 0 ? 0 : parts(p.steps, parts(p.steps, kDepth));
    p.a_strips = parts(m, kRows);
    p.b_strips = parts(n, kCols);
    const int64_t threads = pool_.size(), wanted = threads == 1 ? 1 : 4 * threads;
    const int64_t blocks = std::max(parts(p.a_strips, kBlockStrips), std::min(wanted, parts(p.a_strips, 4)));
    p.block_strips = parts(p.a_strips, std::max<int64_t>(blocks, 1));
    p.row_blocks = p.block_strips == 0 ? 0 : parts(p.a_strips, p.block_strips);
    p.col_blocks = p.row_blocks >= wanted ? 1 : std::clamp<int64_t>(wanted / std::max<int64_t>(p.row_blocks, 1), 1, parts(p.b_strips, 4));
    return p;
  }

  // A strip's memory. Where its width is no whole vector, whole ones are stored all the same, each over the last one's surplus (stores under
  // a mask are slow on some processors), and the last surplus has room.
  template <int64_t kWidth>
  static constexpr int64_t strip_floats(int64_t steps) {
    static_assert(kWidth % kLanes == 0 || kWidth < kLanes);
    return kWidth * steps + (kWidth % kLanes == 0 ? 0 : kLanes);
  }

  // Strips [begin, end) of kWidth lines, elements [step, step_end) of each, to out[strip][element][line]; lines past the last are
  // zeros, as is the second half of a pair past k.
  template <int64_t kWidth>
  static void pack(float* out, int64_t steps_kept, Strided from, int64_t lines, int64_t k, int64_t begin, int64_t end, int64_t step,
                   int64_t step_end) {
    if (from.col == 1) {
      for (int64_t strip = begin; strip < end; ++strip) {
        pack_along<kWidth>(out + strip * strip_floats<kWidth>(steps_kept), from, strip * kWidth, lines, k, step, step_end);
      }
    } else {
      for (int64_t group = begin; group < end; group += kPackStrips) {
        pack_across<kWidth>(out, steps_kept, from, lines, k, group, std::min(end, group + kPackStrips), step, step_end);
      }
    }
  }
  static constexpr int64_t kPackStrips = 24;  // strips written side by side

  // Lines lie one after the other along k: squares of lines by elements are turned in registers.
  template <int64_t kWidth>
  static void pack_along(float* out, Strided from, int64_t first, int64_t lines, int64_t k, int64_t step, int64_t step_end) {
    for (int64_t s = step; s < step_end; s += kLanes, out += kLanes * kWidth) {
      const int64_t here = std::min(kLanes, step_end - s), k0 = s * Panels::kStep;
      for (int64_t g = 0; g < kWidth; g += kLanes) {
        F square[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          const int64_t line = first + g + i;
          const bool inside = g + i < kWidth && line < lines;
          square[i] = inside ? Panels::along(from.data + line * from.row + k0, k - k0) : S::zero();
        }
        transpose<S>(square);
        for (int64_t e = 0; e < here; ++e) S::store(out + e * kWidth + g, square[e]);
      }
    }
  }

  // Values of neighbouring lines lie side by side.
  template <int64_t kWidth>
  static void pack_across(float* out, int64_t steps_kept, Strided from, int64_t lines, int64_t k, int64_t begin, int64_t end,
                          int64_t step, int64_t step_end) {
    for (int64_t s = step; s < step_end; ++s) {
      const float* k0 = from.data + s * Panels::kStep * from.col;
      const float* k1 = Panels::kStep == 2 && s * 2 + 1 < k ? k0 + from.col : nullptr;
      for (int64_t strip = begin; strip < end; ++strip) {
        float* to = out + strip * strip_floats<kWidth>(steps_kept) + (s - step) * kWidth;
        for (int64_t g = 0; g < kWidth; g += kLanes) {
          const int64_t line = strip * kWidth + g, here = lines - line;
          S::store(to + g, here > 0 ? Panels::across(k0 + line, k1 ? k1 + line : nullptr, here) : S::zero());
        }
      }
    }
  }

  // One block of A's rows by one part of B's columns.
  static void compute(const Plan& p, int64_t item, float* c, int64_t stride, int64_t m, int64_t n, int64_t k, Strided a, float* packed_a,
                      const float* packed_b, bool add) {
    const int64_t row_block = item / p.col_blocks, col_block = item % p.col_blocks;
    const int64_t i_begin = row_block * p.block_strips, i_end = std::min(p.a_strips, i_begin + p.block_strips);
    const int64_t j_begin = p.b_strips * col_block / p.col_blocks, j_end = p.b_strips * (col_block + 1) / p.col_blocks;
    const Strided block{a.data + i_begin * kRows * a.row, a.row, a.col};
    for (int64_t step = 0; step < p.steps; step += p.depth) {
      const int64_t step_end = std::min(p.steps, step + p.depth), depth = step_end - step;
      pack<kRows>(packed_a, depth, block, m - i_begin * kRows, k, 0, i_end - i_begin, step, step_end);
      for (int64_t j = j_begin; j < j_end; ++j) {
        for (int64_t i = i_begin; i < i_end; ++i) {
          tile(packed_a + (i - i_begin) * strip_floats<kRows>(depth), packed_b + (j * p.steps + step) * kCols, depth,
               c + i * kRows * stride + j * kCols, stride, m - i * kRows, n - j * kCols, add || step > 0);
        }
      }
    }
  }

  // kRows × kCols of C, or what of it lies inside, over `depth` elements of both strips.
  static void tile(const float* a, const float* b, int64_t depth, float* c, int64_t stride, int64_t rows, int64_t cols, bool add) {
    F sum[kRows][2];
#pragma GCC unroll 16
    for (int64_t i = 0; i < kRows; ++i) {
      sum[i][0] = sum[i][1] = S::zero();
      __builtin_prefetch(c + std::min(i, rows - 1) * stride, 1);  // lines far apart, which nothing else foretells
    }
    if constexpr (requires { Panels::multiply(a, b, depth, sum); }) {
      Panels::multiply(a, b, depth, sum);
    } else {
      for (int64_t d = 0; d < depth; ++d) {
        const F b0 = S::load(b + d * kCols), b1 = S::load(b + d * kCols + kLanes);
#pragma GCC unroll 16
        for (int64_t i = 0; i < kRows; ++i) {
          const F ai = S::set1(a[d * kRows + i]);
          sum[i][0] = Panels::multiply_add(ai, b0, sum[i][0]);
          sum[i][1] = Panels::multiply_add(ai, b1, sum[i][1]);
        }
      }
    }
    if (rows >= kRows && cols >= kCols) {
#pragma GCC unroll 16
      for (int64_t i = 0; i < kRows; ++i) {
        float* row = c + i * stride;
        S::store(row, add ? S::add(S::load(row), sum[i][0]) : sum[i][0]);
        S::store(row + kLanes, add ? S::add(S::load(row + kLanes), sum[i][1]) : sum[i][1]);
      }
      return;
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < kRows; ++i) {
      if (i >= rows) break;
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t here = std::min(kLanes, cols - half * kLanes);
        if (here <= 0) break;
        float* at = c + i * stride + half * kLanes;
        S::store_partial(at, add ? S::add(S::load_partial(at, here), sum[i][half]) : sum[i][half], here);
      }
    }
  }

  ThreadPool& pool_;
  Scratch a_, b_;
};

}  // namespace owlet::cpu
