// Attention over the documents of a packed batch, forward and backward (Dao et al. 2022, without its blocks over keys: the scores
// of a few queries and all keys of a document fit in the cache).
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/documents.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/small_products.h"
#include "kernels/cpu/softmax.h"
#include "kernels/cpu/vectors.h"
#include "kernels/ops.h"

namespace owlet::cpu {

template <class S>
class PackedAttention {
 public:
  explicit PackedAttention(ThreadPool& pool) : pool_(pool) {}

  void forward(TensorView out, TensorView lse, TensorView q, TensorView k, TensorView v, std::span<const int32_t> first_row,
               const AttentionShape& shape) {
    each_document_and_head(first_row, shape, [&](const Room& room, Document doc, int64_t kv_head) {
      load_keys(room, doc, kv_head, k, v, shape, false);
      for_each_query_block(doc, kv_head, shape, [&](const Queries& b) {
        const int64_t width = room.width;
        scores(room, q, b, shape);
        for (int64_t r = 0; r < b.rows; ++r) {
          float* row = room.p + r * room.stride;
          const int64_t first = b.first(r, shape), seen = b.seen(r);
          const float top = largest<S>(row + first, seen - first), sum = exponentials<S>(row, first, seen, round_up<S>(b.keys), top);
          if (lse) lse.f32()[(b.begin + r) * shape.n_heads + b.head] = top + std::log(sum);
          room.factor[r] = 1.0f / sum;
        }
        small_product<S, Start::kZero>(room.out, width, b.rows, width, b.keys, {room.p, room.stride, 1}, room.v + b.from * width,
                                       width);
        for (int64_t r = 0; r < b.rows; ++r) store_row(out, b.begin + r, b.head, shape, room.out + r * width, room.factor[r]);
      });
    });
  }

  // dV = Pᵀ dO; dP = dO Vᵀ; dS = P ∘ (dP − Σ dO∘O); dQ = dS K · scale; dK = dSᵀ Q · scale   (algorithm 4);
  // dS of a capped score s is that times 1 − (s / cap)².
  void backward(TensorView dq, TensorView dk, TensorView dv, TensorView dout, TensorView q, TensorView k, TensorView v,
                TensorView out, TensorView lse, std::span<const int32_t> first_row, const AttentionShape& shape) {
    const auto scale = static_cast<float>(shape.scale);
    each_document_and_head(first_row, shape, [&](const Room& room, Document doc, int64_t kv_head) {
      load_keys(room, doc, kv_head, k, v, shape, true);
      const int64_t n = doc.end - doc.begin, width = room.width;
      std::fill(room.dk, room.dk + n * width, 0.0f);
      std::fill(room.dv, room.dv + n * width, 0.0f);
      for_each_query_block(doc, kv_head, shape, [&](const Queries& b) {
        const int64_t at = b.from * width;
        scores(room, q, b, shape);
        load_rows(room.dout, dout, b, shape, 1.0f);
        small_product<S, Start::kZero>(room.ds, room.stride, b.rows, round_up<S>(b.keys), shape.head_dim, {room.dout, width, 1},
                                       room.v_t + b.from, room.stride);
        for (int64_t r = 0; r < b.rows; ++r) score_gradient(room, b, r, out, lse, shape);
        small_product<S, Start::kSum>(room.dv + at, width, b.keys, width, b.rows, {room.p, 1, room.stride}, room.dout, width);
        small_product<S, Start::kSum>(room.dk + at, width, b.keys, width, b.rows, {room.ds, 1, room.stride}, room.q, width);
        small_product<S, Start::kZero>(room.out, width, b.rows, width, b.keys, {room.ds, room.stride, 1}, room.k + at, width);
        for (int64_t r = 0; r < b.rows; ++r) store_row(dq, b.begin + r, b.head, shape, room.out + r * width, scale);
      });
      for (int64_t j = 0; j < n; ++j) {
        store_key(dk, doc.begin + j, kv_head, shape, room.dk + j * width);
        store_key(dv, doc.begin + j, kv_head, shape, room.dv + j * width);
      }
    });
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kQueries = 32;  // rows whose scores are held at once

  // What one thread works in. Rows are padded to whole vectors with zeros, which take part without effect.
  struct Room {
    int64_t width;                   // head_dim, padded
    int64_t stride;                  // keys of the longest document, padded
    float *q, *dout, *out, *factor;  // [kQueries, width]; q comes times the scale
    float *p, *ds;                   // [kQueries, stride]
    float *k, *v, *dk, *dv;          // [stride, width]
    float *k_t, *v_t;                // [width, stride]
  };

  // Work items are taken from a counter; none depends on who takes it.
  template <class Body>
  void each_document_and_head(std::span<const int32_t> first_row, const AttentionShape& shape, const Body& body) {
    const Documents documents = documents_of(first_row);
    const int64_t items = static_cast<int64_t>(documents.all.size()) * shape.n_kv_heads;
    const int64_t width = round_up<S>(shape.head_dim), stride = round_up<S>(documents.longest);
    const int64_t by_query = kQueries * width, by_score = kQueries * stride, by_key = stride * width;
    const int64_t each = 4 * by_query + 2 * by_score + 6 * by_key;
    float* memory = scratch_.get<float>(each * pool_.size());
    std::atomic<int64_t> next{0};
    pool_.run([&](int thread, int) {
      float* at = memory + thread * each;
      const auto take = [&at](int64_t n) { return at += n, at - n; };
      Room room;
      room.width = width;
      room.stride = stride;
      for (float** part : {&room.q, &room.dout, &room.out, &room.factor}) *part = take(by_query);
      for (float** part : {&room.p, &room.ds}) *part = take(by_score);
      for (float** part : {&room.k, &room.v, &room.dk, &room.dv, &room.k_t, &room.v_t}) *part = take(by_key);
      for (int64_t item = next++; item < items; item = next++) {
        body(room, documents.all[static_cast<size_t>(item / shape.n_kv_heads)], item % shape.n_kv_heads);
      }
    });
  }

  // Some rows of a query head and the keys that they see, numbered in their document from a whole vector's first on.
  struct Queries {
    int64_t head, begin, rows;
    int64_t position;  // of the first row in its document
    int64_t from;      // the first key that is looked at …
    int64_t keys;      // … and how many; the last row sees the last of them
    // Row r sees the keys from `first` to `seen`, both relative to `from`.
    int64_t first(int64_t r, const AttentionShape& s) const { return std::max<int64_t>(s.first_key(position + r) - from, 0); }
    int64_t seen(int64_t r) const { return position + r + 1 - from; }
  };

  // The query heads that share a key head, block by block.
  template <class Body>
  static void for_each_query_block(Document doc, int64_t kv_head, const AttentionShape& shape, const Body& body) {
    const int64_t group = shape.n_heads / shape.n_kv_heads;
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (int64_t begin = doc.begin; begin < doc.end; begin += kQueries) {
        const int64_t rows = std::min(kQueries, doc.end - begin), position = begin - doc.begin;
        const int64_t from = shape.first_key(position) / S::kLanes * S::kLanes;
        body(Queries{head, begin, rows, position, from, position + rows - from});
      }
    }
  }

  static void load_row(float* to, const float* from, int64_t e, float factor) {
    for (int64_t i = 0; i < e; i += S::kLanes) S::store(to + i, S::mul(load_up_to<S>(from + i, e - i), S::set1(factor)));
  }
  static void load_rows(float* to, TensorView from, const Queries& b, const AttentionShape& s, float factor) {
    for (int64_t r = 0; r < b.rows; ++r) {
      load_row(to + r * round_up<S>(s.head_dim), from.f32() + ((b.begin + r) * s.n_heads + b.head) * s.head_dim, s.head_dim, factor);
    }
  }
  static void store_row(TensorView to, int64_t row, int64_t head, const AttentionShape& s, const float* from, float factor) {
    float* out = to.f32() + (row * s.n_heads + head) * s.head_dim;
    over_vectors<S>(s.head_dim, [&](auto load, auto store) { store(out, S::mul(load(from), S::set1(factor))); });
  }
  static void store_key(TensorView to, int64_t row, int64_t kv_head, const AttentionShape& s, const float* from) {
    std::copy(from, from + s.head_dim, to.f32() + (row * s.n_kv_heads + kv_head) * s.head_dim);
  }

  // A document's keys and values of one head, as rows and turned.
  static void load_keys(const Room& room, Document doc, int64_t kv_head, TensorView k, TensorView v, const AttentionShape& s,
                        bool backward) {
    const int64_t n = doc.end - doc.begin;
    const auto load = [&](float* rows, float* turned, TensorView from) {
      for (int64_t j = 0; j < n; ++j) {
        load_row(rows + j * room.width, from.f32() + ((doc.begin + j) * s.n_kv_heads + kv_head) * s.head_dim, s.head_dim, 1.0f);
      }
      if (turned) turn<S>(turned, room.stride, n, room.width, [&](int64_t j, int64_t i) { return S::load(rows + j * room.width + i); });
    };
    load(room.k, room.k_t, k);
    load(room.v, backward ? room.v_t : nullptr, v);
  }

  // p = scale · q kᵀ for a block of queries, capped.
  static void scores(const Room& room, TensorView q, const Queries& b, const AttentionShape& s) {
    const int64_t padded = round_up<S>(b.keys);
    load_rows(room.q, q, b, s, static_cast<float>(s.scale));
    small_product<S, Start::kZero>(room.p, room.stride, b.rows, padded, s.head_dim, {room.q, room.width, 1}, room.k_t + b.from,
                                   room.stride);
    if (s.soft_cap == 0) return;
    for (int64_t r = 0; r < b.rows; ++r) cap_scores<S>(room.p + r * room.stride, padded, static_cast<float>(s.soft_cap));
  }

  // Row r of the scores becomes weights, and row r of dP becomes dS.
  static void score_gradient(const Room& room, const Queries& b, int64_t r, TensorView out, TensorView lse, const AttentionShape& s) {
    const int64_t query = (b.begin + r) * s.n_heads + b.head, padded = round_up<S>(b.keys);
    float *ds = room.ds + r * room.stride, *p = room.p + r * room.stride;
    F delta = S::set1(dot<S>(room.dout + r * room.width, out.f32() + query * s.head_dim, s.head_dim));
    if (s.soft_cap > 0) {
      const F one = S::set1(1.0f), inverse = S::set1(static_cast<float>(1 / s.soft_cap));
      for (int64_t j = 0; j < padded; j += S::kLanes) {
        const F t = S::mul(S::load(p + j), inverse);
        S::store(ds + j, S::mul(S::sub(S::load(ds + j), delta), S::sub(one, S::mul(t, t))));
      }
      delta = S::zero();
    }
    exponentials<S>(p, b.first(r, s), b.seen(r), padded, lse.f32()[query]);
    for (int64_t j = 0; j < padded; j += S::kLanes) S::store(ds + j, S::mul(S::load(p + j), S::sub(S::load(ds + j), delta)));
  }

  ThreadPool& pool_;
  Scratch scratch_;
};

}  // namespace owlet::cpu
