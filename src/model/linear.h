// A linear layer: what every projection of a block is.
#pragma once

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

// Where and how to compute: passed down explicitly, never global.
struct Context {
  Ops& ops;
  Precision precision = Precision::kF32;  // of products with float weights
  LinearObserver* observer = nullptr;     // none: nobody looks
};

// What an adapter adds to a layer: x_NI · aᵀ · bᵀ.
struct LowRank {
  Tensor a_RI, b_OR;
};

struct Linear {
  Tensor weight_OI;
  Tensor bias_O = {};                  // empty where there is none
  std::vector<LowRank> low_rank = {};  // for answering only: training merges them first
};

// out_NO = x_NI · weightᵀ + bias, or added to out; and what the low-rank parts add.
void linear_forward(const Context& context, TensorView out_NO, Into into, TensorView x_NI, const Linear& linear);

// dx_NI = dout_NO · weight, or added to dx; the gradients of weight and bias are added to.
void linear_backward(const Context& context, TensorView dx_NI, Into into, const Linear& gradient, TensorView dout_NO,
                     TensorView x_NI, const Linear& linear);

}  // namespace owlet
