#include "train/optimizer.h"

#include <cmath>

#include "train/muon.h"

namespace owlet {
namespace {

bool is_block_matrix(const Parameter& parameter) {
  return parameter.weight.shape().rank() == 2 && parameter.name.starts_with("model.layers.");
}

Tensor as_words(const Tensor& state) {
  const TensorView& view = state.view();
  if (!is_quantized(view.dtype)) return state;
  const DTypeInfo& info = dtype_info(view.dtype);
  return Tensor({view.data, DType::kI32, Shape{view.numel() / info.block_size, info.block_bytes / 4}}, std::make_shared<Tensor>(state));
}

}  // namespace

Optimizer::Optimizer(Context context, const Parameters& parameters, const TrainConfig& config)
    : context_(context), parameters_(parameters), config_(config), states_(static_cast<size_t>(parameters.n_buckets())),
      slots_(states_.size()) {
  for (size_t b = 0; b < states_.size(); ++b) add_slots(parameters.bucket(static_cast<int64_t>(b)), states_[b], slots_[b]);
}

void Optimizer::add_slots(std::span<const Parameter> parameters, Bucket& states, std::vector<Slot>& slots) const {
  const int64_t block = dtype_info(DType::kDynamic).block_size;
  std::vector<std::pair<size_t, size_t>> indices;
  for (const Parameter& p : parameters) {
    const DType dtype = p.gradient.dtype();
    const bool muon = config_.optimizer == "muon" && is_block_matrix(p);
    const bool eight_bits = !muon && config_.states == "8bit" && dtype == DType::kF32 && p.weight.numel() >= kSmallest8Bit;
    const Shape shape = eight_bits ? Shape{(p.weight.numel() + block - 1) / block * block} : p.weight.shape();
    const size_t m = states.add(eight_bits ? DType::kDynamic : dtype, shape);
    indices.emplace_back(m, muon ? m : states.add(eight_bits ? DType::kDynamicUnsigned : dtype, shape));
    slots.push_back({.muon = muon, .decays = p.weight.shape().rank() == 2 && !matches_any(config_.no_decay, p.name), .m = {}, .v = {}});
  }
  states.allocate();
  for (size_t i = 0; i < indices.size(); ++i) {
    slots[i].m = states[indices[i].first];
    if (!slots[i].muon) slots[i].v = states[indices[i].second];
  }
}

void Optimizer::step(int64_t bucket, const OptimizerStep& at) {
  const double lr = config_.lr * at.multiplier;
  const auto parameters = parameters_.bucket(bucket);
  const std::vector<Slot>& slots = slots_[static_cast<size_t>(bucket)];
  for (size_t i = 0; i < slots.size(); ++i) {
    const Parameter& p = parameters[i];
    const Slot& slot = slots[i];
    const Draw rounding{config_.seed, static_cast<uint32_t>(bucket << 8) + static_cast<uint32_t>(i), static_cast<uint32_t>(at.step)};
    const double decay = slot.decays ? config_.weight_decay : 0.0;
    if (slot.muon) {
      const double scale = muon_scale_like_adamw(p.gradient.view().rows(), p.gradient.view().cols());
      muon_step(context_, p.weight, p.gradient, slot.m, {.lr = lr, .weight_decay = decay, .scale = scale, .grad_scale = at.grad_scale, .rounding = rounding});
    } else {
      context_.ops.adamw(p.weight, p.gradient, slot.m, slot.v,
                         {lr, config_.beta1, config_.beta2, config_.eps, decay, at.step, at.grad_scale, rounding});
    }
  }
}

void Optimizer::step_all(const OptimizerStep& at) {
  for (int64_t b = 0; b < parameters_.n_buckets(); ++b) step(b, at);
}

std::vector<std::pair<std::string, Tensor>> Optimizer::states() const {
  std::vector<std::pair<std::string, Tensor>> states;
  for (size_t b = 0; b < slots_.size(); ++b) {
    const auto parameters = parameters_.bucket(static_cast<int64_t>(b));
    for (size_t i = 0; i < slots_[b].size(); ++i) {
      const Slot& slot = slots_[b][i];
      states.emplace_back(parameters[i].name + (slot.muon ? ".momentum" : ".m"), as_words(slot.m));
      if (!slot.muon) states.emplace_back(parameters[i].name + ".v", as_words(slot.v));
    }
  }
  return states;
}

int64_t Optimizer::bytes() const {
  int64_t total = 0;
  for (const Bucket& bucket : states_) total += bucket.bytes();
  return total;
}

}  // namespace owlet
