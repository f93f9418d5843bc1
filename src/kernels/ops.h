// The one list of ops. Everything a model does to numbers is a call on this interface, forward and backward side by side;
// kernels/reference/ has every op, scalar and obvious, and every other backend is held against it by one suite.
//
// Conventions
//   Shapes     N tokens (rows of a batch, ragged or not) · D model dim · I/O in and out features · H heads · K key/value heads ·
//              E head dim · F ffn · V vocab. A 3-D activation such as q_NHE is dense: N rows of H·E numbers.
//   Types      activations and gradients are float32, or float64 in the reference (for finite differences); weights are of any
//              dtype that row decoding knows. Gradients of weights have the weights' shape, in the activations' dtype.
//   Gradients  of weights are added to what is there; gradients of inputs are written, or added where `into` says so.
//   Order      a row's result depends on that row alone (and on the keys it attends), never on how many rows or threads there
//              are: sums run in one fixed order. This is what makes answers independent of load, and tests hold it bitwise.
//   Pointers   tensors live where the backend computes; ids, positions and spans are always in host memory.
// Arguments are checked by the model when it is built; a mismatch here is a bug of ours and aborts with the op's name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace owlet {

// How a product of float32 activations with a float weight is computed.
//   kF32   float32 throughout.
//   kBF16  both sides rounded to bfloat16, products summed in float32 (as PyTorch's autocast does).
//   kAsStored  kBF16 for weights that are stored so, where the processor multiplies bfloat16; float32 for all others.
// Weights in blocks ignore it: activations are quantized to 8 bits per 32 or 256 of them (activations_per_scale), products are exact
// integers, sums of blocks are float32. NF4, for training, is decoded and meets the activations as they are.
enum class Precision : uint8_t { kF32, kBF16, kAsStored };

// What a gate goes through: silu(x) = x / (1 + exp(−x)), or the Gaussian error unit as Gemma has it,
// gelu(x) = x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))  (Hendrycks & Gimpel 2016).
enum class Activation : uint8_t { kSilu, kGeluTanh };

// Whether an op writes its result or adds it to what is there.
enum class Into : uint8_t { kWrite, kAdd };

struct AttentionShape {
  int64_t n_heads = 0;     // H
  int64_t n_kv_heads = 0;  // K; H is a multiple of it, query head h reads key head h / (H / K)
  int64_t head_dim = 0;    // E
  double scale = 0;        // usually 1 / sqrt(E)
  int64_t window = 0;      // keys that a query sees at most, itself included (Mistral); 0: all
  double soft_cap = 0;     // scores become cap · tanh(score / cap) (Gemma 2); 0: as they are

  // The first key that the query at `position` sees.
  int64_t first_key(int64_t position) const { return window > 0 && position >= window ? position + 1 - window : 0; }
};

// Keys and values of many sequences in pages of kKvPageLen tokens. Numbers that are no blocks lie with keys turned, so that those of
// neighbouring tokens are side by side: [n_pages, K, E, kKvPageLen]; values are not: [n_pages, K, kKvPageLen, E]. In Q8_0 both lie as
// values do, E is a multiple of 32, and queries meet keys in 8 bits, as activations meet weights in blocks.
inline constexpr int64_t kKvPageLen = 32;
struct KvPages {
  TensorView k;
  TensorView v;
};

// Rows [row_begin, row_end) of a batch are the tokens of one sequence at positions first_position, first_position + 1, …;
// token p of the sequence lives in page pages[p / kKvPageLen], slot p % kKvPageLen.
struct SequenceRows {
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t first_position = 0;
  std::span<const int32_t> pages;
};

// Which random numbers an op draws: element i's follow from these and from i alone, whoever computes it.
struct Draw {
  uint64_t seed = 0;
  uint32_t stream = 0;  // one a tensor
  uint32_t step = 0;
};

struct AdamWStep {
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;
  int64_t step = 1;         // counts from one; for the bias correction
  double grad_scale = 1.0;  // gradients are multiplied by this first (clipping)
  Draw rounding = {};       // of bfloat16 weights
};

class Ops {
 public:
  virtual ~Ops() = default;
  virtual std::string_view name() const = 0;  // "reference", "cpu-avx512" …

  // out_ND = table_VD[ids]                                             ids in [0, V)
  virtual void embedding(TensorView out_ND, TensorView table_VD, std::span<const int32_t> ids) = 0;
  // dtable_VD[ids] += dout_ND
  virtual void embedding_backward(TensorView dtable_VD, TensorView dout_ND, std::span<const int32_t> ids) = 0;

  // out_ND = x_ND · rstd_N · weight_D, rstd = 1 / sqrt(mean(x²) + eps)  (Zhang & Sennrich 2019). rstd_N may be empty.
  virtual void rms_norm(TensorView out_ND, TensorView rstd_N, TensorView x_ND, TensorView weight_D, double eps) = 0;
  // dx_ND (written or added) and dweight_D (added; may be empty) from dout_ND and what the forward pass saw.
  virtual void rms_norm_backward(TensorView dx_ND, Into into, TensorView dweight_D, TensorView dout_ND, TensorView x_ND,
                                 TensorView weight_D, TensorView rstd_N) = 0;

  // out_NO = x_NI · weight_OIᵀ, or added to out.
  virtual void linear(TensorView out_NO, Into into, TensorView x_NI, TensorView weight_OI, Precision precision) = 0;
  // out_NO = x_NI · weight_OIᵀ for several weights, whose rows meet the same x; what can be done once is done once.
  struct Product {
    TensorView out_NO;
    TensorView weight_OI;
  };
  virtual void linears(std::span<const Product> products, TensorView x_NI, Precision precision) {
    for (const Product& p : products) linear(p.out_NO, Into::kWrite, x_NI, p.weight_OI, precision);
  }
  // Weights can lie in memory as linear() likes them best: their bytes then (0: as they are is best), and what writes so many bytes to `to`.
  // The view that comes back says with `group` how they lie; only linear() and linears() of these ops take it, with the same results to the bit.
  virtual int64_t turned_bytes(TensorView /*weight_OI*/, Precision) const { return 0; }
  virtual TensorView turn(void* /*to*/, TensorView weight_OI) { return weight_OI; }
  // dx_NI = dout_NO · weight_OI, or added to dx.
  virtual void linear_backward_input(TensorView dx_NI, Into into, TensorView dout_NO, TensorView weight_OI,
                                     Precision precision) = 0;
  // dweight_OI += dout_NOᵀ · x_NI
  virtual void linear_backward_weight(TensorView dweight_OI, TensorView dout_NO, TensorView x_NI, Precision precision) = 0;

  // x_NO += bias_O, in place.
  virtual void add_bias(TensorView x_NO, TensorView bias_O) = 0;
  // dbias_O += Σ over rows of dout_NO
  virtual void bias_backward(TensorView dbias_O, TensorView dout_NO) = 0;

  // out_NO = x_NO · scale_O; out may be x.
  virtual void scale_columns(TensorView out_NO, TensorView x_NO, TensorView scale_O) = 0;
  // dscale_O += Σ over rows of dout_NO · x_NO
  virtual void scale_columns_backward(TensorView dscale_O, TensorView dout_NO, TensorView x_NO) = 0;

  // Rotates pairs of the first R ≤ E = head_dim numbers of each head in place by angles cos_sin_PR[position] (first R/2 cosines,
  // then R/2 sines; Su et al. 2021); the rest of a head stays. Pairs are (0, R/2), (1, R/2 + 1) …, as in Hugging Face's code;
  // interleaved: (0, 1), (2, 3) …, as in Meta's.
  virtual void rope(TensorView x_NHE, int64_t head_dim, TensorView cos_sin_PR, std::span<const int32_t> positions,
                    bool interleaved) = 0;
  // The same rotation the other way round: gradients in place.
  virtual void rope_backward(TensorView dx_NHE, int64_t head_dim, TensorView cos_sin_PR, std::span<const int32_t> positions,
                             bool interleaved) = 0;

  // Causal attention inside one batch: row i sees the rows first_row[i] … i (its document, up to itself), the last `window` of
  // them where there is one.
  // lse_NH, the log of each softmax's denominator, is kept for the backward pass (Dao et al. 2022); it may be empty.
  virtual void attention(TensorView out_NHE, TensorView lse_NH, TensorView q_NHE, TensorView k_NKE, TensorView v_NKE,
                         std::span<const int32_t> first_row, const AttentionShape& shape) = 0;
  // Writes dq, dk, dv.
  virtual void attention_backward(TensorView dq_NHE, TensorView dk_NKE, TensorView dv_NKE, TensorView dout_NHE,
                                  TensorView q_NHE, TensorView k_NKE, TensorView v_NKE, TensorView out_NHE, TensorView lse_NH,
                                  std::span<const int32_t> first_row, const AttentionShape& shape) = 0;

  // Puts each row's key and value in its page.
  virtual void kv_store(const KvPages& pages, TensorView k_NKE, TensorView v_NKE, std::span<const SequenceRows> sequences) = 0;
  // Attention of each row over its sequence's pages, positions 0 … its own (stored before), or the last `window` of them.
  // Keys are visited in blocks that are counted from position 0, so that the way a prompt is cut into chunks changes nothing;
  // keys that lie before the windows of all rows are not read.
  virtual void attention_paged(TensorView out_NHE, TensorView q_NHE, const KvPages& pages,
                               std::span<const SequenceRows> sequences, const AttentionShape& shape) = 0;

  // out_NF = activation(gate_NF) · up_NF  (Shazeer 2020). out may be gate or up.
  virtual void glu(TensorView out_NF, TensorView gate_NF, TensorView up_NF, Activation activation) = 0;
  // Writes dgate and dup; they may be the same memory as gate and up.
  virtual void glu_backward(TensorView dgate_NF, TensorView dup_NF, TensorView dout_NF, TensorView gate_NF, TensorView up_NF,
                            Activation activation) = 0;

  // x = cap · tanh(x / cap), in place; cap > 0 (Bello et al. 2017; Gemma 2).
  virtual void soft_cap(TensorView x, double cap) = 0;
  // dx *= 1 − (capped / cap)², in place; `capped` is what soft_cap left.
  virtual void soft_cap_backward(TensorView dx, TensorView capped, double cap) = 0;

  // loss_N = −log softmax(logits_NV)[target], 0 where target < 0. logits_NV is replaced by its gradient times dloss
  // (softmax − one-hot; rows of zeros where target < 0) unless dloss is 0, when it is left as it is. z_loss adds z_loss · lse² to what
  // the gradient is of (not to loss_N), lse being the log of softmax's denominator (Chowdhery et al. 2022, PaLM).
  virtual void cross_entropy(TensorView loss_N, TensorView logits_NV, std::span<const int32_t> targets, double dloss,
                             double z_loss = 0) = 0;

  // out = x, of the same shape and dtype.
  virtual void copy(TensorView out, TensorView x) = 0;

  // out = a · x + b · y, element by element, of the same shape and dtype; out may be x or y. Where a factor is 0 its side is not read.
  virtual void add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) = 0;

  // out = x / (1 − p) where an element is kept, with probability 1 − p, and 0 elsewhere; or added to out, which may be x otherwise.
  // The same draw keeps the same elements, so this is its own backward pass (Srivastava et al. 2014).
  virtual void dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) = 0;

  // One step of AdamW (Loshchilov & Hutter 2019) on a tensor with its two moments, all float32 (float64 in the reference). A weight in
  // bfloat16 is rounded stochastically: up with the probability that leaves its mean where it was. Moments may be in 8 bits instead,
  // m in kDynamic and v in kDynamicUnsigned, as many numbers rounded up to whole blocks (with zeros); the step is taken before they are coded.
  virtual void adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v, const AdamWStep& step) = 0;
  // weight = keep · weight + factor · x; a weight in bfloat16 is rounded as above.
  virtual void decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) = 0;
  // Σ x², summed in float64 in one fixed order.
  virtual double sum_of_squares(TensorView x) = 0;
};

}  // namespace owlet
