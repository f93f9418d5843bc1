// Attention over pages of cached keys and values.
//
// Keys are visited in blocks of kKeys counted from position 0 with a running softmax (Dao et al. 2022), whatever the pages' length
// and however many rows ask at once: a row's result depends on its own position alone. Blocks before the windows of all rows are
// passed over; one that some row sees nothing of leaves that row's sums as they are, to the bit.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/quantized_row.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/small_products.h"
#include "kernels/cpu/softmax.h"
#include "kernels/ops.h"

namespace owlet::cpu {

template <class S>
class PagedAttention {
 public:
  explicit PagedAttention(ThreadPool& pool) : pool_(pool) {}

  void run(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences,
           const AttentionShape& shape) {
    std::vector<Item> items;
    for (const SequenceRows& s : sequences) {
      for (int64_t row = s.row_begin; row < s.row_end; row += kRows) {
        items.push_back({row, std::min(kRows, s.row_end - row), s.first_position + row - s.row_begin, s.pages.data()});
      }
    }
    // Heads lie side by side in a page: one thread takes them all, unless there is too little else to share.
    const int64_t n = static_cast<int64_t>(items.size());
    const int64_t parts = n >= 4 * pool_.size() ? 1 : std::min<int64_t>(pool_.size(), shape.n_kv_heads);
    const int64_t width = round_up<S>(shape.head_dim), queries = kRows * (shape.n_heads / shape.n_kv_heads);
    const int64_t heads = (shape.n_kv_heads + parts - 1) / parts;
    const int64_t each = heads * queries * (2 * width + 2) + queries * kKeys + round_up<S>(queries) + 2 * kKeys * width;
    float* memory = scratch_.get<float>((each + kAlign) * pool_.size());
    std::atomic<int64_t> next{0};
    pool_.run([&](int thread, int) {
      Room room(memory + thread * (each + kAlign), heads, queries, width);
      for (int64_t i = next++; i < n * parts; i = next++) {
        const int64_t part = i % parts;
        attend(room, out, q, pages, items[static_cast<size_t>(i / parts)], shape.n_kv_heads * part / parts,
               shape.n_kv_heads * (part + 1) / parts, shape);
      }
    });
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kRows = 16;  // of one sequence, that share a look at the keys
  static constexpr int64_t kKeys = 64;  // of a block
  static constexpr int64_t kAlign = 16;  // floats between the threads' rooms

  struct Item {
    int64_t row;
    int64_t rows;
    int64_t position;  // of the first row
    const int32_t* pages;
  };

  // What the queries of one key head keep between blocks; a query is a row's head.
  struct Queries {
    float *q, *out;    // [queries, width]; q comes times the scale
    float *top, *sum;  // [queries]
  };

  // What one thread works in. Rows are padded to whole vectors with zeros.
  struct Room {
    Room(float* at, int64_t heads, int64_t queries, int64_t padded_width) : width(padded_width), each(queries * (2 * width + 2)) {
      const auto take = [&at](int64_t n) { return at += n, at - n; };
      kept = take(heads * each);
      p = take(queries * kKeys);
      rescale = take(round_up<S>(queries));
      for (float** part : {&v, &k_t}) *part = take(kKeys * width);
    }
    Queries of_head(int64_t head, int64_t queries) const {
      float* at = kept + head * each;
      return {at, at + queries * width, at + 2 * queries * width, at + 2 * queries * width + queries};
    }
    int64_t width;
    int64_t each;
    float* kept;     // of every head
    float* p;        // [queries, kKeys]
    float* rescale;  // [queries]
    float* v;        // [kKeys, width]
    float* k_t;      // [width, kKeys]
  };

  // Some rows of a sequence, key heads [head_begin, head_end).
  static void attend(const Room& room, TensorView out, TensorView q, const KvPages& pages, const Item& item, int64_t head_begin,
                     int64_t head_end, const AttentionShape& s) {
    const int64_t e = s.head_dim, group = s.n_heads / s.n_kv_heads, queries = item.rows * group, width = room.width;
    const auto at = [&](int64_t head, int64_t i) { return ((item.row + i / group) * s.n_heads + head * group + i % group) * e; };
    const F scale = S::set1(static_cast<float>(s.scale));
    for (int64_t head = head_begin; head < head_end; ++head) {
      const Queries mine = room.of_head(head - head_begin, queries);
      for (int64_t i = 0; i < queries; ++i) {
        const float* from = q.f32() + at(head, i);
        for (int64_t j = 0; j < e; j += S::kLanes) S::store(mine.q + i * width + j, S::mul(load_up_to<S>(from + j, e - j), scale));
      }
      std::fill(mine.out, mine.out + queries * width, 0.0f);
      std::fill(mine.sum, mine.sum + queries, 0.0f);
      std::fill(mine.top, mine.top + queries, -INFINITY);
    }
    const int64_t last = item.position + item.rows;  // keys that the last row sees
    for (int64_t begin = s.first_key(item.position) / kKeys * kKeys; begin < last; begin += kKeys) {
      const int64_t keys = std::min(kKeys, last - begin);
      for (int64_t head = head_begin; head < head_end; ++head) {
        const Queries mine = room.of_head(head - head_begin, queries);
        pages.k.dtype == DType::kF16 ? load_keys<uint16_t>(room, pages, item, begin, keys, head, s)
                                     : load_keys<float>(room, pages, item, begin, keys, head, s);
        small_product<S, Start::kZero>(room.p, kKeys, queries, round_up<S>(keys), e, {mine.q, width, 1}, room.k_t, kKeys);
        if (s.soft_cap > 0) {
          for (int64_t i = 0; i < queries; ++i) cap_scores<S>(room.p + i * kKeys, round_up<S>(keys), static_cast<float>(s.soft_cap));
        }
        weigh(room, mine, item, begin, keys, queries, s);
        small_product<S, Start::kSum>(mine.out, width, queries, width, keys, {room.p, kKeys, 1}, room.v, width);
      }
    }
    for (int64_t head = head_begin; head < head_end; ++head) {
      const Queries mine = room.of_head(head - head_begin, queries);
      for (int64_t i = 0; i < queries; ++i) {
        float* to = out.f32() + at(head, i);
        const float* from = mine.out + i * width;
        const F factor = S::set1(1.0f / mine.sum[i]);
        over_vectors<S>(e, [&](auto load, auto store) { store(to, S::mul(load(from), factor)); });
      }
    }
  }

  // Scores to weights relative to the largest score so far; what was summed before is brought to the same measure. Rows that see
  // nothing of this block stay as they are.
  static void weigh(const Room& room, const Queries& mine, const Item& item, int64_t begin, int64_t keys, int64_t queries,
                    const AttentionShape& s) {
    const int64_t group = s.n_heads / s.n_kv_heads;
    const auto in_block = [&](int64_t key) { return std::clamp<int64_t>(key - begin, 0, keys); };
    const auto first = [&](int64_t query) { return in_block(s.first_key(item.position + query / group)); };
    const auto seen = [&](int64_t query) { return in_block(item.position + query / group + 1); };
    for (int64_t i = 0; i < queries; ++i) {
      const float before = mine.top[i];
      const int64_t n = seen(i) - first(i);
      if (n > 0) mine.top[i] = std::max(before, largest<S>(room.p + i * kKeys + first(i), n));
      room.rescale[i] = before == mine.top[i] ? 0.0f : before - mine.top[i];  // −∞ at first
    }
    for (int64_t i = 0; i < queries; i += S::kLanes) S::store(room.rescale + i, exp<S>(S::load(room.rescale + i)));
    for (int64_t i = 0; i < queries; ++i) {
      const float factor = room.rescale[i];
      mine.sum[i] = mine.sum[i] * factor + exponentials<S>(room.p + i * kKeys, first(i), seen(i), round_up<S>(keys), mine.top[i]);
      if (factor == 1.0f) continue;
      float* out = mine.out + i * room.width;
      for (int64_t j = 0; j < room.width; j += S::kLanes) S::store(out + j, S::mul(S::load(out + j), S::set1(factor)));
    }
  }

  // Keys begin … begin + n of one head, turned, and their values. Keys before all windows are not read, they may be gone: the
  // first that is seen stands in their places.
  template <class T>
  static void load_keys(const Room& room, const KvPages& pages, const Item& item, int64_t begin, int64_t n, int64_t kv_head,
                        const AttentionShape& s) {
    const int64_t e = s.head_dim, len = pages.page_len();
    int64_t at[kKeys];
    for (int64_t j = 0; j < n; ++j) {
      const int64_t position = std::max(begin + j, s.first_key(item.position));
      const int64_t slot = item.pages[position / len] * len + position % len;
      at[j] = (slot * s.n_kv_heads + kv_head) * e;
    }
    const T *k = pages.k.as<const T>(), *v = pages.v.as<const T>();
    turn<S>(room.k_t, kKeys, n, room.width, [&](int64_t j, int64_t i) { return widened(k + at[j] + i, e - i); });
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < e; i += S::kLanes) S::store(room.v + j * room.width + i, widened(v + at[j] + i, e - i));
    }
  }
  static F widened(const float* p, int64_t n) { return load_up_to<S>(p, n); }
  static F widened(const uint16_t* p, int64_t n) {
    return n >= S::kLanes ? S::load(p, HalfTag{}) : S::load_partial(p, n, HalfTag{});
  }

  ThreadPool& pool_;
  Scratch scratch_;
};

}  // namespace owlet::cpu
