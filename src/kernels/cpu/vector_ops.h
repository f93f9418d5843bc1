// Every op for one instruction set, made of the skeletons around it. S names the vectors: see avx512/simd.h for what it has.
#pragma once

#include <type_traits>

#include "kernels/check.h"
#include "kernels/cpu/packed_attention.h"
#include "kernels/cpu/paged_attention.h"
#include "kernels/cpu/dense_linear.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/kv_pages.h"
#include "kernels/cpu/turned_linear.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/weight_updates.h"
#include "quant/blocks.h"

namespace owlet::cpu {

template <class S>
class VectorOps final : public Ops {
 public:
  explicit VectorOps(ThreadPool& pool)
      : pool_(pool), rows_(pool), updates_(pool), dense_(pool), turned_(pool), packed_(pool), writer_(pool), paged_(pool), gemm_f32_(pool), gemm_bf16_(pool),
        name_(std::string("cpu-") + S::kName) {}

  std::string_view name() const override { return name_; }

  void embedding(TensorView out, TensorView table, std::span<const int32_t> ids) override {
    check::embedding(kTypes, out, table, ids);
    const int64_t d = out.cols(), row = row_bytes(table.dtype, d);
    pool_.parallel_for(out.rows(), 8, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        dequantize_row(table.dtype, table.as<const std::byte>() + ids[static_cast<size_t>(r)] * row, out.f32() + r * d, d);
      }
    });
  }

  void embedding_backward(TensorView dtable, TensorView dout, std::span<const int32_t> ids) override {
    check::embedding_backward(kTypes, dtable, dout, ids);
    const int64_t d = dout.cols();
    // Threads own columns: each id's rows are added in their order.
    pool_.parallel_for(d, 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = 0; r < dout.rows(); ++r) {
        float* to = dtable.f32() + ids[static_cast<size_t>(r)] * d;
        const float* from = dout.f32() + r * d;
        for (int64_t i = begin; i < end; ++i) to[i] += from[i];
      }
    });
  }

  void rms_norm(TensorView out, TensorView rstd, TensorView x, TensorView weight, double eps) override {
    check::rms_norm(kTypes, out, rstd, x, weight);
    rows_.rms_norm(out, rstd, x, decoded(weight), eps);
  }
  void rms_norm_backward(TensorView dx, Into into, TensorView dweight, TensorView dout, TensorView x, TensorView weight,
                         TensorView rstd) override {
    check::rms_norm_backward(kTypes, dx, dweight, dout, x, weight, rstd);
    rows_.rms_norm_backward(dx, into, dweight, dout, x, decoded(weight), rstd);
  }

  void linear(TensorView out, Into into, TensorView x, TensorView w, Precision precision) override {
    check::linear(kTypes, out, x, w, kGroup);
    const int64_t i = x.cols();
    if (is_turned(w, precision)) {
      const Product product{out, w};
      turned_.run({&product, 1}, into, x);
      return;
    }
    OWLET_CHECK(w.group == 0, "[linear] these weights lie turned, for products of another precision");
    if (precision == Precision::kBF16 && !is_quantized(w.dtype)) {
      const int64_t n = x.rows(), o = w.rows();
      decoded_pieces(w, [&](const float* rows, int64_t begin, int64_t count) {
        gemm_bf16_.multiply(out.f32() + begin, o, n, count, i, {x.f32(), i, 1}, {rows, 1, i}, into == Into::kAdd);
      });
    } else {
      dense_.run(out, into, x, w);
    }
  }
  void linears(std::span<const Product> products, TensorView x, Precision precision) override {
    for (const Product& p : products) check::linear(kTypes, p.out_NO, x, p.weight_OI, kGroup);
    // Neighbours of one type share the activations' codes.
    for (size_t begin = 0, end = 0; begin < products.size(); begin = end) {
      const DType dtype = products[begin].weight_OI.dtype;
      for (end = begin + 1; end < products.size() && products[end].weight_OI.dtype == dtype;) ++end;
      if (is_turned(products[begin].weight_OI, precision)) {
        turned_.run(products.subspan(begin, end - begin), Into::kWrite, x);
        continue;
      }
      for (const Product& p : products.subspan(begin, end - begin)) linear(p.out_NO, Into::kWrite, x, p.weight_OI, precision);
    }
  }
  int64_t turned_bytes(TensorView w, Precision precision) const override {
    return is_turned(w, precision) && w.group == 0 ? TurnedLinear<S>::turned_bytes(w) : 0;
  }
  TensorView turn(void* to, TensorView w) override {
    OWLET_CHECK(w.group == 0, "[linear] these weights lie turned already");
    turned_.turn(to, w);
    return {to, w.dtype, w.shape, kGroup};
  }
  void linear_backward_input(TensorView dx, Into into, TensorView dout, TensorView w, Precision precision) override {
    check::linear_backward_input(kTypes, dx, dout, w);
    const int64_t i = dx.cols(), o = dout.cols();
    decoded_pieces(w, [&](const float* rows, int64_t begin, int64_t count) {
      multiply(precision, dx.f32(), dx.rows(), i, count, {dout.f32() + begin, o, 1}, {rows, i, 1}, into == Into::kAdd || begin > 0);
    });
  }
  void linear_backward_weight(TensorView dw, TensorView dout, TensorView x, Precision precision) override {
    check::linear_backward_weight(kTypes, dw, dout, x);
    const int64_t i = x.cols(), o = dout.cols();
    multiply(precision, dw.f32(), o, i, x.rows(), {dout.f32(), 1, o}, {x.f32(), i, 1}, true);
  }

  void add_bias(TensorView x, TensorView bias) override {
    check::add_bias(kTypes, x, bias);
    rows_.add_bias(x, decoded(bias), bias.numel());
  }
  void bias_backward(TensorView dbias, TensorView dout) override {
    check::bias_backward(kTypes, dbias, dout);
    rows_.bias_backward(dbias, dout);
  }

  void scale_columns(TensorView out, TensorView x, TensorView scale) override {
    check::scale_columns(kTypes, out, x, scale);
    rows_.scale_columns(out, x, scale);
  }
  void scale_columns_backward(TensorView dscale, TensorView dout, TensorView x) override {
    check::scale_columns(kTypes, dout, x, dscale);
    rows_.scale_columns_backward(dscale, dout, x);
  }

  void rope(TensorView x, int64_t head_dim, TensorView cos_sin, std::span<const int32_t> positions, bool interleaved) override {
    check::rope(kTypes, x, head_dim, cos_sin, positions);
    rows_.rope(x, head_dim, cos_sin, positions, interleaved, 1.0f);
  }
  void rope_backward(TensorView dx, int64_t head_dim, TensorView cos_sin, std::span<const int32_t> positions,
                     bool interleaved) override {
    check::rope(kTypes, dx, head_dim, cos_sin, positions);
    rows_.rope(dx, head_dim, cos_sin, positions, interleaved, -1.0f);
  }

  void attention(TensorView out, TensorView lse, TensorView q, TensorView k, TensorView v, std::span<const int32_t> first_row,
                 const AttentionShape& shape) override {
    check::attention(kTypes, out, lse, q, k, v, first_row, shape);
    packed_.forward(out, lse, q, k, v, first_row, shape);
  }
  void attention_backward(TensorView dq, TensorView dk, TensorView dv, TensorView dout, TensorView q, TensorView k, TensorView v,
                          TensorView out, TensorView lse, std::span<const int32_t> first_row,
                          const AttentionShape& shape) override {
    check::attention_backward(kTypes, dq, dk, dv, dout, q, k, v, out, lse, first_row, shape);
    packed_.backward(dq, dk, dv, dout, q, k, v, out, lse, first_row, shape);
  }

  void kv_store(const KvPages& pages, TensorView k, TensorView v, std::span<const SequenceRows> sequences) override {
    check::kv_store(kTypes, pages, k, v, sequences);
    writer_.run(pages, k, v, sequences);
  }
  void attention_paged(TensorView out, TensorView q, const KvPages& pages, std::span<const SequenceRows> sequences,
                       const AttentionShape& shape) override {
    check::attention_paged(kTypes, out, q, pages, sequences, shape);
    paged_.run(out, q, pages, sequences, shape);
  }

  void glu(TensorView out, TensorView gate, TensorView up, Activation activation) override {
    check::glu(kTypes, out, gate, up);
    rows_.glu(out, gate, up, activation);
  }
  void glu_backward(TensorView dgate, TensorView dup, TensorView dout, TensorView gate, TensorView up,
                    Activation activation) override {
    check::glu_backward(kTypes, dgate, dup, dout, gate, up);
    rows_.glu_backward(dgate, dup, dout, gate, up, activation);
  }
  void soft_cap(TensorView x, double cap) override {
    check::soft_cap(kTypes, x, cap);
    rows_.soft_cap(x, cap);
  }
  void soft_cap_backward(TensorView dx, TensorView capped, double cap) override {
    check::soft_cap_backward(kTypes, dx, capped, cap);
    rows_.soft_cap_backward(dx, capped, cap);
  }
  void cross_entropy(TensorView loss, TensorView logits, std::span<const int32_t> targets, double dloss, double z_loss) override {
    check::cross_entropy(kTypes, loss, logits, targets);
    rows_.cross_entropy(loss, logits, targets, dloss, z_loss);
  }

  void copy(TensorView out, TensorView x) override {
    check::copy(out, x);
    pool_.parallel_for(out.bytes(), 1 << 16, [&](int64_t begin, int64_t end) {
      std::memcpy(out.as<std::byte>() + begin, x.as<std::byte>() + begin, static_cast<size_t>(end - begin));
    });
  }
  void add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) override {
    check::add_scaled(kTypes, out, a, x, b, y);
    rows_.add_scaled(out, a, x, b, y);
  }
  void adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v, const AdamWStep& step) override {
    check::adamw(kTypes, weight, gradient, m, v, step);
    updates_.adamw(weight, gradient, m, v, step);
  }
  void decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) override {
    check::decay_and_add(kTypes, weight, x);
    updates_.decay_and_add(weight, keep, factor, x, rounding);
  }
  void dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) override {
    check::dropout(kTypes, out, x, p);
    rows_.dropout(out, into, x, p, draw);
  }
  double sum_of_squares(TensorView x) override {
    check::sum_of_squares(kTypes, x);
    return rows_.sum_of_squares(x);
  }

 private:
  static constexpr auto kTypes = check::Activations::kF32;
  static constexpr int32_t kGroup = static_cast<int32_t>(S::kLanes);  // rows that lie together where weights lie turned
  // Processors without bfloat16 products round to it and multiply in float32: the same numbers.
  template <class T>
  struct BF16Of {
    using type = FloatPanels<T, true>;
  };
  template <class T>
    requires T::kHasBF16
  struct BF16Of<T> {
    using type = BF16Panels<T>;
  };

  void multiply(Precision precision, float* c, int64_t m, int64_t n, int64_t k, Strided a, Strided b, bool add) {
    if (precision == Precision::kBF16) {
      gemm_bf16_.multiply(c, n, m, n, k, a, b, add);
    } else {
      gemm_f32_.multiply(c, n, m, n, k, a, b, add);
    }
  }

  static bool is_turned(TensorView w, Precision precision) {
    return multiplies_in_8_bits(w.dtype) || (S::kHasBF16 && precision != Precision::kF32 && w.dtype == DType::kBF16 && w.cols() % kBlock == 0);
  }

  // A weight as float32: itself, or decoded for this call.
  const float* decoded(TensorView w) { return w.dtype == DType::kF32 ? w.f32() : decode_rows(w, 0, w.rows()); }

  // body(rows as float32, the first, how many) over a matrix: all at once where it is float32, else in pieces that are decoded for it.
  template <class Body>
  void decoded_pieces(TensorView w, const Body& body) {
    if (w.dtype == DType::kF32) return body(w.f32(), int64_t{0}, w.rows());
    const int64_t piece = std::max<int64_t>(kDecodedFloats / w.cols(), 64);
    for (int64_t begin = 0; begin < w.rows(); begin += piece) {
      const int64_t count = std::min(piece, w.rows() - begin);
      body(decode_rows(w, begin, count), begin, count);
    }
  }
  static constexpr int64_t kDecodedFloats = int64_t{4} << 20;

  const float* decode_rows(TensorView w, int64_t first, int64_t count) {
    float* out = decoded_.get<float>(count * w.cols());
    const int64_t row = row_bytes(w.dtype, w.cols());
    pool_.parallel_for(count, 8, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        dequantize_row(w.dtype, w.as<const std::byte>() + (first + r) * row, out + r * w.cols(), w.cols());
      }
    });
    return out;
  }

  ThreadPool& pool_;
  Rows<S> rows_;
  WeightUpdates<S> updates_;
  DenseLinear<S> dense_;
  TurnedLinear<S> turned_;
  PackedAttention<S> packed_;
  PageWriter<S> writer_;
  PagedAttention<S> paged_;
  Gemm<S, FloatPanels<S, false>> gemm_f32_;
  Gemm<S, typename BF16Of<S>::type> gemm_bf16_;
  Scratch decoded_;
  std::string name_;
};

}  // namespace owlet::cpu
