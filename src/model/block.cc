#include "model/block.h"

#include <cmath>

namespace owlet {

AttentionShape BlockInput::attention() const {
  return {config.n_heads, config.n_kv_heads, config.head_dim, 1.0 / std::sqrt(static_cast<double>(config.head_dim))};
}

void block_forward(const Context& c, const BlockInput& in, const LayerWeights& w, const BlockActivations& a,
                   const Attend& attend) {
  const double eps = in.config.rms_eps;
  const bool interleaved = in.config.rope_interleaved;

  c.ops.rms_norm(a.attn_in_ND, a.attn_rstd_N, a.x_ND, w.attn_norm_D, eps);
  c.ops.linear(a.q_NHE, Into::kWrite, a.attn_in_ND, w.wq_QD, c.precision);
  c.ops.linear(a.k_NKE, Into::kWrite, a.attn_in_ND, w.wk_KD, c.precision);
  c.ops.linear(a.v_NKE, Into::kWrite, a.attn_in_ND, w.wv_KD, c.precision);
  c.ops.rope(a.q_NHE, in.config.head_dim, in.cos_sin_PE, in.positions_N, interleaved);
  c.ops.rope(a.k_NKE, in.config.head_dim, in.cos_sin_PE, in.positions_N, interleaved);
  attend(a);
  if (a.mid_ND.data != a.x_ND.data) c.ops.copy(a.mid_ND, a.x_ND);
  c.ops.linear(a.mid_ND, Into::kAdd, a.attn_NHE, w.wo_DQ, c.precision);

  c.ops.rms_norm(a.ffn_in_ND, a.ffn_rstd_N, a.mid_ND, w.ffn_norm_D, eps);
  c.ops.linear(a.gate_NF, Into::kWrite, a.ffn_in_ND, w.w_gate_FD, c.precision);
  c.ops.linear(a.up_NF, Into::kWrite, a.ffn_in_ND, w.w_up_FD, c.precision);
  c.ops.glu(a.act_NF, a.gate_NF, a.up_NF, Activation::kSilu);
  if (a.out_ND.data != a.mid_ND.data) c.ops.copy(a.out_ND, a.mid_ND);
  c.ops.linear(a.out_ND, Into::kAdd, a.act_NF, w.w_down_DF, c.precision);
}

void block_backward(const Context& c, const BlockInput& in, const LayerWeights& w, const BlockActivations& a,
                    std::span<const int32_t> first_row, TensorView dx_ND, const LayerWeights& g, const BlockScratch& s) {
  const bool interleaved = in.config.rope_interleaved;
  // The residual stream passes the gradient on as it is (dx_ND stays); each branch adds its part through its norm.
  c.ops.linear_backward_weight(g.w_down_DF, dx_ND, a.act_NF, c.precision);
  c.ops.linear_backward_input(s.dact_NF, Into::kWrite, dx_ND, w.w_down_DF, c.precision);
  c.ops.glu_backward(s.dgate_NF, s.dup_NF, s.dact_NF, a.gate_NF, a.up_NF, Activation::kSilu);
  c.ops.linear_backward_weight(g.w_gate_FD, s.dgate_NF, a.ffn_in_ND, c.precision);
  c.ops.linear_backward_weight(g.w_up_FD, s.dup_NF, a.ffn_in_ND, c.precision);
  c.ops.linear_backward_input(s.d_ffn_in_ND, Into::kWrite, s.dgate_NF, w.w_gate_FD, c.precision);
  c.ops.linear_backward_input(s.d_ffn_in_ND, Into::kAdd, s.dup_NF, w.w_up_FD, c.precision);
  c.ops.rms_norm_backward(dx_ND, Into::kAdd, g.ffn_norm_D, s.d_ffn_in_ND, a.mid_ND, w.ffn_norm_D, a.ffn_rstd_N);

  c.ops.linear_backward_weight(g.wo_DQ, dx_ND, a.attn_NHE, c.precision);
  c.ops.linear_backward_input(s.d_attn_NHE, Into::kWrite, dx_ND, w.wo_DQ, c.precision);
  c.ops.attention_backward(s.dq_NHE, s.dk_NKE, s.dv_NKE, s.d_attn_NHE, a.q_NHE, a.k_NKE, a.v_NKE, a.attn_NHE, a.lse_NH,
                           first_row, in.attention());
  c.ops.rope_backward(s.dq_NHE, in.config.head_dim, in.cos_sin_PE, in.positions_N, interleaved);
  c.ops.rope_backward(s.dk_NKE, in.config.head_dim, in.cos_sin_PE, in.positions_N, interleaved);
  c.ops.linear_backward_weight(g.wq_QD, s.dq_NHE, a.attn_in_ND, c.precision);
  c.ops.linear_backward_weight(g.wk_KD, s.dk_NKE, a.attn_in_ND, c.precision);
  c.ops.linear_backward_weight(g.wv_KD, s.dv_NKE, a.attn_in_ND, c.precision);
  c.ops.linear_backward_input(s.d_attn_in_ND, Into::kWrite, s.dq_NHE, w.wq_QD, c.precision);
  c.ops.linear_backward_input(s.d_attn_in_ND, Into::kAdd, s.dk_NKE, w.wk_KD, c.precision);
  c.ops.linear_backward_input(s.d_attn_in_ND, Into::kAdd, s.dv_NKE, w.wv_KD, c.precision);
  c.ops.rms_norm_backward(dx_ND, Into::kAdd, g.attn_norm_D, s.d_attn_in_ND, a.x_ND, w.attn_norm_D, a.attn_rstd_N);
}

}  // namespace owlet
