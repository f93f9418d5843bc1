#include "model/linear.h"

namespace owlet {

void linear_forward(const Context& context, TensorView out_NO, Into into, TensorView x_NI, const Linear& linear) {
  if (context.observer) context.observer->observe(linear.weight_OI, x_NI);
  context.ops.linear(out_NO, into, x_NI, linear.weight_OI, context.precision);
  if (linear.bias_O) context.ops.add_bias(out_NO, linear.bias_O);
  for (const LowRank& part : linear.low_rank) {
    const Tensor down_NR(x_NI.dtype, Shape{x_NI.rows(), part.a_RI.shape()[0]});
    context.ops.linear(down_NR, Into::kWrite, x_NI, part.a_RI, context.precision);
    context.ops.linear(out_NO, Into::kAdd, down_NR, part.b_OR, context.precision);
  }
}

void linear_backward(const Context& context, TensorView dx_NI, Into into, const Linear& gradient, TensorView dout_NO,
                     TensorView x_NI, const Linear& linear) {
  context.ops.linear_backward_weight(gradient.weight_OI, dout_NO, x_NI, context.precision);
  if (linear.bias_O) context.ops.bias_backward(gradient.bias_O, dout_NO);
  context.ops.linear_backward_input(dx_NI, into, dout_NO, linear.weight_OI, context.precision);
}

}  // namespace owlet
