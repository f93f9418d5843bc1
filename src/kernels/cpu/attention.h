// Attention: over the documents of a packed batch, forward and backward, and over pages of cached keys.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/rows.h"

namespace owlet::cpu {

// Rows [begin, end) of a packed batch that see each other.
struct Document {
  int64_t begin;
  int64_t end;
};

inline std::vector<Document> documents_of(std::span<const int32_t> first_row) {
  std::vector<Document> documents;
  for (size_t i = 0; i < first_row.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (i == 0 || first_row[i] == row) documents.push_back({row, row});
    documents.back().end = row + 1;
  }
  return documents;
}

template <class S>
class PackedAttention {
 public:
  PackedAttention(ThreadPool& pool) : pool_(pool), scratch_(static_cast<size_t>(pool.size())) {}

  void forward(TensorView out, TensorView lse, TensorView q, TensorView k, TensorView v, std::span<const int32_t> first_row,
               const AttentionShape& shape) {
    each_document_and_head(first_row, shape, [&](Scratch& s, Document doc, int64_t kv_head) {
      load_keys(s, doc, kv_head, k, v, shape, false);
      for_each_query_block(doc, kv_head, shape, [&](int64_t head, int64_t begin, int64_t rows) {
        const int64_t keys = begin + rows - doc.begin;  // the last row sees this many
        load_rows(s.q, q, begin, rows, head, shape);
        scores(s, doc, begin, rows, keys, shape);
        std::fill(s.out.begin(), s.out.end(), 0.0f);
        small_multiply_add<S>(s.out.data(), s.width, rows, s.width, keys, {s.p.data(), s.stride, 1}, s.v.data(), s.width);
        for (int64_t r = 0; r < rows; ++r) {
          const float sum = s.sum[static_cast<size_t>(r)];
          if (lse) lse.f32()[(begin + r) * shape.n_heads + head] = s.top[static_cast<size_t>(r)] + std::log(sum);
          float* to = out.f32() + ((begin + r) * shape.n_heads + head) * shape.head_dim;
          for (int64_t e = 0; e < shape.head_dim; ++e) to[e] = s.out[static_cast<size_t>(r * s.width + e)] / sum;
        }
      });
    });
  }

  // dV = Pᵀ dO; dP = dO Vᵀ; dS = P ∘ (dP − Σ dO∘O); dQ = dS K · scale; dK = dSᵀ Q · scale   (Dao et al. 2022, algorithm 4)
  void backward(TensorView dq, TensorView dk, TensorView dv, TensorView dout, TensorView q, TensorView k, TensorView v,
                TensorView out, TensorView lse, std::span<const int32_t> first_row, const AttentionShape& shape) {
    const int64_t e = shape.head_dim, h = shape.n_heads, kh = shape.n_kv_heads;
    const auto scale = static_cast<float>(shape.scale);
    each_document_and_head(first_row, shape, [&](Scratch& s, Document doc, int64_t kv_head) {
      load_keys(s, doc, kv_head, k, v, shape, true);
      const int64_t n = doc.end - doc.begin;
      s.dk.assign(static_cast<size_t>(n * s.width), 0.0f);
      s.dv.assign(static_cast<size_t>(n * s.width), 0.0f);
      for_each_query_block(doc, kv_head, shape, [&](int64_t head, int64_t begin, int64_t rows) {
        const int64_t keys = begin + rows - doc.begin, padded = round_up(keys);
        load_rows(s.q, q, begin, rows, head, shape);
        load_rows(s.dout, dout, begin, rows, head, shape);
        probabilities(s, doc, begin, rows, keys, head, lse, shape);
        small_multiply_add<S>(s.dv.data(), s.width, keys, s.width, rows, {s.p.data(), 1, s.stride}, s.dout.data(), s.width);
        std::fill(s.ds.begin(), s.ds.begin() + rows * s.stride, 0.0f);
        small_multiply_add<S>(s.ds.data(), s.stride, rows, padded, e, {s.dout.data(), s.width, 1}, s.v_t.data(), s.stride);
        for (int64_t r = 0; r < rows; ++r) {
          const float* o = out.f32() + ((begin + r) * h + head) * e;
          const float delta = dot<S>(s.dout.data() + r * s.width, o, e);
          float *ds = s.ds.data() + r * s.stride, *p = s.p.data() + r * s.stride;
          const typename S::F shift = S::set1(delta), by = S::set1(scale);
          for (int64_t j = 0; j < padded; j += S::kLanes) {
            S::store(ds + j, S::mul(S::mul(S::load(p + j), S::sub(S::load(ds + j), shift)), by));
          }
        }
        std::fill(s.out.begin(), s.out.end(), 0.0f);
        small_multiply_add<S>(s.out.data(), s.width, rows, s.width, keys, {s.ds.data(), s.stride, 1}, s.k.data(), s.width);
        for (int64_t r = 0; r < rows; ++r) {
          std::memcpy(dq.f32() + ((begin + r) * h + head) * e, s.out.data() + r * s.width, static_cast<size_t>(e) * 4);
        }
        small_multiply_add<S>(s.dk.data(), s.width, keys, s.width, rows, {s.ds.data(), 1, s.stride}, s.q.data(), s.width);
      });
      for (int64_t j = 0; j < n; ++j) {
        std::memcpy(dk.f32() + ((doc.begin + j) * kh + kv_head) * e, s.dk.data() + j * s.width, static_cast<size_t>(e) * 4);
        std::memcpy(dv.f32() + ((doc.begin + j) * kh + kv_head) * e, s.dv.data() + j * s.width, static_cast<size_t>(e) * 4);
      }
    });
  }

 private:
  static constexpr int64_t kQueries = 32;  // rows whose scores are held at once

  // What one thread works in. Rows are padded to whole vectors with zeros, which take part without effect.
  struct Scratch {
    int64_t width = 0;   // head_dim, padded
    int64_t stride = 0;  // keys of the document, padded
    std::vector<float> q, dout, out;            // [kQueries, width]
    std::vector<float> k, v, k_t, v_t, dk, dv;  // [keys, width], transposed [head_dim, stride]
    std::vector<float> p, ds;                   // [kQueries, stride]
    std::vector<float> top, sum;                // [kQueries]
  };

  static int64_t round_up(int64_t n) { return (n + S::kLanes - 1) / S::kLanes * S::kLanes; }

  // Work items are taken from a counter; none depends on who takes it.
  template <class Body>
  void each_document_and_head(std::span<const int32_t> first_row, const AttentionShape& shape, const Body& body) {
    const std::vector<Document> documents = documents_of(first_row);
    const int64_t items = static_cast<int64_t>(documents.size()) * shape.n_kv_heads;
    std::atomic<int64_t> next{0};
    pool_.run([&](int thread, int) {
      Scratch& scratch = scratch_[static_cast<size_t>(thread)];
      for (int64_t item = next++; item < items; item = next++) {
        body(scratch, documents[static_cast<size_t>(item / shape.n_kv_heads)], item % shape.n_kv_heads);
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

  static void load_keys(Scratch& s, Document doc, int64_t kv_head, TensorView k, TensorView v, const AttentionShape& shape,
                        bool backward) {
    const int64_t n = doc.end - doc.begin, e = shape.head_dim;
    s.width = round_up(e);
    s.stride = round_up(n);
    const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
    for (auto* rows : {&s.q, &s.dout, &s.out}) rows->assign(size(kQueries, s.width), 0.0f);
    for (auto* rows : {&s.k, &s.v}) rows->assign(size(n, s.width), 0.0f);
    s.k_t.assign(size(e, s.stride), 0.0f);
    if (backward) s.v_t.assign(size(e, s.stride), 0.0f);
    for (auto* rows : {&s.p, &s.ds}) rows->resize(std::max(rows->size(), size(kQueries, s.stride)));
    s.top.resize(kQueries);
    s.sum.resize(kQueries);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = ((doc.begin + j) * shape.n_kv_heads + kv_head) * e;
      std::memcpy(s.k.data() + j * s.width, k.f32() + at, static_cast<size_t>(e) * 4);
      std::memcpy(s.v.data() + j * s.width, v.f32() + at, static_cast<size_t>(e) * 4);
      for (int64_t i = 0; i < e; ++i) {
        s.k_t[size(i, s.stride) + static_cast<size_t>(j)] = k.f32()[at + i];
        if (backward) s.v_t[size(i, s.stride) + static_cast<size_t>(j)] = v.f32()[at + i];
      }
    }
  }

  static void load_rows(std::vector<float>& to, TensorView from, int64_t begin, int64_t rows, int64_t head,
                        const AttentionShape& shape) {
    const int64_t width = round_up(shape.head_dim);
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(to.data() + r * width, from.f32() + ((begin + r) * shape.n_heads + head) * shape.head_dim,
                  static_cast<size_t>(shape.head_dim) * 4);
    }
  }

  // p = scale · q kᵀ for a block of queries.
  static void raw_scores(Scratch& s, int64_t rows, int64_t keys, const AttentionShape& shape) {
    const auto scale = static_cast<float>(shape.scale);
    std::fill(s.p.begin(), s.p.begin() + rows * s.stride, 0.0f);
    small_multiply_add<S>(s.p.data(), s.stride, rows, round_up(keys), shape.head_dim, {s.q.data(), s.width, 1}, s.k_t.data(),
                          s.stride);
    for (int64_t i = 0; i < rows * s.stride; i += S::kLanes) S::store(s.p.data() + i, S::mul(S::load(s.p.data() + i), S::set1(scale)));
  }

  // p = e^(score − row's largest) on and below the diagonal, 0 above; the row's largest and sum beside it.
  static void scores(Scratch& s, Document doc, int64_t begin, int64_t rows, int64_t keys, const AttentionShape& shape) {
    raw_scores(s, rows, keys, shape);
    for (int64_t r = 0; r < rows; ++r) {
      float* row = s.p.data() + r * s.stride;
      const int64_t seen = begin + r - doc.begin + 1;
      const float top = *std::max_element(row, row + seen);
      s.top[static_cast<size_t>(r)] = top;
      s.sum[static_cast<size_t>(r)] = exponentials(row, seen, s.stride, top);
    }
  }

  // p = softmax, from the kept log-denominators.
  static void probabilities(Scratch& s, Document doc, int64_t begin, int64_t rows, int64_t keys, int64_t head, TensorView lse,
                            const AttentionShape& shape) {
    raw_scores(s, rows, keys, shape);
    for (int64_t r = 0; r < rows; ++r) {
      exponentials(s.p.data() + r * s.stride, begin + r - doc.begin + 1, s.stride,
                   lse.f32()[(begin + r) * shape.n_heads + head]);
    }
  }

  // row = e^(row − shift) for the first `seen` numbers, 0 for the rest; returns the sum.
  static float exponentials(float* row, int64_t seen, int64_t n, float shift) {
    typename S::F sum = S::zero();
    for (int64_t j = 0; j < n; j += S::kLanes) {
      typename S::F value = S::zero();
      if (j < seen) {
        value = exp<S>(S::sub(S::load(row + j), S::set1(shift)));
        if (j + S::kLanes > seen) {
          S::store(row + j, value);
          value = S::load_partial(row + j, seen - j);
        }
      }
      S::store(row + j, value);
      sum = S::add(sum, value);
    }
    return S::sum(sum);
  }

  ThreadPool& pool_;
  std::vector<Scratch> scratch_;
};

// One query row at a time over pages, keys in blocks of one page counted from position 0, with a running softmax: a row's result
// depends on its own position alone.
template <class S>
class PagedAttention {
 public:
  explicit PagedAttention(ThreadPool& pool) : pool_(pool) {}

  void run(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences,
           const AttentionShape& shape) {
    std::vector<Item> items;
    for (const SequenceRows& sequence : sequences) {
      for (int64_t row = sequence.row_begin; row < sequence.row_end; ++row) {
        items.push_back({row, sequence.first_position + row - sequence.row_begin, sequence.pages.data()});
      }
    }
    const int64_t n = static_cast<int64_t>(items.size()) * shape.n_kv_heads;
    std::atomic<int64_t> next{0};
    const auto work = [&](int, int) {
      std::vector<float> weights(static_cast<size_t>(pages.page_len()));
      for (int64_t i = next++; i < n; i = next++) {
        const Item& item = items[static_cast<size_t>(i / shape.n_kv_heads)];
        const int64_t group = shape.n_heads / shape.n_kv_heads, kv_head = i % shape.n_kv_heads;
        for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
          float* to = out.f32() + (item.row * shape.n_heads + head) * shape.head_dim;
          const float* from = q.f32() + (item.row * shape.n_heads + head) * shape.head_dim;
          if (pages.k.dtype == DType::kF16) {
            attend<uint16_t>(to, from, pages, item, kv_head, shape, weights.data());
          } else {
            attend<float>(to, from, pages, item, kv_head, shape, weights.data());
          }
        }
      }
    };
    pool_.run(work);
  }

 private:
  struct Item {
    int64_t row;
    int64_t position;
    const int32_t* pages;
  };
  using F = typename S::F;

  static F load(const float* p) { return S::load(p); }
  static F load(const uint16_t* p) { return S::load(p, HalfTag{}); }
  static F load_partial(const float* p, int64_t n) { return S::load_partial(p, n); }
  static F load_partial(const uint16_t* p, int64_t n) { return S::load_partial(p, n, HalfTag{}); }

  template <class T>
  static void attend(float* out, const float* q, const KvPages& pages, const Item& item, int64_t kv_head,
                     const AttentionShape& shape, float* weights) {
    const int64_t e = shape.head_dim, len = pages.page_len(), stride = shape.n_kv_heads * e;
    float top = -INFINITY, sum = 0;
    std::fill(out, out + e, 0.0f);
    for (int64_t begin = 0; begin <= item.position; begin += len) {
      const int64_t n = std::min(len, item.position + 1 - begin);
      const int64_t at = item.pages[begin / len] * len * stride + kv_head * e;
      const T* keys = pages.k.as<const T>() + at;
      const T* values = pages.v.as<const T>() + at;
      float block_top = top;
      for (int64_t j = 0; j < n; ++j) {
        weights[j] = dot_key(q, keys + j * stride, e) * static_cast<float>(shape.scale);
        block_top = std::max(block_top, weights[j]);
      }
      // Scores are made relative to the largest so far; what was summed before is brought to the same measure.
      const float rescale = top == -INFINITY ? 0.0f : exp_scalar(top - block_top);
      float block_sum = 0;
      for (int64_t j = 0; j < n; ++j) block_sum += weights[j] = exp_scalar(weights[j] - block_top);
      sum = sum * rescale + block_sum;
      top = block_top;
      add_values(out, values, weights, n, stride, e, rescale);
    }
    for (int64_t i = 0; i < e; ++i) out[i] /= sum;
  }

  static float exp_scalar(float x) { return std::exp(x); }

  template <class T>
  static float dot_key(const float* q, const T* key, int64_t e) {
    F sum = S::zero();
    int64_t i = 0;
    for (; i + S::kLanes <= e; i += S::kLanes) sum = S::fma(S::load(q + i), load(key + i), sum);
    if (i < e) sum = S::fma(S::load_partial(q + i, e - i), load_partial(key + i, e - i), sum);
    return S::sum(sum);
  }

  template <class T>
  static void add_values(float* out, const T* values, const float* weights, int64_t n, int64_t stride, int64_t e, float rescale) {
    for (int64_t i = 0; i < e; i += S::kLanes) {
      const int64_t here = std::min(S::kLanes, e - i);
      const bool whole = here == S::kLanes;
      F sum = S::mul(whole ? S::load(out + i) : S::load_partial(out + i, here), S::set1(rescale));
      for (int64_t j = 0; j < n; ++j) {
        const F value = whole ? load(values + j * stride + i) : load_partial(values + j * stride + i, here);
        sum = S::fma(S::set1(weights[j]), value, sum);
      }
      whole ? S::store(out + i, sum) : S::store_partial(out + i, sum, here);
    }
  }

  ThreadPool& pool_;
};

}  // namespace owlet::cpu
