// Attention over pages of cached keys and values.
//
// Keys are visited in blocks of kKeys counted from position 0 with a running softmax (Dao et al. 2022), whose sums start anew every
// kSegment keys and are then put together in order: so the segments of a long text can go to several threads, and a row's result
// depends on its own position alone, however many rows ask at once. Blocks before the windows of all rows are passed over; one that
// some row sees nothing of leaves that row's sums as they are, to the bit.
//
// A lane is a key where scores are computed and a number of a head where values are added up, as they lie in the pages. A few
// queries widen what they read as they go; many widen a block once and share it.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/kv_pages.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/small_products.h"
#include "kernels/cpu/softmax.h"
#include "kernels/cpu/workers.h"
#include "kernels/ops.h"

namespace owlet::cpu {

template <class S>
class PagedAttention {
 public:
  explicit PagedAttention(ThreadPool& pool) : pool_(pool) {}

  void run(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences,
           const AttentionShape& shape) {
    switch (pages.k.dtype) {
      case DType::kF16: return run<uint16_t>(out, q, pages, sequences, shape);
      case DType::kBF16: return run<BFloat>(out, q, pages, sequences, shape);
      case DType::kQ8_0: return run<BlockQ8_0>(out, q, pages, sequences, shape);
      default: return run<float>(out, q, pages, sequences, shape);
    }
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kQueries = 128;     // that share a look at the keys, where a row has no more of one key head
  static constexpr int64_t kFewQueries = 8;    // that widen keys and values as they go
  static constexpr int64_t kKeys = kBlockKeys;
  static constexpr int64_t kSegment = 16 * kKeys;
  static constexpr int64_t kItems = 4;         // of each thread, for them to end together
  static constexpr int64_t kAlign = 16;        // floats between the threads' rooms

  // Some rows of a sequence and some key heads: one where the rows fill a room, else neighbours, since what a page holds of these lies side
  // by side. Queries of a key head stand together.
  struct Item {
    int64_t row;
    int64_t rows;
    int64_t position;  // of the first row
    const int32_t* pages;
    int64_t kv_head;   // the first of …
    int64_t heads;     // … so many
    int64_t length;    // of the sequence, whose first row …
    int64_t sequence;  // … this is
    int64_t last() const { return position + rows; }  // keys that the last row sees
    int64_t queries(const AttentionShape& s) const { return heads * rows * (s.n_heads / s.n_kv_heads); }
  };
  // A segment of an item whose segments are computed apart.
  struct Part {
    int64_t item;
    int64_t segment;
  };

  // Sums of a running softmax for the queries of one key head; a query is a row's head.
  struct Sums {
    Sums() = default;
    Sums(float* at, int64_t queries, int64_t width) : out(at), top(at + queries * width), sum(at + queries * (width + 1)) {}
    static int64_t floats(int64_t queries, int64_t width) { return queries * (width + 2); }
    void clear(int64_t queries, int64_t width) const {
      std::fill(out, out + queries * width, 0.0f);
      std::fill(sum, sum + queries, 0.0f);
      std::fill(top, top + queries, -INFINITY);
    }
    Sums from(int64_t query, int64_t width) const {
      Sums rest;
      rest.out = out + query * width;
      rest.top = top + query;
      rest.sum = sum + query;
      return rest;
    }
    float *out, *top, *sum;  // [queries, width], [queries] twice
  };

  // What one thread works in. Rows are padded to whole vectors with zeros.
  struct Room {
    Room(float* at, int64_t queries, int64_t padded_width) : width(padded_width) {
      const auto take = [&at](int64_t n) { return at += n, at - n; };
      q = take(queries * width);
      p = take(queries * kKeys);
      rescale = take(round_up<S>(queries));
      codes = reinterpret_cast<QuantizedBlock*>(take(queries * code_floats(width)));
      for (float** part : {&k, &v}) *part = take(kKeys * width);
      for (Sums* sums : {&whole, &part}) *sums = Sums(take(Sums::floats(queries, width)), queries, width);
    }
    static int64_t floats(int64_t queries, int64_t width) {
      return queries * (width + kKeys + code_floats(width)) + round_up<S>(queries) + 2 * kKeys * width + 2 * Sums::floats(queries, width) + kAlign;
    }
    // Of a query in blocks of 8 bits.
    static int64_t code_floats(int64_t width) { return width / kBlock * static_cast<int64_t>(sizeof(QuantizedBlock) / sizeof(float)); }
    int64_t width;
    float* q;        // [queries, width], times the scale where keys are floats
    QuantizedBlock* codes;  // [queries, width / 32] where they are in blocks
    float* p;        // [queries, kKeys]
    float* rescale;  // [queries]
    float* k;        // [width, kKeys]
    float* v;        // [kKeys, width]
    Sums whole, part;
  };

  template <class T>
  void run(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences, const AttentionShape& s) {
    const int64_t group = s.n_heads / s.n_kv_heads, width = round_up<S>(s.head_dim);
    const int64_t rows_together = std::max<int64_t>(1, kQueries / group), queries = rows_together * group;
    const int threads = threads_for(pool_, products_of(sequences, s));
    const std::vector<Item> items = items_of(sequences, s, rows_together, threads);
    const auto n = static_cast<int64_t>(items.size());
    std::vector<Part> parts;
    if (threads > 1 && n < kItems * threads) parts = parts_of(items, s);
    float* rooms = rooms_.get<float>(Room::floats(queries, width) * threads);
    const auto each = [&](int64_t n_items, const auto& body) {
      parts_.run(pool_, threads, n_items, [&](int thread, int64_t i) { body(Room(rooms + thread * Room::floats(queries, width), queries, width), i); });
    };
    if (parts.empty()) {
      return each(n, [&](const Room& room, int64_t i) {
        const Item& item = items[static_cast<size_t>(i)];
        load_queries<T>(room, q, item, s);
        room.whole.clear(item.queries(s), width);
        for (int64_t segment = s.first_key(item.position) / kSegment; segment * kSegment < item.last(); ++segment) {
          attend<T>(room, room.part, pages, item, segment, s);
          add(room, room.whole, room.part, item.queries(s));
        }
        finish(room, out, item, s);
      });
    }
    const int64_t floats = Sums::floats(queries, width);
    float* states = states_.get<float>(floats * static_cast<int64_t>(parts.size()));
    each(static_cast<int64_t>(parts.size()), [&](const Room& room, int64_t i) {
      const Part& part = parts[static_cast<size_t>(i)];
      const Item& item = items[static_cast<size_t>(part.item)];
      load_queries<T>(room, q, item, s);
      attend<T>(room, Sums(states + i * floats, queries, width), pages, item, part.segment, s);
    });
    each(n, [&](const Room& room, int64_t i) {
      const Item& item = items[static_cast<size_t>(i)];
      room.whole.clear(item.queries(s), width);
      for (int64_t p = 0; p < std::ssize(parts); ++p) {
        if (parts[static_cast<size_t>(p)].item == i) add(room, room.whole, Sums(states + p * floats, queries, width), item.queries(s));
      }
      finish(room, out, item, s);
    });
  }

  // Longest sequences first. Of one, key heads outside rows: what one thread reads next is what another has just read. As many key heads
  // together as a room has queries for, unless that left threads without work.
  static std::vector<Item> items_of(std::span<const SequenceRows> sequences, const AttentionShape& s, int64_t rows_together, int threads) {
    const int64_t most = std::max<int64_t>(1, s.n_kv_heads * std::ssize(sequences) / (kItems * threads));
    std::vector<Item> items;
    for (const SequenceRows& x : sequences) {
      const int64_t length = x.row_end - x.row_begin, together = std::clamp<int64_t>(rows_together / std::max<int64_t>(length, 1), 1, most);
      for (int64_t head = 0; head < s.n_kv_heads; head += together) {
        for (int64_t row = x.row_begin; row < x.row_end; row += rows_together) {
          items.push_back({row, std::min(rows_together, x.row_end - row), x.first_position + row - x.row_begin, x.pages.data(), head,
                           std::min(together, s.n_kv_heads - head), x.first_position + length, x.row_begin});
        }
      }
    }
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
      if (a.length != b.length) return a.length > b.length;
      if (a.sequence != b.sequence) return a.sequence < b.sequence;
      return a.kv_head != b.kv_head ? a.kv_head < b.kv_head : a.row < b.row;
    });
    return items;
  }

  // Of scores and of values each.
  static int64_t products_of(std::span<const SequenceRows> sequences, const AttentionShape& s) {
    int64_t scores = 0;
    for (const SequenceRows& x : sequences) {
      scores += (x.row_end - x.row_begin) * (x.first_position + x.row_end - x.row_begin - s.first_key(x.first_position));
    }
    return scores * s.n_heads * s.head_dim;
  }

  static std::vector<Part> parts_of(const std::vector<Item>& items, const AttentionShape& s) {
    std::vector<Part> parts;
    for (size_t i = 0; i < items.size(); ++i) {
      for (int64_t segment = s.first_key(items[i].position) / kSegment; segment * kSegment < items[i].last(); ++segment) {
        parts.push_back({static_cast<int64_t>(i), segment});
      }
    }
    return parts;
  }

  // body(i, at) for each query of an item and where it lies among the rows' heads.
  template <class Body>
  static void for_each_query(const Item& item, const AttentionShape& s, const Body& body) {
    const int64_t group = s.n_heads / s.n_kv_heads;
    int64_t i = 0;
    for (int64_t head = item.kv_head; head < item.kv_head + item.heads; ++head) {
      for (int64_t row = item.row; row < item.row + item.rows; ++row) {
        for (int64_t g = 0; g < group; ++g, ++i) body(i, (row * s.n_heads + head * group + g) * s.head_dim);
      }
    }
  }
  template <class T>
  static void load_queries(const Room& room, TensorView q, const Item& item, const AttentionShape& s) {
    constexpr bool kInBlocks = PageReader<S, T>::kInBlocks;
    const int64_t e = s.head_dim;
    const F scale = S::set1(kInBlocks ? 1.0f : static_cast<float>(s.scale));
    for_each_query(item, s, [&](int64_t i, int64_t at) {
      const float* from = q.f32() + at;
      for (int64_t j = 0; j < e; j += S::kLanes) S::store(room.q + i * room.width + j, S::mul(load_up_to<S>(from + j, e - j), scale));
    });
    if constexpr (kInBlocks) quantize_activations<S, 1>(room.q, room.codes, 1, item.queries(s) * e / kBlock, CodeKind::kSigned, S::kSignedOffset);
  }
  static void finish(const Room& room, TensorView out, const Item& item, const AttentionShape& s) {
    for_each_query(item, s, [&](int64_t i, int64_t at) {
      float* to = out.f32() + at;
      const float* from = room.whole.out + i * room.width;
      const F factor = S::set1(1.0f / room.whole.sum[i]);
      over_vectors<S>(s.head_dim, [&](auto load, auto store) { store(to, S::mul(load(from), factor)); });
    });
  }

  // One segment's sums, block by block of all heads.
  template <class T>
  static void attend(const Room& room, const Sums& sums, const KvPages& pages, const Item& item, int64_t segment, const AttentionShape& s) {
    sums.clear(item.queries(s), room.width);
    const int64_t first = s.first_key(item.position), end = std::min(item.last(), (segment + 1) * kSegment);
    for (int64_t begin = std::max(first / kKeys, segment * kSegment / kKeys) * kKeys; begin < end; begin += kKeys) {
      const int64_t from = std::max(first - begin, int64_t{0}), keys = std::min(kKeys, end - begin);
      for (int64_t head = 0; head < item.heads; ++head) {
        const int64_t next = head + 1 < item.heads ? head + 1 : 0;
        const PageReader<S, T> block(pages, item.pages, begin, from, keys, item.kv_head + head, item.kv_head + next, item.last());
        attend_block(room, sums, block, item, head, begin, from, keys, s);
      }
    }
  }
  template <class T>
  static void attend_block(const Room& room, const Sums& sums, const PageReader<S, T>& block, const Item& item, int64_t head, int64_t begin,
                           int64_t from, int64_t keys, const AttentionShape& s) {
    const int64_t group = s.n_heads / s.n_kv_heads, width = room.width, e = s.head_dim;
    // Rows before the block see nothing of it.
    const int64_t passed = std::clamp<int64_t>(begin - item.position, 0, item.rows), skip = (head * item.rows + passed) * group;
    const int64_t queries = (item.rows - passed) * group;
    const Sums mine = sums.from(skip, width);
    const float* q = room.q + skip * width;
    const bool few = queries <= kFewQueries;
    if (few || PageReader<S, T>::kInBlocks) {
      block.scores(room.p, {q, width, room.codes + skip * e / kBlock, static_cast<float>(s.scale)}, queries);
    } else {
      block.widen_keys(room.k);
      small_product<S, Start::kZero>(room.p, kKeys, queries, round_up<S>(keys), e, {q, width, 1}, room.k, kKeys);
    }
    if (s.soft_cap > 0) {
      for (int64_t i = 0; i < queries; ++i) cap_scores<S>(room.p + i * kKeys, round_up<S>(keys), static_cast<float>(s.soft_cap));
    }
    weigh(room, mine, item.position + passed, begin, keys, queries, s);
    if (few) {
      block.add_values(mine.out, width, room.p, queries);
    } else {
      block.widen_values(room.v, width);
      small_product<S, Start::kSum>(mine.out, width, queries, width, keys - from, {room.p + from, kKeys, 1}, room.v + from * width, width);
    }
  }

  // Scores to weights relative to the largest score so far; what was summed before is brought to the same measure. Rows that see
  // nothing of this block stay as they are.
  static void weigh(const Room& room, const Sums& sums, int64_t position, int64_t begin, int64_t keys, int64_t queries,
                    const AttentionShape& s) {
    const int64_t group = s.n_heads / s.n_kv_heads;
    const auto in_block = [&](int64_t key) { return std::clamp<int64_t>(key - begin, 0, keys); };
    const auto first = [&](int64_t query) { return in_block(s.first_key(position + query / group)); };
    const auto seen = [&](int64_t query) { return in_block(position + query / group + 1); };
    for (int64_t i = 0; i < queries; ++i) {
      const float before = sums.top[i];
      const int64_t n = seen(i) - first(i);
      if (n > 0) sums.top[i] = std::max(before, largest<S>(room.p + i * kKeys + first(i), n));
      room.rescale[i] = before == sums.top[i] ? 0.0f : before - sums.top[i];  // −∞ at first
    }
    for (int64_t i = 0; i < queries; i += S::kLanes) S::store(room.rescale + i, exp<S>(S::load(room.rescale + i)));
    for (int64_t i = 0; i < queries; ++i) {
      const float factor = room.rescale[i];
      sums.sum[i] = sums.sum[i] * factor + exponentials<S>(room.p + i * kKeys, first(i), seen(i), round_up<S>(keys), sums.top[i]);
      if (factor == 1.0f) continue;
      float* out = sums.out + i * room.width;
      for (int64_t j = 0; j < room.width; j += S::kLanes) S::store(out + j, S::mul(S::load(out + j), S::set1(factor)));
    }
  }

  // whole += part, both brought to the larger measure. A segment that a query sees nothing of changes nothing.
  static void add(const Room& room, const Sums& whole, const Sums& part, int64_t queries) {
    for (int64_t i = 0; i < queries; ++i) {
      if (part.sum[i] == 0.0f) continue;
      const float top = std::max(whole.top[i], part.top[i]);
      float shifts[S::kLanes] = {whole.top[i] - top, part.top[i] - top}, factors[S::kLanes];
      S::store(factors, exp<S>(S::load(shifts)));
      const F old_factor = S::set1(factors[0]), new_factor = S::set1(factors[1]);
      float *to = whole.out + i * room.width, *from = part.out + i * room.width;
      for (int64_t j = 0; j < room.width; j += S::kLanes) {
        S::store(to + j, S::fma(S::load(from + j), new_factor, S::mul(S::load(to + j), old_factor)));
      }
      whole.sum[i] = whole.sum[i] * factors[0] + part.sum[i] * factors[1];
      whole.top[i] = top;
    }
  }

  ThreadPool& pool_;
  SharedParts parts_;
  Scratch rooms_, states_;
};

}  // namespace owlet::cpu
