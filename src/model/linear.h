// A linear layer: what every projection of a block is.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "core/tensor.h"
#include "kernels/ops.h"

namespace owlet {

// Sees what linear layers are given, on the thread that runs the model.
class LinearObserver {
 public:
  virtual ~LinearObserver() = default;
  virtual void observe(const Tensor& weight_OI, TensorView x_NI) = 0;
};

// Which elements a training pass drops. A place's own draw is a function of (seed, place, step): what is computed twice drops the same.
struct Dropping {
  uint64_t seed = 0;
  uint32_t step = 0;  // counts passes
  double residual = 0;  // share of what branches add to the stream
  bool on = true;       // not while validating
};

// What an adapter adds to a layer: scale · dropout(x_NI) · aᵀ · bᵀ (Hu et al. 2021). With a magnitude (DoRA, Liu et al. 2024) the rows of
// weight + scale · b · a, this being the layer's only adapter, are then given that length; the length they had counts as a constant in
// gradients (section 4.3).
struct LowRank {
  Tensor a_RI, b_OR;
  double scale = 1;
  double dropout = 0;      // of x, where the pass drops
  uint32_t place = 0;      // whose draw that is
  Tensor magnitude_O = {}; // empty where there is none
};

struct Linear {
  Tensor weight_OI;
  Tensor bias_O = {};                  // empty where there is none
  std::vector<LowRank> low_rank = {};
};

// What an adapter adds to a model's layers, each known by where it stands in the model.
using LinearParts = std::unordered_map<const Linear*, LowRank>;

// Rows [begin, end) of a batch, which alone have an adapter's parts added.
struct AdaptedRows {
  int64_t begin = 0;
  int64_t end = 0;
  const LinearParts* parts = nullptr;
};

// Where and how to compute: passed down explicitly, never global.
struct Context {
  Ops& ops;
  Precision precision = Precision::kF32;     // of products with float weights
  LinearObserver* observer = nullptr;        // none: nobody looks
  std::span<const AdaptedRows> adapted = {}; // of the batch that is computed
  const Dropping* dropping = nullptr;        // none: nothing is dropped
};

// out_NO = x_NI · weightᵀ + bias, or added to out; and what the low-rank parts add, its own and those of the rows.
void linear_forward(const Context& context, TensorView out_NO, Into into, TensorView x_NI, const Linear& linear);

// out_NO = x_NI · weightᵀ + bias for several layers that read the same x_NI.
struct LinearOutput {
  const Linear& linear;
  TensorView out_NO;
};
void linears_forward(const Context& context, std::initializer_list<LinearOutput> outputs, TensorView x_NI);

// The length of each row of weight + scale · b · a, of a layer with one low-rank part: [O].
Tensor row_lengths(const Context& context, const Linear& linear);

// dx_NI = dout_NO · weight (and through the low-rank parts), or added to dx; the gradients of weight, bias and parts are added to, where
// `gradient` has them.
void linear_backward(const Context& context, TensorView dx_NI, Into into, const Linear& gradient, TensorView dout_NO,
                     TensorView x_NI, const Linear& linear);

}  // namespace owlet
