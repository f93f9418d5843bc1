#include "model/tape.h"

#include "model/block.h"

namespace owlet {

struct Tape::Impl {
  // What one block keeps for the way back.
  struct Kept {
    Tensor attn_in, attn_rstd, q, k, v, attn, lse, mid, ffn_in, ffn_rstd, gate, up, act, out;
  };

  Impl(const ModelConfig& c, int64_t rows, DType t)
      : embedded(make(t, rows, c.dim)), hidden(make(t, rows, c.dim)), rstd(make(t, rows, 1)), d_stream(make(t, rows, c.dim)),
        d_normed(make(t, rows, c.dim)), dq(make(t, rows, c.q_dim())), dk(make(t, rows, c.kv_dim())),
        dv(make(t, rows, c.kv_dim())), d_attn(make(t, rows, c.q_dim())), dgate(make(t, rows, c.ffn_dim)),
        dup(make(t, rows, c.ffn_dim)), dact(make(t, rows, c.ffn_dim)) {
    for (int64_t i = 0; i < c.n_layers; ++i) {
      kept.push_back({.attn_in = make(t, rows, c.dim), .attn_rstd = make(t, rows, 1), .q = make(t, rows, c.q_dim()),
                      .k = make(t, rows, c.kv_dim()), .v = make(t, rows, c.kv_dim()), .attn = make(t, rows, c.q_dim()),
                      .lse = make(t, rows, c.n_heads), .mid = make(t, rows, c.dim), .ffn_in = make(t, rows, c.dim),
                      .ffn_rstd = make(t, rows, 1), .gate = make(t, rows, c.ffn_dim), .up = make(t, rows, c.ffn_dim),
                      .act = make(t, rows, c.ffn_dim), .out = make(t, rows, c.dim)});
    }
  }

  Tensor make(DType dtype, int64_t rows, int64_t cols) {
    Tensor tensor(dtype, Shape{rows, cols});
    bytes += tensor.bytes();
    return tensor;
  }

  static TensorView head(const Tensor& t, int64_t n) { return t.view().row_range(0, n); }
  static TensorView vector(const Tensor& t, int64_t n) { return head(t, n).reshape({n}); }
  const Tensor& stream(size_t i) const { return i == 0 ? embedded : kept[i - 1].out; }

  BlockActivations activations(size_t i, int64_t n) const {
    const Kept& b = kept[i];
    return {.x_ND = head(stream(i), n), .attn_in_ND = head(b.attn_in, n), .attn_rstd_N = vector(b.attn_rstd, n),
            .q_NHE = head(b.q, n), .k_NKE = head(b.k, n), .v_NKE = head(b.v, n), .attn_NHE = head(b.attn, n),
            .lse_NH = head(b.lse, n), .mid_ND = head(b.mid, n), .ffn_in_ND = head(b.ffn_in, n),
            .ffn_rstd_N = vector(b.ffn_rstd, n), .gate_NF = head(b.gate, n), .up_NF = head(b.up, n),
            .act_NF = head(b.act, n), .out_ND = head(b.out, n)};
  }

  BlockScratch scratch(int64_t n) const {
    return {.d_attn_in_ND = head(d_normed, n), .dq_NHE = head(dq, n), .dk_NKE = head(dk, n), .dv_NKE = head(dv, n),
            .d_attn_NHE = head(d_attn, n), .d_ffn_in_ND = head(d_normed, n), .dgate_NF = head(dgate, n),
            .dup_NF = head(dup, n), .dact_NF = head(dact, n)};
  }

  int64_t bytes = 0;
  std::vector<Kept> kept;
  Tensor embedded, hidden, rstd;
  Tensor d_stream, d_normed, dq, dk, dv, d_attn, dgate, dup, dact;
};

Tape::Tape(Context context, const Model& model, int64_t max_rows)
    : context_(context), model_(model),
      impl_(std::make_unique<Impl>(model.config, max_rows, model.cos_sin_PE.dtype())) {}
Tape::~Tape() = default;

TensorView Tape::stream_ND(int64_t i) const { return impl_->stream(static_cast<size_t>(i)); }
int64_t Tape::bytes() const { return impl_->bytes; }

TensorView Tape::forward(const PackedRows& rows) {
  const int64_t n = static_cast<int64_t>(rows.tokens_N.size());
  OWLET_CHECK(n <= impl_->embedded.shape()[0], "[tape] {} rows, room for {}", n, impl_->embedded.shape()[0]);
  const Weights& w = model_.weights;
  const BlockInput input{model_.config, model_.cos_sin_PE, rows.positions_N};

  context_.ops.embedding(Impl::head(impl_->embedded, n), w.embedding_VD, rows.tokens_N);
  for (size_t i = 0; i < w.layers.size(); ++i) {
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
  const BlockInput input{model_.config, model_.cos_sin_PE, rows.positions_N};
  const TensorView dx = Impl::head(impl_->d_stream, n);

  context_.ops.rms_norm_backward(dx, Into::kWrite, gradients.final_norm_D, dh_ND,
                                 Impl::head(impl_->stream(w.layers.size()), n), w.final_norm_D,
                                 Impl::vector(impl_->rstd, n));
  for (size_t i = w.layers.size(); i-- > 0;) {
    block_backward(context_, input, w.layers[i], impl_->activations(i, n), rows.first_row_N, dx, gradients.layers[i],
                   impl_->scratch(n));
  }
  context_.ops.embedding_backward(gradients.embedding_VD, dx, rows.tokens_N);
}

}  // namespace owlet
