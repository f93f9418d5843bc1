#include "model/memory_plan.h"

namespace owlet {

MemoryPlan plan_memory(const Model& model, const RunSize& size) {
  const ModelConfig& c = model.config;
  MemoryPlan plan{.weights = model.bytes(), .kv_per_token = KvCache::bytes_per_token(c, size.kv_dtype)};
  const auto in_pages = [](int64_t n_tokens) { return (n_tokens + KvCache::kPageLen - 1) / KvCache::kPageLen * KvCache::kPageLen; };
  plan.kv = (size.kv_tokens > 0 ? in_pages(size.kv_tokens) : size.sequences * in_pages(size.context)) * plan.kv_per_token;
  plan.activations = Runner::bytes(c, size.rows, model.compute_dtype());
  return plan;
}

std::optional<int64_t> weight_bytes(const ModelConfig& config, DType dtype) {
  int64_t bytes = 0;
  bool divides = true;
  const Weights skeleton = empty_weights(config);
  skeleton.for_each([&](const std::string&, const Tensor& tensor) {
    const bool is_matrix = tensor.shape().rank() == 2;
    const DType type = is_matrix ? dtype : DType::kF32;
    divides = divides && tensor.shape().last() % dtype_info(type).block_size == 0;
    bytes += tensor.shape().rows() * row_bytes(type, tensor.shape().last());
  });
  return divides ? std::optional(bytes) : std::nullopt;
}

std::optional<DType> largest_that_fits(const ModelConfig& config, std::span<const DType> choices, int64_t bytes) {
  std::optional<DType> best;
  int64_t most = -1;
  for (const DType dtype : choices) {
    const std::optional<int64_t> needed = weight_bytes(config, dtype);
    if (needed && *needed <= bytes && *needed > most) {
      best = dtype;
      most = *needed;
    }
  }
  return best;
}

}  // namespace owlet
