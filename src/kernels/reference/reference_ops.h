// Every op as its formula reads: one loop a sum, in ascending order, in the activations' own type (float32,
// or float64 to judge float32 and to difference). Slow on purpose; what all other backends are held against.
#pragma once

#include <cfloat>
#include <cmath>
#include <vector>

#include "kernels/backend.h"
#include "kernels/check.h"
#include "quant/blocks.h"

namespace owlet {

class ReferenceOps final : public Ops {
 public:
  std::string_view name() const override { return "reference"; }

  void embedding(TensorView out_ND, TensorView table_VD, std::span<const int32_t> ids) override;
  void embedding_backward(TensorView dtable_VD, TensorView dout_ND, std::span<const int32_t> ids) override;

  void rms_norm(TensorView out_ND, TensorView rstd_N, TensorView x_ND, TensorView weight_D,
                double eps) override;
  void rms_norm_backward(TensorView dx_ND, Into into, TensorView dweight_D, TensorView dout_ND,
                         TensorView x_ND, TensorView weight_D, TensorView rstd_N) override;

  void linear(TensorView out_NO, Into into, TensorView x_NI, TensorView weight_OI,
              Precision precision) override;
  void linear_backward_input(TensorView dx_NI, Into into, TensorView dout_NO, TensorView weight_OI,
                             Precision precision) override;
  void linear_backward_weight(TensorView dweight_OI, TensorView dout_NO, TensorView x_NI,
                              Precision precision) override;

  void add_bias(TensorView x_NO, TensorView bias_O) override;
  void bias_backward(TensorView dbias_O, TensorView dout_NO) override;

  void scale_columns(TensorView out_NO, TensorView x_NO, TensorView scale_O) override;
  void scale_columns_backward(TensorView dscale_O, TensorView dout_NO, TensorView x_NO) override;

  void rope(TensorView x_NHE, int64_t head_dim, TensorView cos_sin_PR, std::span<const int32_t> positions,
            bool interleaved) override;
  void rope_backward(TensorView dx_NHE, int64_t head_dim, TensorView cos_sin_PR,
                     std::span<const int32_t> positions, bool interleaved) override;

  void attention(TensorView out_NHE, TensorView lse_NH, TensorView q_NHE, TensorView k_NKE, TensorView v_NKE,
                 std::span<const int32_t> first_row, const AttentionShape& shape) override;
  void attention_backward(TensorView dq_NHE, TensorView dk_NKE, TensorView dv_NKE, TensorView dout_NHE,
                          TensorView q_NHE, TensorView k_NKE, TensorView v_NKE, TensorView out_NHE,
                          TensorView lse_NH, std::span<const int32_t> first_row,
                          const AttentionShape& shape) override;
  void kv_store(const KvPages& pages, TensorView k_NKE, TensorView v_NKE,
                std::span<const SequenceRows> sequences) override;
  void attention_paged(TensorView out_NHE, TensorView q_NHE, const KvPages& pages,
                       std::span<const SequenceRows> sequences, const AttentionShape& shape) override;

  void glu(TensorView out_NF, TensorView gate_NF, TensorView up_NF, Activation activation) override;
  void glu_backward(TensorView dgate_NF, TensorView dup_NF, TensorView dout_NF, TensorView gate_NF,
                    TensorView up_NF, Activation activation) override;

  void soft_cap(TensorView x, double cap) override;
  void soft_cap_backward(TensorView dx, TensorView capped, double cap) override;

  void cross_entropy(TensorView loss_N, TensorView logits_NV, std::span<const int32_t> targets,
                     double dloss, double z_loss) override;

  void copy(TensorView out, TensorView x) override;
  void add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) override;
  void dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) override;
  void adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v,
             const AdamWStep& step) override;
  void decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) override;
  double sum_of_squares(TensorView x) override;

 private:
  static constexpr auto kTypes = check::Activations::kF32OrF64;
};

// Calls body(T{}) with the C++ type of an activation's dtype, which the checks have found to be one of the
// two.
template <class Body>
void by_type(DType dtype, Body&& body) {
  if (dtype == DType::kF64) {
    body(double{});
  } else {
    body(float{});
  }
}

// Row `row` of a weight as numbers, whatever its dtype.
void decode_row(TensorView weight, int64_t row, float* out);
void decode_row(TensorView weight, int64_t row, double* out);

// Activations as weights and keys in blocks of this type meet them.
template <class T>
std::vector<T> in_8_bits(TensorView x, DType dtype) {
  std::vector<T> out(x.as<T>(), x.as<T>() + x.numel());
  const auto together = static_cast<size_t>(activations_per_scale(dtype));
  for (size_t begin = 0; begin < out.size(); begin += together) {
    float max = 0;
    for (size_t i = begin; i < begin + together; ++i) max = std::fmax(max, std::fabs(static_cast<float>(out[i])));
    const float d = max / 127, inverse = 1 / d;
    for (size_t i = begin; i < begin + together; ++i) {
      const float code = d < FLT_MIN ? 0 : std::nearbyint(static_cast<float>(out[i]) * inverse);
      out[i] = code >= -127 && code <= 127 ? static_cast<T>(d) * static_cast<T>(code) : 0;  // what is no number is no code
    }
  }
  return out;
}

}  // namespace owlet
