// What every op asks of its arguments, in one place that all backends call first. A violation is a bug of
// ours: the program stops and says the op, the argument and the shapes, "[rms_norm] out_ND is f32 [8, 64],
// expected f32 [8, 320]". Rows are what an op sees: x_ND is [N, D] or [B, T, D], q_NHE is [N, H·E].
#pragma once

#include <span>

#include "kernels/ops.h"

namespace owlet::check {

// Types that a backend computes activations in.
enum class Activations : uint8_t { kF32, kF32OrF64 };

void embedding(Activations types, TensorView out_ND, TensorView table_VD, std::span<const int32_t> ids);
void embedding_backward(Activations types, TensorView dtable_VD, TensorView dout_ND,
                        std::span<const int32_t> ids);
void rms_norm(Activations types, TensorView out_ND, TensorView rstd_N, TensorView x_ND, TensorView weight_D);
void rms_norm_backward(Activations types, TensorView dx_ND, TensorView dweight_D, TensorView dout_ND,
                       TensorView x_ND, TensorView weight_D, TensorView rstd_N);
// `group`: how weights may lie (TensorView::group) beside row by row.
void linear(Activations types, TensorView out_NO, TensorView x_NI, TensorView weight_OI, int32_t group = 0);
void linear_backward_input(Activations types, TensorView dx_NI, TensorView dout_NO, TensorView weight_OI);
void linear_backward_weight(Activations types, TensorView dweight_OI, TensorView dout_NO, TensorView x_NI);
void add_bias(Activations types, TensorView x_NO, TensorView bias_O);
void bias_backward(Activations types, TensorView dbias_O, TensorView dout_NO);
// Both ways: `scaled_NO` is out_NO or dout_NO, `scale_O` is scale_O or dscale_O.
void scale_columns(Activations types, TensorView scaled_NO, TensorView x_NO, TensorView scale_O);
// Both directions of the rotation.
void rope(Activations types, TensorView x_NHE, int64_t head_dim, TensorView cos_sin_PR,
          std::span<const int32_t> positions);
void attention(Activations types, TensorView out_NHE, TensorView lse_NH, TensorView q_NHE, TensorView k_NKE,
               TensorView v_NKE, std::span<const int32_t> first_row, const AttentionShape& shape);
void attention_backward(Activations types, TensorView dq_NHE, TensorView dk_NKE, TensorView dv_NKE,
                        TensorView dout_NHE, TensorView q_NHE, TensorView k_NKE, TensorView v_NKE,
                        TensorView out_NHE, TensorView lse_NH, std::span<const int32_t> first_row,
                        const AttentionShape& shape);
void kv_store(Activations types, const KvPages& pages, TensorView k_NKE, TensorView v_NKE,
              std::span<const SequenceRows> sequences);
void attention_paged(Activations types, TensorView out_NHE, TensorView q_NHE, const KvPages& pages,
                     std::span<const SequenceRows> sequences, const AttentionShape& shape);
void glu(Activations types, TensorView out_NF, TensorView gate_NF, TensorView up_NF);
void glu_backward(Activations types, TensorView dgate_NF, TensorView dup_NF, TensorView dout_NF,
                  TensorView gate_NF, TensorView up_NF);
void soft_cap(Activations types, TensorView x, double cap);
void soft_cap_backward(Activations types, TensorView dx, TensorView capped, double cap);
void cross_entropy(Activations types, TensorView loss_N, TensorView logits_NV,
                   std::span<const int32_t> targets);
void copy(TensorView out, TensorView x);
void add_scaled(Activations types, TensorView out, double a, TensorView x, double b, TensorView y);
void dropout(Activations types, TensorView out, TensorView x, double p);
void adamw(Activations types, TensorView weight, TensorView gradient, TensorView m, TensorView v,
           const AdamWStep& step);
void decay_and_add(Activations types, TensorView weight, TensorView x);
void sum_of_squares(Activations types, TensorView x);

}  // namespace owlet::check
