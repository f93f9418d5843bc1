// Attention over pages of cached keys and values.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/cpu/quantized_row.h"
#include "kernels/cpu/rows.h"

namespace owlet::cpu {

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
