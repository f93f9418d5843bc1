#include "model/tape.h"

#include <algorithm>

#include "model/block.h"

namespace owlet {

struct Tape::Impl {
  // What one block keeps for the way back; what the model has no use for stays empty.
  struct Kept {
    Tensor attn_in, attn_rstd, q_raw, k_raw, q_rstd, k_rstd, q, k, v, attn, lse, attn_out, attn_out_rstd;
    Tensor mid, ffn_in, ffn_rstd, gate, up, act, ffn_out, ffn_out_rstd, out;
  };

  Impl(const ModelConfig& c, int64_t rows, DType t)
      : angles(c, rows, t), embedded(make(t, rows, c.dim)), hidden(make(t, rows, c.dim)), rstd(make(t, rows, 1)),
        normed(make(t, c.post_norms ? rows : 0, c.dim)), d_stream(make(t, rows, c.dim)), d_normed(make(t, rows, c.dim)),
        d_scaled(make(t, c.residual_scale != 1 ? rows : 0, c.dim)), dq(make(t, rows, c.q_dim())), dk(make(t, rows, c.kv_dim())),
        dv(make(t, rows, c.kv_dim())), d_attn(make(t, rows, c.q_dim())), dgate(make(t, rows, c.ffn_dim)),
        dup(make(t, rows, c.ffn_dim)), dact(make(t, rows, c.ffn_dim)) {
    const int64_t pre = c.pre_norms ? rows : 0, post = c.post_norms ? rows : 0, qk = c.qk_norm != QkNorm::kNone ? rows : 0;
    const bool per_head = c.qk_norm == QkNorm::kPerHead;
    const int64_t branch = c.post_norms || c.residual_scale != 1 ? rows : 0;
    for (int64_t i = 0; i < c.n_layers; ++i) {
      kept.push_back({.attn_in = make(t, pre, c.dim), .attn_rstd = make(t, pre, 1), .q_raw = make(t, qk, c.q_dim()),
                      .k_raw = make(t, qk, c.kv_dim()), .q_rstd = make(t, qk, per_head ? c.n_heads : 1), .k_rstd = make(t, qk, per_head ? c.n_kv_heads : 1),
                      .q = make(t, rows, c.q_dim()), .k = make(t, rows, c.kv_dim()), .v = make(t, rows, c.kv_dim()),
                      .attn = make(t, rows, c.q_dim()), .lse = make(t, rows, c.n_heads), .attn_out = make(t, branch, c.dim),
                      .attn_out_rstd = make(t, post, 1), .mid = make(t, rows, c.dim), .ffn_in = make(t, pre, c.dim),
                      .ffn_rstd = make(t, pre, 1), .gate = make(t, rows, c.ffn_dim), .up = make(t, rows, c.ffn_dim),
                      .act = make(t, rows, c.ffn_dim), .ffn_out = make(t, branch, c.dim), .ffn_out_rstd = make(t, post, 1),
                      .out = make(t, rows, c.dim)});
    }
  }

  // Empty where rows are 0.
  Tensor make(DType dtype, int64_t rows, int64_t cols) {
    if (rows == 0) return {};
    Tensor tensor(dtype, Shape{rows, cols});
    bytes += tensor.bytes();
    return tensor;
  }

  static TensorView head(const Tensor& t, int64_t n) { return t ? t.view().row_range(0, n) : TensorView{}; }
  static TensorView vector(const Tensor& t, int64_t n) { return t ? head(t, n).reshape({n}) : TensorView{}; }
  const Tensor& stream(size_t i) const { return i == 0 ? embedded : kept[i - 1].out; }

  BlockActivations activations(size_t i, int64_t n) const {
    const Kept& b = kept[i];
    const auto flat = [n](const Tensor& t) { return t ? head(t, n).reshape(Shape{n * t.view().cols()}) : TensorView{}; };
    return {.x_ND = head(stream(i), n), .attn_in_ND = head(b.attn_in, n), .attn_rstd_N = vector(b.attn_rstd, n),
            .q_raw_NHE = head(b.q_raw ? b.q_raw : b.q, n), .k_raw_NKE = head(b.k_raw ? b.k_raw : b.k, n),
            .q_rstd_NH = flat(b.q_rstd), .k_rstd_NK = flat(b.k_rstd),
            .q_NHE = head(b.q, n), .k_NKE = head(b.k, n), .v_NKE = head(b.v, n), .attn_NHE = head(b.attn, n),
            .lse_NH = head(b.lse, n), .attn_out_ND = head(b.attn_out, n), .attn_out_rstd_N = vector(b.attn_out_rstd, n),
            .mid_ND = head(b.mid, n), .ffn_in_ND = head(b.ffn_in, n), .ffn_rstd_N = vector(b.ffn_rstd, n),
            .gate_NF = head(b.gate, n), .up_NF = head(b.up, n), .act_NF = head(b.act, n), .ffn_out_ND = head(b.ffn_out, n),
            .ffn_out_rstd_N = vector(b.ffn_out_rstd, n), .out_ND = head(b.out, n), .normed_ND = head(normed, n)};
  }

  BlockScratch scratch(int64_t n) const {
    return {.d_normed_ND = head(d_normed, n), .d_scaled_ND = head(d_scaled, n), .dq_NHE = head(dq, n), .dk_NKE = head(dk, n),
            .dv_NKE = head(dv, n), .d_attn_NHE = head(d_attn, n), .dgate_NF = head(dgate, n), .dup_NF = head(dup, n),
            .dact_NF = head(dact, n)};
  }

  // Every document's rotation, as if it stood alone.
  void set_angles(const PackedRows& rows) {
    const size_t n = rows.positions_N.size();
    for (size_t begin = 0, end = 0; begin < n; begin = end) {
      for (end = begin + 1; end < n && rows.first_row_N[end] == rows.first_row_N[begin];) ++end;
      const auto positions = rows.positions_N.subspan(begin, end - begin);
      angles.set(static_cast<int64_t>(begin), positions, *std::max_element(positions.begin(), positions.end()) + 1);
    }
  }

  int64_t bytes = 0;
  std::vector<Kept> kept;
  RotaryAngles angles;
  Tensor embedded, hidden, rstd, normed;
  Tensor d_stream, d_normed, d_scaled, dq, dk, dv, d_attn, dgate, dup, dact;
};

Tape::Tape(Context context, const Model& model, int64_t max_rows)
    : context_(context), model_(model),
      impl_(std::make_unique<Impl>(model.config, max_rows, model.compute_dtype())) {}
Tape::~Tape() = default;

TensorView Tape::stream_ND(int64_t i) const { return impl_->stream(static_cast<size_t>(i)); }
int64_t Tape::bytes() const { return impl_->bytes; }

TensorView Tape::forward(const PackedRows& rows) {
  const int64_t n = static_cast<int64_t>(rows.tokens_N.size());
  OWLET_CHECK(n <= impl_->embedded.shape()[0], "[tape] {} rows, room for {}", n, impl_->embedded.shape()[0]);
  const Weights& w = model_.weights;
  impl_->set_angles(rows);
  embed(context_, model_, Impl::head(impl_->embedded, n), rows.tokens_N);
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const BlockInput input{model_.config, static_cast<int64_t>(i), impl_->angles};
    block_forward(context_, input, w.layers[i], impl_->activations(i, n), [&](const BlockActivations& a) {
      context_.ops.attention(a.attn_NHE, a.lse_NH, a.q_NHE, a.k_NKE, a.v_NKE, rows.first_row_N, input.attention());
    });
  }
  const TensorView hidden = Impl::head(impl_->hidden, n);
  context_.ops.rms_norm(hidden, Impl::vector(impl_->rstd, n), Impl::head(impl_->stream(w.layers.size()), n), w.final_norm_D,
                        model_.config.rms_eps);
  return hidden;
}

void Tape::backward(const PackedRows& rows, TensorView dh_ND, const Weights& gradients) {
  const int64_t n = static_cast<int64_t>(rows.tokens_N.size());
  const Weights& w = model_.weights;
  const TensorView dx = Impl::head(impl_->d_stream, n);

  context_.ops.rms_norm_backward(dx, Into::kWrite, gradients.final_norm_D, dh_ND,
                                 Impl::head(impl_->stream(w.layers.size()), n), w.final_norm_D,
                                 Impl::vector(impl_->rstd, n));
  for (size_t i = w.layers.size(); i-- > 0;) {
    const BlockInput input{model_.config, static_cast<int64_t>(i), impl_->angles};
    block_backward(context_, input, w.layers[i], impl_->activations(i, n), rows.first_row_N, dx, gradients.layers[i],
                   impl_->scratch(n));
  }
  const double scale = model_.config.embedding_scale;
  if (scale != 1.0) context_.ops.add_scaled(dx, scale, dx, 0.0, dx);
  context_.ops.embedding_backward(gradients.embedding_VD, dx, rows.tokens_N);
}

}  // namespace owlet
