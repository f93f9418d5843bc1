// Memory plans in words.
#pragma once

#include <string>

#include "model/memory_plan.h"

namespace owlet {

// kTooLarge where the model, run like this, takes more than `available` bytes: with the numbers, and the quantization or the context that
// would fit. `name` is what people call it.
Status check_memory(const std::string& name, const Model& model, const RunSize& size, int64_t available);

// The type whose weights, beside `others` bytes, are the largest to fit into `available`, among those that `owlet quantize` writes.
std::optional<DType> quantization_that_fits(const ModelConfig& config, int64_t others, int64_t available);

}  // namespace owlet
