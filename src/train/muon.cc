#include "train/muon.h"

#include <algorithm>
#include <cmath>

namespace owlet {
namespace {

constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr int kNewtonSchulzSteps = 5;
constexpr double kNormFloor = 1e-7;

}  // namespace

double muon_scale_like_adamw(int64_t rows, int64_t cols) { return 0.2 * std::sqrt(static_cast<double>(std::max(rows, cols))); }

void muon_step(const Context& context, TensorView weight, TensorView gradient, TensorView momentum, const MuonStep& step) {
  Ops& ops = context.ops;
  const int64_t rows = weight.rows(), cols = weight.cols(), small = std::min(rows, cols);
  const DType dtype = gradient.dtype;
  Tensor x(dtype, weight.shape), next(dtype, weight.shape);
  Tensor gram(dtype, Shape{small, small}), square(dtype, Shape{small, small});

  ops.add_scaled(momentum, step.momentum, momentum, (1 - step.momentum) * step.grad_scale, gradient);
  ops.add_scaled(x, step.momentum, momentum, (1 - step.momentum) * step.grad_scale, gradient);
  const double norm = std::max(std::sqrt(ops.sum_of_squares(x)), kNormFloor);
  ops.add_scaled(x, 1 / norm, x, 0, x);
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    // The Gram matrix of the shorter side: X·Xᵀ or Xᵀ·X.
    gram.zero();
    if (rows <= cols) {
      ops.linear(gram, Into::kWrite, x, x, context.precision);
    } else {
      ops.linear_backward_weight(gram, x, x, context.precision);
    }
    ops.linear(square, Into::kWrite, gram, gram, context.precision);  // symmetric: gram · gramᵀ is its square
    ops.add_scaled(gram, kB, gram, kC, square);
    if (rows <= cols) {
      ops.linear_backward_input(next, Into::kWrite, gram, x, context.precision);
    } else {
      ops.linear(next, Into::kWrite, x, gram, context.precision);
    }
    ops.add_scaled(x, kA, x, 1, next);
  }
  ops.decay_and_add(weight, 1 - step.lr * step.weight_decay, -step.lr * step.scale, x, step.rounding);
}

}  // namespace owlet
