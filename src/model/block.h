// One transformer block, forward and backward: the code that training and inference share, for every architecture.
//
//   x ─► norm ─► q, k, v ─► norm ─► rotate ─► attend ─► o ─► norm ─► + x ─► norm ─► gate, up ─► act ─► down ─► norm ─► + ─► out
//
// An architecture has some of the norms and biases; a block has the ones whose weights are there.
#pragma once

#include <functional>

#include "model/model.h"

namespace owlet {

// What a block computes on its way, N rows each. In training every block has its own and keeps it for the way back; in
// inference all blocks use the same one; x, mid and out are the same memory then, and so are a result and what it is the norm of.
struct BlockActivations {
  TensorView x_ND;         // the residual stream coming in
  TensorView attn_in_ND;   // normed x
  TensorView attn_rstd_N;
  TensorView q_raw_NHE;    // before their norm, where there is one; else the same as q
  TensorView k_raw_NKE;
  TensorView q_rstd_NH;
  TensorView k_rstd_NK;
  TensorView q_NHE;        // rotated
  TensorView k_NKE;        // rotated
  TensorView v_NKE;
  TensorView attn_NHE;     // what attention read
  TensorView lse_NH;
  TensorView attn_out_ND;  // the branch before its norm, where it is not added as it is
  TensorView attn_out_rstd_N;
  TensorView mid_ND;       // x + attention
  TensorView ffn_in_ND;    // normed mid
  TensorView ffn_rstd_N;
  TensorView gate_NF;
  TensorView up_NF;
  TensorView act_NF;       // act(gate) · up
  TensorView ffn_out_ND;
  TensorView ffn_out_rstd_N;
  TensorView out_ND;       // mid + ffn: the next block's x; empty where nobody asks for it again
  TensorView normed_ND;    // a branch on its way to the stream, normed or with some of it dropped: kept by nobody
};

// What is particular to a block beside its weights.
struct BlockInput {
  const ModelConfig& config;
  int64_t layer;
  const RotaryAngles& angles;
  AttentionShape attention() const;
};

// How queries meet keys: over this batch's own rows (training) or over cached pages (inference).
using Attend = std::function<void(const BlockActivations&)>;

void block_forward(const Context& context, const BlockInput& input, const LayerWeights& weights, const BlockActivations& a,
                   const Attend& attend);
// The same in two parts, for who goes on with fewer rows once the keys are there: up to q, k and v, and from what attention read on.
void block_until_attention(const Context& context, const BlockInput& input, const LayerWeights& weights, const BlockActivations& a);
void block_after_attention(const Context& context, const BlockInput& input, const LayerWeights& weights, const BlockActivations& a);

// Scratch of the backward pass, shared by all blocks. Gradients that are not alive together share memory.
struct BlockScratch {
  TensorView d_normed_ND;  // of what a norm gave, and of a branch before its norm
  TensorView d_scaled_ND;  // of a branch that is scaled before it is added, or of which some is dropped
  TensorView dq_NHE;
  TensorView dk_NKE;
  TensorView dv_NKE;
  TensorView d_attn_NHE;   // and of q and k before their norms
  TensorView dgate_NF;
  TensorView dup_NF;
  TensorView dact_NF;
};

// dx_ND holds the gradient of the block's output and becomes the gradient of its input; weight gradients are added to.
void block_backward(const Context& context, const BlockInput& input, const LayerWeights& weights, const BlockActivations& a,
                    std::span<const int32_t> first_row, TensorView dx_ND, const LayerWeights& gradients, const BlockScratch& s);

}  // namespace owlet
