#include "model/tape.h"

#include <algorithm>
#include <optional>

#include "model/block.h"

namespace owlet {

namespace {

// What one block keeps for the way back; what the model has no use for stays empty.
struct Kept {
  Tensor attn_in, attn_rstd, q_raw, k_raw, q_rstd, k_rstd, q, k, v, attn, lse, attn_out, attn_out_rstd;
  Tensor mid, ffn_in, ffn_rstd, gate, up, act, ffn_out, ffn_out_rstd;
};

// Makes tensors of so many rows, or only counts their bytes.
struct Maker {
  DType dtype;
  int64_t rows;
  bool count_only = false;
  int64_t bytes = 0;

  Tensor operator()(bool wanted, int64_t cols) {
    if (!wanted) return {};
    bytes += rows * row_bytes(dtype, cols);
    return count_only ? Tensor() : Tensor(dtype, Shape{rows, cols});
  }
};

Kept make_kept(const ModelConfig& c, Maker& make) {
  const bool pre = c.pre_norms, post = c.post_norms, qk = c.qk_norm != QkNorm::kNone, per_head = c.qk_norm == QkNorm::kPerHead;
  const bool branch = c.post_norms || c.residual_scale != 1;
  return {.attn_in = make(pre, c.dim), .attn_rstd = make(pre, 1), .q_raw = make(qk, c.q_dim()), .k_raw = make(qk, c.kv_dim()),
          .q_rstd = make(qk, per_head ? c.n_heads : 1), .k_rstd = make(qk, per_head ? c.n_kv_heads : 1), .q = make(true, c.q_dim()),
          .k = make(true, c.kv_dim()), .v = make(true, c.kv_dim()), .attn = make(true, c.q_dim()), .lse = make(true, c.n_heads),
          .attn_out = make(branch, c.dim), .attn_out_rstd = make(post, 1), .mid = make(true, c.dim), .ffn_in = make(pre, c.dim),
          .ffn_rstd = make(pre, 1), .gate = make(true, c.ffn_dim), .up = make(true, c.ffn_dim), .act = make(true, c.ffn_dim),
          .ffn_out = make(branch, c.dim), .ffn_out_rstd = make(post, 1)};
}

bool is_recomputed(int64_t block, int64_t every) { return every > 0 && block % every == 0; }

bool has_any(const LayerWeights& g) {
  for (const Linear* linear : {&g.q, &g.k, &g.v, &g.o, &g.gate, &g.up, &g.down}) {
    if (linear->weight_OI || linear->bias_O) return true;
    for (const LowRank& part : linear->low_rank) {
      if (part.a_RI || part.b_OR || part.magnitude_O) return true;
    }
  }
  for (const Tensor* norm : {&g.attn_norm_D, &g.q_norm, &g.k_norm, &g.attn_out_norm_D, &g.ffn_norm_D, &g.ffn_out_norm_D}) {
    if (*norm) return true;
  }
  return false;
}

}  // namespace

struct Tape::Impl {
  Impl(const ModelConfig& c, int64_t every, Maker& make)
      : recompute_every(every), embedded(make(true, c.dim)), hidden(make(true, c.dim)), rstd(make(true, 1)),
        normed(make(true, c.dim)), d_stream(make(true, c.dim)), d_normed(make(true, c.dim)),
        d_scaled(make(true, c.dim)), dq(make(true, c.q_dim())), dk(make(true, c.kv_dim())), dv(make(true, c.kv_dim())),
        d_attn(make(true, c.q_dim())), dgate(make(true, c.ffn_dim)), dup(make(true, c.ffn_dim)), dact(make(true, c.ffn_dim)) {
    if (every > 0) recomputed = make_kept(c, make);
    for (int64_t i = 0; i < c.n_layers; ++i) {
      kept.push_back(is_recomputed(i, every) ? Kept() : make_kept(c, make));
      out.push_back(make(true, c.dim));
    }
    bytes = make.bytes;
  }

  static TensorView head(const Tensor& t, int64_t n) { return t ? t.view().row_range(0, n) : TensorView{}; }
  static TensorView vector(const Tensor& t, int64_t n) { return t ? head(t, n).reshape({n}) : TensorView{}; }
  const Tensor& stream(size_t i) const { return i == 0 ? embedded : out[i - 1]; }

  BlockActivations activations(size_t i, int64_t n) const {
    const Kept& b = is_recomputed(static_cast<int64_t>(i), recompute_every) ? recomputed : kept[i];
    const auto flat = [n](const Tensor& t) { return t ? head(t, n).reshape(Shape{n * t.view().cols()}) : TensorView{}; };
    return {.x_ND = head(stream(i), n), .attn_in_ND = head(b.attn_in, n), .attn_rstd_N = vector(b.attn_rstd, n),
            .q_raw_NHE = head(b.q_raw ? b.q_raw : b.q, n), .k_raw_NKE = head(b.k_raw ? b.k_raw : b.k, n),
            .q_rstd_NH = flat(b.q_rstd), .k_rstd_NK = flat(b.k_rstd),
            .q_NHE = head(b.q, n), .k_NKE = head(b.k, n), .v_NKE = head(b.v, n), .attn_NHE = head(b.attn, n),
            .lse_NH = head(b.lse, n), .attn_out_ND = head(b.attn_out, n), .attn_out_rstd_N = vector(b.attn_out_rstd, n),
            .mid_ND = head(b.mid, n), .ffn_in_ND = head(b.ffn_in, n), .ffn_rstd_N = vector(b.ffn_rstd, n),
            .gate_NF = head(b.gate, n), .up_NF = head(b.up, n), .act_NF = head(b.act, n), .ffn_out_ND = head(b.ffn_out, n),
            .ffn_out_rstd_N = vector(b.ffn_out_rstd, n), .out_ND = head(out[i], n), .normed_ND = head(normed, n)};
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
      angles->set(static_cast<int64_t>(begin), positions, *std::max_element(positions.begin(), positions.end()) + 1);
    }
  }

  int64_t bytes = 0, recompute_every;
  std::vector<Kept> kept;
  std::vector<Tensor> out;
  Kept recomputed;
  std::optional<RotaryAngles> angles;
  Tensor embedded, hidden, rstd, normed;
  Tensor d_stream, d_normed, d_scaled, dq, dk, dv, d_attn, dgate, dup, dact;
};

Tape::Tape(Context context, const Model& model, int64_t max_rows, int64_t recompute_every) : context_(context), model_(model) {
  Maker make{model.compute_dtype(), max_rows};
  impl_ = std::make_unique<Impl>(model.config, recompute_every, make);
  impl_->angles.emplace(model.config, max_rows, model.compute_dtype());
}
Tape::~Tape() = default;

int64_t Tape::bytes(const ModelConfig& config, int64_t max_rows, int64_t recompute_every, DType dtype) {
  Maker count{dtype, max_rows, true};
  return Impl(config, recompute_every, count).bytes;
}

TensorView Tape::stream_ND(int64_t i) const { return impl_->stream(static_cast<size_t>(i)); }
int64_t Tape::bytes() const { return impl_->bytes; }

void Tape::run_block(int64_t i, const PackedRows& rows, const BlockActivations& activations) {
  const BlockInput input{model_.config, i, *impl_->angles};
  block_forward(context_, input, model_.weights.layers[static_cast<size_t>(i)], activations, [&](const BlockActivations& a) {
    context_.ops.attention(a.attn_NHE, a.lse_NH, a.q_NHE, a.k_NKE, a.v_NKE, rows.first_row_N, input.attention());
  });
}

TensorView Tape::forward(const PackedRows& rows) {
  const int64_t n = static_cast<int64_t>(rows.tokens_N.size());
  OWLET_CHECK(n <= impl_->embedded.shape()[0], "[tape] {} rows, room for {}", n, impl_->embedded.shape()[0]);
  const Weights& w = model_.weights;
  impl_->set_angles(rows);
  embed(context_, model_, Impl::head(impl_->embedded, n), rows.tokens_N);
  for (size_t i = 0; i < w.layers.size(); ++i) run_block(static_cast<int64_t>(i), rows, impl_->activations(i, n));
  const TensorView hidden = Impl::head(impl_->hidden, n);
  context_.ops.rms_norm(hidden, Impl::vector(impl_->rstd, n), Impl::head(impl_->stream(w.layers.size()), n), w.final_norm_D,
                        model_.config.rms_eps);
  return hidden;
}

void Tape::backward(const PackedRows& rows, TensorView dh_ND, const Weights& gradients, const BlockDone& done) {
  const int64_t n = static_cast<int64_t>(rows.tokens_N.size());
  const Weights& w = model_.weights;
  const TensorView dx = Impl::head(impl_->d_stream, n);
  size_t lowest = 0;  // the first block that anything below the output needs
  while (!gradients.embedding_VD && lowest < w.layers.size() && !has_any(gradients.layers[lowest])) ++lowest;

  context_.ops.rms_norm_backward(dx, Into::kWrite, gradients.final_norm_D, dh_ND,
                                 Impl::head(impl_->stream(w.layers.size()), n), w.final_norm_D,
                                 Impl::vector(impl_->rstd, n));
  for (size_t i = w.layers.size(); i-- > lowest;) {
    BlockActivations activations = impl_->activations(i, n);
    if (is_recomputed(static_cast<int64_t>(i), impl_->recompute_every)) {
      activations.out_ND = {};
      run_block(static_cast<int64_t>(i), rows, activations);
    }
    const BlockInput input{model_.config, static_cast<int64_t>(i), *impl_->angles};
    block_backward(context_, input, w.layers[i], activations, rows.first_row_N, dx, gradients.layers[i], impl_->scratch(n));
    if (done) done(static_cast<int64_t>(i));
  }
  if (!gradients.embedding_VD) return;
  const double scale = model_.config.embedding_scale;
  if (scale != 1.0) context_.ops.add_scaled(dx, scale, dx, 0.0, dx);
  context_.ops.embedding_backward(gradients.embedding_VD, dx, rows.tokens_N);
}

}  // namespace owlet
