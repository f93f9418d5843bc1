#include "model/block.h"

#include <cmath>

namespace owlet {
namespace {

// Rows of heads, as a norm over each head sees them; the same view where the norm is over all heads at once.
TensorView rows_of(TensorView x, const Tensor& norm) { return x.reshape(Shape{x.numel() / norm.numel(), norm.numel()}); }

// q or k: normed where the model does, and rotated.
void rotate_head(const Context& c, const BlockInput& in, const Tensor& norm, TensorView raw, TensorView rstd, TensorView out) {
  if (norm) c.ops.rms_norm(rows_of(out, norm), rstd, rows_of(raw, norm), norm, in.config.rms_eps);
  const Rotation rotation = in.config.layer(in.layer).rotation;
  if (rotation == Rotation::kNone) return;
  const int64_t n = out.shape[0];
  c.ops.rope(out, in.config.head_dim, in.angles.rows(rotation, n), in.angles.row_ids(n), in.config.rope_interleaved);
}

// The two branches of a block.
enum class Branch : uint8_t { kAttention, kFfn };

// Where a branch drops something: p is 0 where it does not. Adapters' places are counted from 0 (train/lora.cc), these from the other end.
struct BranchDropout {
  BranchDropout(const Context& c, const BlockInput& in, Branch branch) {
    if (!c.dropping || !c.dropping->on) return;
    p = c.dropping->residual;
    draw = {c.dropping->seed, ~(2 * static_cast<uint32_t>(in.layer) + static_cast<uint32_t>(branch)), c.dropping->step};
  }
  double p = 0;
  Draw draw;
};

// out = x + scale · dropout(norm(linear(in))); most models have neither a norm nor a scale here.
void add_branch(const Context& c, const BlockInput& input, Branch which, TensorView out, TensorView x, TensorView in, const Linear& linear,
                const Tensor& norm, TensorView branch, TensorView rstd, TensorView normed) {
  const ModelConfig& config = input.config;
  const BranchDropout dropout(c, input, which);
  if (!norm && config.residual_scale == 1.0 && dropout.p == 0) {
    if (out.data != x.data) c.ops.copy(out, x);
    return linear_forward(c, out, Into::kAdd, in, linear);
  }
  TensorView value = branch ? branch : normed;
  linear_forward(c, value, Into::kWrite, in, linear);
  if (norm) {
    c.ops.rms_norm(normed, rstd, value, norm, config.rms_eps);
    value = normed;
  }
  if (dropout.p > 0) {
    c.ops.dropout(normed, Into::kWrite, value, dropout.p, dropout.draw);
    value = normed;
  }
  c.ops.add_scaled(out, 1.0, x, config.residual_scale, value);
}

// From the gradient of add_branch's out to that of linear(in); dout stays what it is.
TensorView branch_gradient(const Context& c, const BlockInput& input, Branch which, TensorView dout, const Tensor& norm, const Tensor& dnorm,
                           TensorView branch, TensorView rstd, const BlockScratch& s) {
  const BranchDropout dropout(c, input, which);
  TensorView d = dout;
  if (dropout.p > 0) {
    c.ops.dropout(s.d_scaled_ND, Into::kWrite, dout, dropout.p, dropout.draw);
    d = s.d_scaled_ND;
  }
  if (input.config.residual_scale != 1.0) {
    c.ops.add_scaled(s.d_scaled_ND, input.config.residual_scale, d, 0.0, d);
    d = s.d_scaled_ND;
  }
  if (!norm) return d;
  c.ops.rms_norm_backward(s.d_normed_ND, Into::kWrite, dnorm, d, branch, norm, rstd);
  return s.d_normed_ND;
}

// From the gradient of rotate_head's out (which is spent) to those of its weights and of x, which is added to or written.
void project_head_backward(const Context& c, const BlockInput& in, TensorView dx, Into into, TensorView dout, const Linear& dlinear,
                           const Tensor& dnorm, TensorView x, const Linear& linear, const Tensor& norm, TensorView raw,
                           TensorView rstd, TensorView scratch) {
  const Rotation rotation = in.config.layer(in.layer).rotation;
  const int64_t n = dout.shape[0];
  if (rotation != Rotation::kNone) {
    c.ops.rope_backward(dout, in.config.head_dim, in.angles.rows(rotation, n), in.angles.row_ids(n), in.config.rope_interleaved);
  }
  TensorView draw = dout;
  if (norm) {
    draw = TensorView{scratch.data, dout.dtype, dout.shape};
    c.ops.rms_norm_backward(rows_of(draw, norm), Into::kWrite, dnorm, rows_of(dout, norm), rows_of(raw, norm), norm, rstd);
  }
  linear_backward(c, dx, into, dlinear, draw, x, linear);
}

}  // namespace

AttentionShape BlockInput::attention() const {
  return {config.n_heads, config.n_kv_heads, config.head_dim, config.attention_scale(), config.layer(layer).window,
          config.attention_soft_cap};
}

void block_forward(const Context& c, const BlockInput& in, const LayerWeights& w, const BlockActivations& a,
                   const Attend& attend) {
  block_until_attention(c, in, w, a);
  attend(a);
  block_after_attention(c, in, w, a);
}

void block_until_attention(const Context& c, const BlockInput& in, const LayerWeights& w, const BlockActivations& a) {
  if (w.attn_norm_D) c.ops.rms_norm(a.attn_in_ND, a.attn_rstd_N, a.x_ND, w.attn_norm_D, in.config.rms_eps);
  const TensorView attn_in = w.attn_norm_D ? a.attn_in_ND : a.x_ND;
  linears_forward(c, {{w.q, a.q_raw_NHE}, {w.k, a.k_raw_NKE}, {w.v, a.v_NKE}}, attn_in);
  rotate_head(c, in, w.q_norm, a.q_raw_NHE, a.q_rstd_NH, a.q_NHE);
  rotate_head(c, in, w.k_norm, a.k_raw_NKE, a.k_rstd_NK, a.k_NKE);
}

void block_after_attention(const Context& c, const BlockInput& in, const LayerWeights& w, const BlockActivations& a) {
  const ModelConfig& config = in.config;
  add_branch(c, in, Branch::kAttention, a.mid_ND, a.x_ND, a.attn_NHE, w.o, w.attn_out_norm_D, a.attn_out_ND, a.attn_out_rstd_N, a.normed_ND);

  if (w.ffn_norm_D) c.ops.rms_norm(a.ffn_in_ND, a.ffn_rstd_N, a.mid_ND, w.ffn_norm_D, config.rms_eps);
  const TensorView ffn_in = w.ffn_norm_D ? a.ffn_in_ND : a.mid_ND;
  linears_forward(c, {{w.gate, a.gate_NF}, {w.up, a.up_NF}}, ffn_in);
  c.ops.glu(a.act_NF, a.gate_NF, a.up_NF, config.activation);
  if (!a.out_ND && !w.ffn_out_norm_D) return;  // computed again for the way back, which does not look at the end
  add_branch(c, in, Branch::kFfn, a.out_ND ? a.out_ND : a.normed_ND, a.mid_ND, a.act_NF, w.down, w.ffn_out_norm_D, a.ffn_out_ND, a.ffn_out_rstd_N, a.normed_ND);
}

void block_backward(const Context& c, const BlockInput& in, const LayerWeights& w, const BlockActivations& a,
                    std::span<const int32_t> first_row, TensorView dx_ND, const LayerWeights& g, const BlockScratch& s) {
  const ModelConfig& config = in.config;
  // The residual stream passes the gradient on as it is (dx_ND stays); each branch adds its part, through its norm where it has
  // one. Without one before it, a branch that reads the stream must have one behind it, so dx_ND is not read while it is added to.
  const TensorView d_ffn = branch_gradient(c, in, Branch::kFfn, dx_ND, w.ffn_out_norm_D, g.ffn_out_norm_D, a.ffn_out_ND, a.ffn_out_rstd_N, s);
  linear_backward(c, s.dact_NF, Into::kWrite, g.down, d_ffn, a.act_NF, w.down);
  c.ops.glu_backward(s.dgate_NF, s.dup_NF, s.dact_NF, a.gate_NF, a.up_NF, config.activation);
  const TensorView ffn_in = w.ffn_norm_D ? a.ffn_in_ND : a.mid_ND;
  const TensorView d_ffn_in = w.ffn_norm_D ? s.d_normed_ND : dx_ND;
  linear_backward(c, d_ffn_in, w.ffn_norm_D ? Into::kWrite : Into::kAdd, g.gate, s.dgate_NF, ffn_in, w.gate);
  linear_backward(c, d_ffn_in, Into::kAdd, g.up, s.dup_NF, ffn_in, w.up);
  if (w.ffn_norm_D) c.ops.rms_norm_backward(dx_ND, Into::kAdd, g.ffn_norm_D, d_ffn_in, a.mid_ND, w.ffn_norm_D, a.ffn_rstd_N);

  const TensorView d_attn = branch_gradient(c, in, Branch::kAttention, dx_ND, w.attn_out_norm_D, g.attn_out_norm_D, a.attn_out_ND, a.attn_out_rstd_N, s);
  linear_backward(c, s.d_attn_NHE, Into::kWrite, g.o, d_attn, a.attn_NHE, w.o);
  c.ops.attention_backward(s.dq_NHE, s.dk_NKE, s.dv_NKE, s.d_attn_NHE, a.q_NHE, a.k_NKE, a.v_NKE, a.attn_NHE, a.lse_NH,
                           first_row, in.attention());
  const TensorView attn_in = w.attn_norm_D ? a.attn_in_ND : a.x_ND;
  const TensorView d_attn_in = w.attn_norm_D ? s.d_normed_ND : dx_ND;
  project_head_backward(c, in, d_attn_in, w.attn_norm_D ? Into::kWrite : Into::kAdd, s.dq_NHE, g.q, g.q_norm, attn_in, w.q, w.q_norm,
                        a.q_raw_NHE, a.q_rstd_NH, s.d_attn_NHE);
  project_head_backward(c, in, d_attn_in, Into::kAdd, s.dk_NKE, g.k, g.k_norm, attn_in, w.k, w.k_norm, a.k_raw_NKE, a.k_rstd_NK,
                        s.d_attn_NHE);
  linear_backward(c, d_attn_in, Into::kAdd, g.v, s.dv_NKE, attn_in, w.v);
  if (w.attn_norm_D) c.ops.rms_norm_backward(dx_ND, Into::kAdd, g.attn_norm_D, d_attn_in, a.x_ND, w.attn_norm_D, a.attn_rstd_N);
}

}  // namespace owlet
