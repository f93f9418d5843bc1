// One transformer block, forward and backward: the code that training and inference share.
#pragma once

#include <functional>

#include "model/model.h"

namespace owlet {

// What a block computes on its way, N rows each. In training every block has its own and keeps it for the way back; in
// inference all blocks use the same one, and x, mid and out are the same memory.
struct BlockActivations {
  TensorView x_ND;         // the residual stream coming in
  TensorView attn_in_ND;   // normed x
  TensorView attn_rstd_N;
  TensorView q_NHE;        // rotated
  TensorView k_NKE;        // rotated
  TensorView v_NKE;
  TensorView attn_NHE;     // what attention read
  TensorView lse_NH;
  TensorView mid_ND;       // x + attention
  TensorView ffn_in_ND;    // normed mid
  TensorView ffn_rstd_N;
  TensorView gate_NF;
  TensorView up_NF;
  TensorView act_NF;       // silu(gate) · up
  TensorView out_ND;       // mid + ffn: the next block's x
};

// Everything about the rows that is the same for all blocks.
struct BlockInput {
  const ModelConfig& config;
  TensorView cos_sin_PE;
  std::span<const int32_t> positions_N;
  AttentionShape attention() const;
};

// How queries meet keys: over this batch's own rows (training) or over cached pages (inference).
using Attend = std::function<void(const BlockActivations&)>;

void block_forward(const Context& context, const BlockInput& input, const LayerWeights& weights, const BlockActivations& a,
                   const Attend& attend);

// Scratch of the backward pass, shared by all blocks.
struct BlockScratch {
  TensorView d_attn_in_ND;
  TensorView dq_NHE;
  TensorView dk_NKE;
  TensorView dv_NKE;
  TensorView d_attn_NHE;
  TensorView d_ffn_in_ND;
  TensorView dgate_NF;
  TensorView dup_NF;
  TensorView dact_NF;
};

// dx_ND holds the gradient of the block's output and becomes the gradient of its input; weight gradients are added to.
void block_backward(const Context& context, const BlockInput& input, const LayerWeights& weights, const BlockActivations& a,
                    std::span<const int32_t> first_row, TensorView dx_ND, const LayerWeights& gradients, const BlockScratch& s);

}  // namespace owlet
