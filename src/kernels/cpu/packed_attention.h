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
      for_each_query_block(doc, kv_head, shape, [&](int64_t head, int64_t begin, int64_t rows) {
        const int64_t keys = begin + rows - doc.begin;  // the last row sees this many
        scores(room, q, begin, rows, head, keys, shape);
        for (int64_t r = 0; r < rows; ++r) {
          float* row = room.p + r * room.stride;
          const int64_t seen = begin + r - doc.begin + 1;
          const float top = largest<S>(row, seen), sum = exponentials<S>(row, seen, round_up<S>(keys), top);
          if (lse) lse.f32()[(begin + r) * shape.n_heads + head] = top + std::log(sum);
          room.factor[r] = 1.0f / sum;
        }
        small_product<S, Start::kZero>(room.out, room.width, rows, room.width, keys, {room.p, room.stride, 1}, room.v, room.width);
        for (int64_t r = 0; r < rows; ++r) store_row(out, begin + r, head, shape, room.out + r * room.width, room.factor[r]);
      });
    });
  }

  // dV = Pᵀ dO; dP = dO Vᵀ; dS = P ∘ (dP − Σ dO∘O); dQ = dS K · scale; dK = dSᵀ Q · scale   (algorithm 4)
  void backward(TensorView dq, TensorView dk, TensorView dv, TensorView dout, TensorView q, TensorView k, TensorView v,
                TensorView out, TensorView lse, std::span<const int32_t> first_row, const AttentionShape& shape) {
    const int64_t e = shape.head_dim, h = shape.n_heads;
    const auto scale = static_cast<float>(shape.scale);
    each_document_and_head(first_row, shape, [&](const Room& room, Document doc, int64_t kv_head) {
      load_keys(room, doc, kv_head, k, v, shape, true);
      const int64_t n = doc.end - doc.begin, width = room.width;
      std::fill(room.dk, room.dk + n * width, 0.0f);
      std::fill(room.dv, room.dv + n * width, 0.0f);
      for_each_query_block(doc, kv_head, shape, [&](int64_t head, int64_t begin, int64_t rows) {
        const int64_t keys = begin + rows - doc.begin, padded = round_up<S>(keys);
        scores(room, q, begin, rows, head, keys, shape);
        load_rows(room.dout, dout, begin, rows, head, shape, 1.0f);
        small_product<S, Start::kZero>(room.ds, room.stride, rows, padded, e, {room.dout, width, 1}, room.v_t, room.stride);
        for (int64_t r = 0; r < rows; ++r) {
          float *ds = room.ds + r * room.stride, *p = room.p + r * room.stride;
          exponentials<S>(p, begin + r - doc.begin + 1, padded, lse.f32()[(begin + r) * h + head]);
          const F delta = S::set1(dot<S>(room.dout + r * width, out.f32() + ((begin + r) * h + head) * e, e));
          for (int64_t j = 0; j < padded; j += S::kLanes) S::store(ds + j, S::mul(S::load(p + j), S::sub(S::load(ds + j), delta)));
        }
        small_product<S, Start::kSum>(room.dv, width, keys, width, rows, {room.p, 1, room.stride}, room.dout, width);
        small_product<S, Start::kSum>(room.dk, width, keys, width, rows, {room.ds, 1, room.stride}, room.q, width);  // q is scaled
        small_product<S, Start::kZero>(room.out, width, rows, width, keys, {room.ds, room.stride, 1}, room.k, width);
        for (int64_t r = 0; r < rows; ++r) store_row(dq, begin + r, head, shape, room.out + r * width, scale);
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

  // The query heads that share a key head, block by block.
  template <class Body>
  static void for_each_query_block(Document doc, int64_t kv_head, const AttentionShape& shape, const Body& body) {
    const int64_t group = shape.n_heads / shape.n_kv_heads;
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (int64_t begin = doc.begin; begin < doc.end; begin += kQueries) {
        body(head, begin, std::min(kQueries, doc.end - begin));
      }
    }
  }

  static void load_row(float* to, const float* from, int64_t e, float factor) {
    for (int64_t i = 0; i < e; i += S::kLanes) S::store(to + i, S::mul(load_up_to<S>(from + i, e - i), S::set1(factor)));
  }
  static void load_rows(float* to, TensorView from, int64_t begin, int64_t rows, int64_t head, const AttentionShape& s, float factor) {
    for (int64_t r = 0; r < rows; ++r) {
      load_row(to + r * round_up<S>(s.head_dim), from.f32() + ((begin + r) * s.n_heads + head) * s.head_dim, s.head_dim, factor);
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

  // p = scale · q kᵀ for a block of queries.
  static void scores(const Room& room, TensorView q, int64_t begin, int64_t rows, int64_t head, int64_t keys, const AttentionShape& s) {
    load_rows(room.q, q, begin, rows, head, s, static_cast<float>(s.scale));
    small_product<S, Start::kZero>(room.p, room.stride, rows, round_up<S>(keys), s.head_dim, {room.q, room.width, 1}, room.k_t,
                                   room.stride);
  }

  ThreadPool& pool_;
  Scratch scratch_;
};

}  // namespace owlet::cpu
