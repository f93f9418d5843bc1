#include "apps/memory_report.h"

#include <algorithm>
#include <array>

#include "apps/progress.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

std::string tokens_held(const RunSize& size) {
  if (size.kv_tokens > 0) return format_count(size.kv_tokens);
  return fmt::format("{} × {}", size.sequences, format_count(size.context));
}

std::vector<DType> quantized_types() {
  constexpr std::array kTypes = {DType::kQ8_0, DType::kQ6_K, DType::kQ5_K, DType::kQ5_1, DType::kQ5_0,   DType::kQ4_K,
                                 DType::kQ4_1, DType::kQ4_0, DType::kQ3_K, DType::kQ2_K, DType::kIQ4_NL, DType::kIQ4_XS};
  std::vector<DType> types;
  std::copy_if(kTypes.begin(), kTypes.end(), std::back_inserter(types), is_encodable);
  return types;
}

// What to change so that it fits.
std::string advice(const std::string& name, const Model& model, const RunSize& size, const MemoryPlan& plan, int64_t available) {
  const int64_t fixed = plan.weights + plan.activations;
  const int64_t contexts = size.kv_tokens > 0 ? 1 : size.sequences;  // one at least must have room
  const int64_t tokens = (available - fixed) / std::max<int64_t>(1, contexts * plan.kv_per_token) / KvCache::kPageLen * KvCache::kPageLen;
  if (tokens >= KvCache::kPageLen) return fmt::format("a context of {} tokens would fit", format_count(tokens));
  const int64_t others = plan.kv + plan.activations;
  if (const auto dtype = quantization_that_fits(model.config, others, available); dtype && *weight_bytes(model.config, *dtype) < plan.weights) {
    return fmt::format("{} would fit, with {} in all: owlet quantize {} smaller.gguf --type {}", to_string(*dtype),
                       format_bytes(*weight_bytes(model.config, *dtype) + others), name, to_string(*dtype));
  }
  int64_t least = plan.weights;
  for (const DType dtype : quantized_types()) least = std::min(least, weight_bytes(model.config, dtype).value_or(least));
  return fmt::format("no quantization would fit: {} parameters take {} at least", format_short(static_cast<double>(model.config.n_params())),
                     format_bytes(least + others));
}

}  // namespace

std::optional<DType> quantization_that_fits(const ModelConfig& config, int64_t others, int64_t available) {
  return largest_that_fits(config, quantized_types(), available - others);
}

Status check_memory(const std::string& name, const Model& model, const RunSize& size, int64_t available) {
  const MemoryPlan plan = plan_memory(model, size);
  if (plan.peak() <= available) return {};
  return Error{ErrorCode::kTooLarge,
               fmt::format("{} needs {} of memory and {} can be had: weights {}, keys and values {} ({} tokens), activations {}", name,
                           format_bytes(plan.peak()), format_bytes(available), format_bytes(plan.weights), format_bytes(plan.kv), tokens_held(size),
                           format_bytes(plan.activations)),
               advice(name, model, size, plan, available)};
}

}  // namespace owlet
