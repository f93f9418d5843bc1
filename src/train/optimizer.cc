#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

namespace owlet {
namespace {

// Muon's settings, as in its authors' code (Jordan et al. 2024) and torch.optim.Muon.
constexpr double kMomentum = 0.95;
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr int kNewtonSchulzSteps = 5;
constexpr double kNormFloor = 1e-7;

bool is_block_matrix(const std::string& name, const Tensor& tensor) {
  return tensor.shape().rank() == 2 && name.starts_with("model.layers.");
}

}  // namespace

Optimizer::Optimizer(Context context, const Model& model, const TrainConfig& config) : context_(context), config_(config) {
  model.weights.for_each([&](const std::string& name, const Tensor& weight) {
    const bool muon = config.optimizer == "muon" && is_block_matrix(name, weight);
    slots_.push_back({name, muon, Tensor(weight.dtype(), weight.shape()),
                      muon ? Tensor() : Tensor(weight.dtype(), weight.shape())});
  });
}

void Optimizer::step(int64_t step, double multiplier, double grad_scale, Weights& weights, const Weights& gradients) {
  std::vector<TensorView> of_gradients;
  gradients.for_each([&](const std::string&, const Tensor& gradient) { of_gradients.push_back(gradient); });
  const double lr = config_.lr * multiplier;
  size_t i = 0;
  weights.for_each([&](const std::string&, Tensor& weight) {
    Slot& slot = slots_[i];
    const TensorView gradient = of_gradients[i++];
    if (slot.muon) return muon_step(slot, weight, gradient, lr, grad_scale);
    const double decay = weight.shape().rank() == 2 ? config_.weight_decay : 0.0;
    context_.ops.adamw(weight, gradient, slot.m, slot.v,
                       {lr, config_.beta1, config_.beta2, config_.eps, decay, step, grad_scale});
  });
}

// Momentum, Nesterov's look-ahead, then the nearest matrix with equal singular values by a quintic Newton–Schulz iteration. The
// step is scaled by 0.2·√(longer side), which gives it the root mean square of an AdamW step (Liu et al. 2025).
void Optimizer::muon_step(Slot& slot, TensorView weight, TensorView gradient, double lr, double grad_scale) {
  Ops& ops = context_.ops;
  const int64_t rows = weight.rows(), cols = weight.cols(), small = std::min(rows, cols);
  Tensor x(weight.dtype, weight.shape), next(weight.dtype, weight.shape);
  Tensor gram(weight.dtype, Shape{small, small}), square(weight.dtype, Shape{small, small});

  ops.add_scaled(slot.m, kMomentum, slot.m, (1 - kMomentum) * grad_scale, gradient);
  ops.add_scaled(x, kMomentum, slot.m, (1 - kMomentum) * grad_scale, gradient);
  const double norm = std::max(std::sqrt(ops.sum_of_squares(x)), kNormFloor);
  ops.add_scaled(x, 1 / norm, x, 0, x);
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    // The Gram matrix of the shorter side: X·Xᵀ or Xᵀ·X.
    gram.zero();
    if (rows <= cols) {
      ops.linear(gram, Into::kWrite, x, x, context_.precision);
    } else {
      ops.linear_backward_weight(gram, x, x, context_.precision);
    }
    ops.linear(square, Into::kWrite, gram, gram, context_.precision);  // symmetric: gram · gramᵀ is its square
    ops.add_scaled(gram, kB, gram, kC, square);
    if (rows <= cols) {
      ops.linear_backward_input(next, Into::kWrite, gram, x, context_.precision);
    } else {
      ops.linear(next, Into::kWrite, x, gram, context_.precision);
    }
    ops.add_scaled(x, kA, x, 1, next);
  }
  const double scale = 0.2 * std::sqrt(static_cast<double>(std::max(rows, cols)));
  ops.add_scaled(weight, 1 - lr * config_.weight_decay, weight, -lr * scale, x);
}

std::vector<std::pair<std::string, Tensor>> Optimizer::states() const {
  std::vector<std::pair<std::string, Tensor>> states;
  for (const Slot& slot : slots_) {
    states.emplace_back(slot.name + (slot.muon ? ".momentum" : ".m"), slot.m);
    if (!slot.muon) states.emplace_back(slot.name + ".v", slot.v);
  }
  return states;
}

double gradient_norm(Ops& ops, const Weights& gradients) {
  double sum = 0;
  gradients.for_each([&](const std::string&, const Tensor& gradient) { sum += ops.sum_of_squares(gradient); });
  return std::sqrt(sum);
}

}  // namespace owlet
