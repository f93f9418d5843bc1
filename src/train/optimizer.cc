#include "train/optimizer.h"

#include <cmath>

#include "train/muon.h"

namespace owlet {
namespace {

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
    if (slot.muon) {
      const double scale = muon_scale_like_adamw(gradient.rows(), gradient.cols());
      return muon_step(context_, weight, gradient, slot.m, {lr, config_.weight_decay, scale, grad_scale});
    }
    const double decay = weight.shape().rank() == 2 ? config_.weight_decay : 0.0;
    context_.ops.adamw(weight, gradient, slot.m, slot.v,
                       {lr, config_.beta1, config_.beta2, config_.eps, decay, step, grad_scale});
  });
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
