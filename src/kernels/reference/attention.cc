// Softmax attention in two passes over the keys: scores and their maximum, then weights and the weighted
// values. The backward pass rebuilds the weights from lse, the log of the denominator (Dao et al.,
// "FlashAttention", 2022).
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/half.h"
#include "kernels/reference/reference_ops.h"

namespace owlet {
namespace {

template <class T>
T dot(const T* a, const T* b, int64_t n) {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// How well a key answers a query.
template <class T>
T score(const T* q, const T* k, const AttentionShape& s) {
  const T score = dot(q, k, s.head_dim) * static_cast<T>(s.scale), cap = static_cast<T>(s.soft_cap);
  return cap > 0 ? cap * std::tanh(score / cap) : score;
}

// One query head over keys and values 0 … n−1, which key(i) and value(i) point to. Returns lse.
template <class T, class Key, class Value>
T attend(T* out, const T* q, int64_t n, const AttentionShape& s, const Key& key, const Value& value) {
  const int64_t e = s.head_dim;
  std::vector<T> weights(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) weights[static_cast<size_t>(i)] = score(q, key(i), s);
  const T max = *std::max_element(weights.begin(), weights.end());
  T sum = 0;
  for (T& weight : weights) sum += weight = std::exp(weight - max);
  std::fill_n(out, e, T{0});
  for (int64_t i = 0; i < n; ++i) {
    const T* v = value(i);
    for (int64_t j = 0; j < e; ++j) out[j] += weights[static_cast<size_t>(i)] * v[j];
  }
  for (int64_t j = 0; j < e; ++j) out[j] /= sum;
  return max + std::log(sum);
}

// The first row that `row` sees.
int64_t first_key(std::span<const int32_t> first_row, int64_t row, const AttentionShape& s) {
  const int64_t first = first_row[static_cast<size_t>(row)];
  return first + s.first_key(row - first);
}

// out_NHE, lse_NH (or null), q_NHE, k_NKE, v_NKE
template <class T>
void attention_forward(T* out, T* lse, const T* q, const T* k, const T* v, std::span<const int32_t> first_row,
                       const AttentionShape& s) {
  const int64_t e = s.head_dim;
  const int64_t n = static_cast<int64_t>(first_row.size());
  for (int64_t row = 0; row < n; ++row) {
    const int64_t first = first_key(first_row, row, s);
    for (int64_t h = 0; h < s.n_heads; ++h) {
      const int64_t kv_head = h / (s.n_heads / s.n_kv_heads);
      const auto at = [&](const T* x, int64_t i) { return x + ((first + i) * s.n_kv_heads + kv_head) * e; };
      const int64_t query = row * s.n_heads + h;
      const T row_lse = attend(
          out + query * e, q + query * e, row - first + 1, s,
          [&](int64_t i) { return at(k, i); }, [&](int64_t i) { return at(v, i); });
      if (lse) lse[query] = row_lse;
    }
  }
}

// What the backward pass reads and writes; shapes as in the forward pass.
template <class T>
struct AttentionGradient {
  T *dq, *dk, *dv;
  const T *dout, *q, *k, *v, *out, *lse;
};

// With p = exp(score − lse) and D = dout · out:
//   dv += p · dout,  ds = p · (dout · v − D) · scale,  dq += ds · k,  dk += ds · q;
// where scores are capped, ds times the slope 1 − (score / cap)².
template <class T>
void attention_backward_rows(const AttentionGradient<T>& t, std::span<const int32_t> first_row,
                             const AttentionShape& s) {
  const int64_t e = s.head_dim;
  const int64_t n = static_cast<int64_t>(first_row.size());
  const T scale = static_cast<T>(s.scale), cap = static_cast<T>(s.soft_cap);
  std::fill_n(t.dq, n * s.n_heads * e, T{0});
  std::fill_n(t.dk, n * s.n_kv_heads * e, T{0});
  std::fill_n(t.dv, n * s.n_kv_heads * e, T{0});
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t h = 0; h < s.n_heads; ++h) {
      const int64_t head = row * s.n_heads + h;
      const int64_t query = head * e;
      const T weighted = dot(t.dout + query, t.out + query, e);
      for (int64_t i = first_key(first_row, row, s); i <= row; ++i) {
        const int64_t key = (i * s.n_kv_heads + h / (s.n_heads / s.n_kv_heads)) * e;
        const T a = score(t.q + query, t.k + key, s);
        const T p = std::exp(a - t.lse[head]);
        const T slope = cap > 0 ? 1 - a / cap * (a / cap) : 1;
        const T ds = p * (dot(t.dout + query, t.v + key, e) - weighted) * slope * scale;
        for (int64_t j = 0; j < e; ++j) {
          t.dv[key + j] += p * t.dout[query + j];
          t.dq[query + j] += ds * t.k[key + j];
          t.dk[key + j] += ds * t.q[query + j];
        }
      }
    }
  }
}

// Number i of a page's tensor, in the activations' type.
template <class T>
T load_number(const TensorView& page, int64_t i) {
  if (page.dtype == DType::kF32) return static_cast<T>(page.f32()[i]);
  if (page.dtype == DType::kF16) return static_cast<T>(f16_to_f32(page.as<uint16_t>()[i]));
  if (page.dtype == DType::kBF16) return static_cast<T>(bf16_to_f32(page.as<uint16_t>()[i]));
  const BlockQ8_0& block = page.as<BlockQ8_0>()[i / kBlock];
  return static_cast<T>(f16_to_f32(block.d)) * static_cast<T>(block.q[i % kBlock]);
}

// visit(i, at in the page's keys, at in its values) for the K·E numbers of the token at `position`.
template <class Visit>
void each_number(const KvPages& pages, const SequenceRows& sequence, int64_t position, const Visit& visit) {
  const int64_t heads = pages.v.shape[1], e = pages.v.shape[3], slot = position % kKvPageLen;
  const int64_t page = sequence.pages[static_cast<size_t>(position / kKvPageLen)];
  for (int64_t i = 0; i < heads * e; ++i) {
    const int64_t head = (page * heads + i / e) * e * kKvPageLen, turned = head + i % e * kKvPageLen + slot, in_row = head + slot * e + i % e;
    visit(i, is_quantized(pages.k.dtype) ? in_row : turned, in_row);
  }
}

// The rows of one sequence: its keys and values are gathered once, then each row sees those up to its own
// position.
template <class T>
void attend_sequence(T* out, const T* q, const KvPages& pages, const SequenceRows& sequence,
                     const AttentionShape& s) {
  const int64_t e = s.head_dim;
  const int64_t width = s.n_kv_heads * e;
  const int64_t length = sequence.first_position + sequence.row_end - sequence.row_begin;
  std::vector<T> k(static_cast<size_t>(length * width)), v(k.size());
  for (int64_t p = 0; p < length; ++p) {
    each_number(pages, sequence, p, [&](int64_t i, int64_t at_k, int64_t at_v) {
      k[static_cast<size_t>(p * width + i)] = load_number<T>(pages.k, at_k);
      v[static_cast<size_t>(p * width + i)] = load_number<T>(pages.v, at_v);
    });
  }
  for (int64_t row = sequence.row_begin; row < sequence.row_end; ++row) {
    const int64_t position = sequence.first_position + row - sequence.row_begin, first = s.first_key(position);
    for (int64_t h = 0; h < s.n_heads; ++h) {
      const int64_t head = h / (s.n_heads / s.n_kv_heads) * e;
      const int64_t query = (row * s.n_heads + h) * e;
      attend(
          out + query, q + query, position + 1 - first, s,
          [&](int64_t i) { return k.data() + (first + i) * width + head; },
          [&](int64_t i) { return v.data() + (first + i) * width + head; });
    }
  }
}

}  // namespace

void ReferenceOps::attention(TensorView out_NHE, TensorView lse_NH, TensorView q_NHE, TensorView k_NKE,
                             TensorView v_NKE, std::span<const int32_t> first_row,
                             const AttentionShape& shape) {
  check::attention(kTypes, out_NHE, lse_NH, q_NHE, k_NKE, v_NKE, first_row, shape);
  by_type(q_NHE.dtype, [&]<class T>(T) {
    attention_forward(out_NHE.as<T>(), lse_NH.as<T>(), q_NHE.as<T>(), k_NKE.as<T>(), v_NKE.as<T>(), first_row,
                      shape);
  });
}

void ReferenceOps::attention_backward(TensorView dq_NHE, TensorView dk_NKE, TensorView dv_NKE,
                                      TensorView dout_NHE, TensorView q_NHE, TensorView k_NKE,
                                      TensorView v_NKE, TensorView out_NHE, TensorView lse_NH,
                                      std::span<const int32_t> first_row, const AttentionShape& shape) {
  check::attention_backward(kTypes, dq_NHE, dk_NKE, dv_NKE, dout_NHE, q_NHE, k_NKE, v_NKE, out_NHE, lse_NH,
                            first_row, shape);
  by_type(q_NHE.dtype, [&]<class T>(T) {
    const AttentionGradient<T> tensors{dq_NHE.as<T>(),   dk_NKE.as<T>(),  dv_NKE.as<T>(),
                                       dout_NHE.as<T>(), q_NHE.as<T>(),   k_NKE.as<T>(),
                                       v_NKE.as<T>(),    out_NHE.as<T>(), lse_NH.as<T>()};
    attention_backward_rows(tensors, first_row, shape);
  });
}

void ReferenceOps::kv_store(const KvPages& pages, TensorView k_NKE, TensorView v_NKE,
                            std::span<const SequenceRows> sequences) {
  check::kv_store(kTypes, pages, k_NKE, v_NKE, sequences);
  by_type(k_NKE.dtype, [&]<class T>(T) {
    const int64_t width = k_NKE.cols();
    for (const SequenceRows& sequence : sequences) {
      for (int64_t row = sequence.row_begin; row < sequence.row_end; ++row) {
        const std::vector<float> k(k_NKE.as<T>() + row * width, k_NKE.as<T>() + (row + 1) * width);
        const std::vector<float> v(v_NKE.as<T>() + row * width, v_NKE.as<T>() + (row + 1) * width);
        each_number(pages, sequence, sequence.first_position + row - sequence.row_begin, [&](int64_t i, int64_t at_k, int64_t at_v) {
          const int64_t block = dtype_info(pages.k.dtype).block_size;
          if (i % block != 0) return;
          quantize_row(pages.k.dtype, &k[static_cast<size_t>(i)], pages.k.as<std::byte>() + row_bytes(pages.k.dtype, at_k), block);
          quantize_row(pages.v.dtype, &v[static_cast<size_t>(i)], pages.v.as<std::byte>() + row_bytes(pages.v.dtype, at_v), block);
        });
      }
    }
  });
}

void ReferenceOps::attention_paged(TensorView out_NHE, TensorView q_NHE, const KvPages& pages,
                                   std::span<const SequenceRows> sequences, const AttentionShape& shape) {
  check::attention_paged(kTypes, out_NHE, q_NHE, pages, sequences, shape);
  by_type(q_NHE.dtype, [&]<class T>(T) {
    const std::vector<T> q = is_quantized(pages.k.dtype) ? in_8_bits<T>(q_NHE, pages.k.dtype) : std::vector<T>(q_NHE.as<T>(), q_NHE.as<T>() + q_NHE.numel());
    for (const SequenceRows& sequence : sequences) {
      if (sequence.row_begin < sequence.row_end) {
        attend_sequence(out_NHE.as<T>(), q.data(), pages, sequence, shape);
      }
    }
  });
}

}  // namespace owlet
