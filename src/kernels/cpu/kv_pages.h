// How kernels read and write pages of keys and values; see KvPages in ops.h for how these lie.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/half.h"
#include "core/thread_pool.h"
#include "kernels/cpu/code_panel.h"
#include "kernels/cpu/vectors.h"
#include "kernels/ops.h"

namespace owlet::cpu {

inline constexpr int64_t kBlockKeys = 64;  // keys that attention looks at together
inline constexpr int64_t kBlockPages = kBlockKeys / kKvPageLen;
static_assert(kBlockKeys % kKvPageLen == 0);

// A bfloat16 in a page, where halves are plain uint16_t.
struct BFloat {
  uint16_t bits;
};

// Number i of a row of a page and those behind it, at most a vector's worth, as float32.
template <class S>
inline typename S::F widened(const float* row, int64_t i, int64_t n) { return load_up_to<S>(row + i, n); }
template <class S>
inline typename S::F widened(const uint16_t* row, int64_t i, int64_t n) {
  return n >= S::kLanes ? S::load(row + i, HalfTag{}) : S::load_partial(row + i, n, HalfTag{});
}
template <class S>
inline typename S::F widened(const BFloat* row, int64_t i, int64_t n) {
  const uint16_t* words = &row[i].bits;
  return n >= S::kLanes ? S::load(words, BFloatTag{}) : S::load_partial(words, n, BFloatTag{});
}
template <class S>
inline typename S::F widened(const BlockQ8_0* row, int64_t i, int64_t) {
  const BlockQ8_0& block = row[i / kBlock];
  return S::mul(S::set1(block.d, HalfTag{}), S::load(block.q + i % kBlock));
}

// What a row of a page is made of: numbers, or blocks of them.
template <class T>
inline constexpr int64_t kNumbersOf = 1;
template <>
inline constexpr int64_t kNumbersOf<BlockQ8_0> = kBlock;

// The queries of a key head: as numbers that have been multiplied by the scale, or, for keys in blocks, as 8-bit codes of those that
// have not.
struct PageQueries {
  const float* numbers;
  int64_t stride;
  const QuantizedBlock* codes;
  float scale;
};

// A block of one head's keys and values, of which those from `from` to `n` are looked at. Scores of the others are computed too, of
// whatever lies there, and mean nothing; values of the others are not read. Pages that hold none of them are not read either: they
// may be gone.
template <class S, class T>
class PageReader {
 public:
  static constexpr bool kInBlocks = kNumbersOf<T> > 1;

  // Of a sequence of `last` keys those from `begin` on, of one head. What is read next is `next_head` of the same keys, or where it is one that
  // comes no later, of the keys behind them.
  PageReader(const KvPages& pages, const int32_t* table, int64_t begin, int64_t from, int64_t n, int64_t kv_head, int64_t next_head, int64_t last)
      : from_(from), n_(n), e_(pages.v.shape.last()), row_(e_ / kNumbersOf<T>) {
    const auto place = [&](int64_t page, int64_t head) { return (table[page] * pages.v.shape[1] + head) * row_ * kKvPageLen; };
    for (int64_t i = 0; i < kBlockPages; ++i) {
      const int64_t page = begin / kKvPageLen + std::clamp(i, from / kKvPageLen, (n - 1) / kKvPageLen), at = place(page, kv_head);
      k_[i] = pages.k.as<const T>() + at;
      v_[i] = pages.v.as<const T>() + at;
      const int64_t next = next_head > kv_head ? page : begin / kKvPageLen + kBlockPages + i;
      ahead_[i] = next * kKvPageLen < last ? (place(next, next_head) - at) * static_cast<int64_t>(sizeof(T)) : 0;
    }
  }

  // p[q, kBlockKeys] = queries · keysᵀ, of q queries.
  void scores(float* p, const PageQueries& queries, int64_t q) const {
    if constexpr (kInBlocks) {
      for (int64_t key = 0; key < kBlockKeys; key += S::kLanes) score_codes(p, key, queries, q);
    } else {
      score_rows<S::kSmallRows>(p, {queries.numbers, queries.stride, 1}, q);
    }
  }

  // out[q, width] += p[q, kBlockKeys] · values.
  void add_values(float* out, int64_t width, const float* p, int64_t q) const { value_rows<S::kSmallRows>(out, width, p, q); }

  // All keys, turned: k[e, kBlockKeys].
  void widen_keys(float* k) const {
    for (int64_t page = 0; page < kBlockPages; ++page) {
      for (int64_t i = 0; i < e_; ++i) {
        for (int64_t j = 0; j < kKvPageLen; j += S::kLanes) {
          S::store(k + i * kBlockKeys + page * kKvPageLen + j, widened<S>(k_[page] + i * kKvPageLen, j, S::kLanes));
        }
      }
    }
  }
  // The values that are looked at: v[kBlockKeys, width].
  void widen_values(float* v, int64_t width) const {
    for (int64_t key = from_; key < n_; ++key) {
      const T* value = v_[key / kKvPageLen] + key % kKvPageLen * row_;
      for (int64_t i = 0; i < e_; i += S::kLanes) S::store(v + key * width + i, widened<S>(value, i, e_ - i));
    }
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kLine = 64;

  // Pages lie anywhere, so no processor guesses the next: while one is read, what lies in the same place of the page `ahead` bytes further is
  // on its way.
  static void fetch(const T* at, int64_t ahead) { __builtin_prefetch(reinterpret_cast<const char*>(at) + ahead, 0, 2); }

  static constexpr int64_t kVectorBytes = std::min<int64_t>(kLine, S::kLanes * sizeof(T) / kNumbersOf<T>);
  static constexpr int64_t kVectors = kKvPageLen / S::kLanes;  // of a page's keys
  static constexpr int64_t kSums = 2 * S::kSmallRows;          // vectors that are summed at once
  static constexpr int64_t kTurnedRuns = 8;
  using KeyCodes = BlockCodes<BlockQ8_0, S>;

  template <int64_t R>
  void score_rows(float* p, Strided queries, int64_t q) const {
    int64_t i = 0;
    for (; i + R <= q; i += R) score_tiles<R>(p + i * kBlockKeys, queries.data + i * queries.row, queries.row);
    if constexpr (R > 1) {
      if (i < q) score_rows<R / 2>(p + i * kBlockKeys, {queries.data + i * queries.row, queries.row, 1}, q - i);
    }
  }
  // R queries by as many of a page's vectors as there are registers for.
  template <int64_t R>
  [[gnu::always_inline]] void score_tiles(float* p, const float* q, int64_t stride) const {
    constexpr int64_t V = std::max<int64_t>(1, std::min(kVectors, kSums / R));
    for (int64_t page = 0; page < kBlockPages; ++page) {
      for (int64_t v = 0; v < kVectors; v += V) {
        score_tile<R, V>(p + page * kKvPageLen + v * S::kLanes, q, stride, k_[page] + v * S::kLanes, ahead_[page]);
      }
    }
  }
  template <int64_t R, int64_t V>
  [[gnu::always_inline]] void score_tile(float* p, const float* q, int64_t stride, const T* k, int64_t ahead) const {
    F sum[R][V];
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t v = 0; v < V; ++v) sum[r][v] = S::zero();
    }
    for (int64_t i = 0; i < e_; ++i, k += kKvPageLen) {
      F row[V];
      for (int64_t v = 0; v < V; ++v) row[v] = widened<S>(k, v * S::kLanes, S::kLanes);
      fetch(k, ahead);
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
        const F one = S::set1(q[r * stride + i]);
        for (int64_t v = 0; v < V; ++v) sum[r][v] = S::fma(one, row[v], sum[r][v]);
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t v = 0; v < V; ++v) S::store(p + r * kBlockKeys + v * S::kLanes, sum[r][v]);
    }
  }

  // kLanes keys from `key` on, turned as a product's weights are, a few runs at a time, and all queries.
  void score_codes(float* p, int64_t key, const PageQueries& queries, int64_t q) const {
    Panel<S, KeyCodes> panels[kTurnedRuns][1];
    const T* page = k_[key / kKvPageLen];
    RowGroup<S, BlockQ8_0> group(page, kKvPageLen, key % kKvPageLen, row_);
    for (int64_t i = 0; i < S::kLanes * row_; i += kLine / static_cast<int64_t>(sizeof(T))) {
      fetch(page + key % kKvPageLen * row_ + i, ahead_[key / kKvPageLen]);
    }
    for (int64_t begin = 0; begin < row_; begin += kTurnedRuns) {
      const int64_t runs = std::min(kTurnedRuns, row_ - begin);
      for (int64_t run = 0; run < runs; ++run) panels[run][0] = group.open(begin + run).run(0);
      code_rows<S::kProductRows>(p + key, panels, begin, runs, queries, queries.codes + begin, q);
    }
  }
  template <int64_t R>
  void code_rows(float* p, const Panel<S, KeyCodes> (*panels)[1], int64_t begin, int64_t runs, const PageQueries& queries,
                 const QuantizedBlock* x, int64_t q) const {
    int64_t i = 0;
    for (; i + R <= q; i += R) code_tile<R>(p + i * kBlockKeys, panels, begin, runs, queries.scale, x + i * row_);
    if constexpr (R > 1) {
      if (i < q) code_rows<R / 2>(p + i * kBlockKeys, panels, begin, runs, queries, x + i * row_, q - i);
    }
  }
  template <int64_t R>
  [[gnu::noinline]] void code_tile(float* p, const Panel<S, KeyCodes> (*panels)[1], int64_t begin, int64_t runs, float scale,
                                   const QuantizedBlock* x) const {
    F sums[R][1];
    for (int64_t r = 0; r < R; ++r) sums[r][0] = begin == 0 ? S::zero() : S::load(p + r * kBlockKeys);
    for (int64_t run = 0; run < runs; ++run) add_products<S, KeyCodes>(panels[run], x + run, row_, sums);
    const bool ends = begin + runs == row_;
    for (int64_t r = 0; r < R; ++r) S::store(p + r * kBlockKeys, ends ? S::mul(sums[r][0], S::set1(scale)) : sums[r][0]);
  }

  template <int64_t R>
  void value_rows(float* out, int64_t width, const float* p, int64_t q) const {
    int64_t i = 0;
    for (; i + R <= q; i += R) value_strips<R, kSums / R>(out + i * width, width, p + i * kBlockKeys, 0);
    if constexpr (R > 1) {
      if (i < q) value_rows<R / 2>(out + i * width, width, p + i * kBlockKeys, q - i);
    }
  }
  // Whole strips of V vectors, then halves of them.
  template <int64_t R, int64_t V>
  void value_strips(float* out, int64_t width, const float* p, int64_t j) const {
    for (; V == 1 ? j < e_ : j + V * S::kLanes <= e_; j += V * S::kLanes) value_tile<R, V>(out + j, width, p, j);
    if constexpr (V > 1) value_strips<R, V / 2>(out, width, p, j);
  }
  template <int64_t R, int64_t V>
  [[gnu::always_inline]] void value_tile(float* out, int64_t width, const float* p, int64_t j) const {
    F sum[R][V];
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t v = 0; v < V; ++v) sum[r][v] = S::load(out + r * width + v * S::kLanes);
    }
    for (int64_t page = from_ / kKvPageLen; page * kKvPageLen < n_; ++page) {
      const int64_t begin = page * kKvPageLen, end = std::min(n_, begin + kKvPageLen);
      for (int64_t key = std::max(from_, begin); key < end; ++key) {
        const T* value = v_[page] + (key - begin) * row_;
        F row[V];
        for (int64_t v = 0; v < V; ++v) row[v] = widened<S>(value, j + v * S::kLanes, V > 1 ? S::kLanes : e_ - j);
        for (int64_t v = 0; v < V; v += kLine / kVectorBytes) fetch(value + (j + v * S::kLanes) / kNumbersOf<T>, ahead_[page]);
#pragma GCC unroll 16
        for (int64_t r = 0; r < R; ++r) {
          const F one = S::set1(p[r * kBlockKeys + key]);
          for (int64_t v = 0; v < V; ++v) sum[r][v] = S::fma(one, row[v], sum[r][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t v = 0; v < V; ++v) S::store(out + r * width + v * S::kLanes, sum[r][v]);
    }
  }

  int64_t from_, n_, e_;
  int64_t row_;  // T's of a row
  const T *k_[kBlockPages], *v_[kBlockPages];
  int64_t ahead_[kBlockPages];  // bytes from a page to the one that is read next in its place
};

// Puts rows into pages.
template <class S>
class PageWriter {
 public:
  explicit PageWriter(ThreadPool& pool) : pool_(pool) {}

  void run(const KvPages& pages, TensorView k, TensorView v, std::span<const SequenceRows> sequences) {
    switch (pages.k.dtype) {
      case DType::kF16: return run<uint16_t>(pages, k, v, sequences);
      case DType::kBF16: return run<BFloat>(pages, k, v, sequences);
      case DType::kQ8_0: return run<BlockQ8_0>(pages, k, v, sequences);
      default: return run<float>(pages, k, v, sequences);
    }
  }

 private:
  using F = typename S::F;

  // Rows of one page: neighbours write into the same lines of turned keys.
  struct Piece {
    int64_t row;
    int64_t rows;
    int64_t page;
    int64_t slot;  // of the first
  };

  template <class T>
  void run(const KvPages& pages, TensorView k, TensorView v, std::span<const SequenceRows> sequences) {
    std::vector<Piece> pieces;
    for (const SequenceRows& s : sequences) {
      for (int64_t row = s.row_begin; row < s.row_end;) {
        const int64_t position = s.first_position + row - s.row_begin, slot = position % kKvPageLen;
        const int64_t rows = std::min(s.row_end - row, kKvPageLen - slot);
        pieces.push_back({row, rows, s.pages[static_cast<size_t>(position / kKvPageLen)], slot});
        row += rows;
      }
    }
    const int64_t heads = pages.v.shape[1], e = pages.v.shape.last(), n = static_cast<int64_t>(pieces.size()) * heads;
    pool_.parallel_for(n, std::max<int64_t>(1, kElements / e), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Piece& piece = pieces[static_cast<size_t>(i / heads)];
        const int64_t head = i % heads, page = (piece.page * heads + head) * kKvPageLen * (e / kNumbersOf<T>);
        for (int64_t r = 0; r < piece.rows; ++r) {
          const int64_t from = ((piece.row + r) * heads + head) * e;
          write(pages.k.as<T>() + page, pages.v.as<T>() + page, k.f32() + from, v.f32() + from, e, piece.slot + r);
        }
      }
    });
  }

  // One token's key and value of one head to its place in a page.
  template <class T>
  static void write(T* keys, T* values, const float* k, const float* v, int64_t e, int64_t slot) {
    T numbers[S::kLanes];
    for (int64_t j = 0; j < e; j += S::kLanes) {
      const int64_t here = std::min(S::kLanes, e - j);
      narrow(numbers, load_up_to<S>(k + j, here));
      for (int64_t l = 0; l < here; ++l) keys[(j + l) * kKvPageLen + slot] = numbers[l];
      narrow(numbers, load_up_to<S>(v + j, here));
      std::copy(numbers, numbers + here, values + slot * e + j);
    }
  }
  static void write(BlockQ8_0* keys, BlockQ8_0* values, const float* k, const float* v, int64_t e, int64_t slot) {
    quantize_row(DType::kQ8_0, k, keys + slot * e / kBlock, e);
    quantize_row(DType::kQ8_0, v, values + slot * e / kBlock, e);
  }
  static void narrow(float* to, F x) { S::store(to, x); }
  static void narrow(uint16_t* to, F x) { S::store(to, x, HalfTag{}); }
  static void narrow(BFloat* to, F x) {
    float numbers[S::kLanes];
    S::store(numbers, x);
    for (int64_t l = 0; l < S::kLanes; ++l) to[l].bits = f32_to_bf16(numbers[l]);
  }

  static constexpr int64_t kElements = 4096;  // that one thread has written before another has woken up

  ThreadPool& pool_;
};

}  // namespace owlet::cpu
