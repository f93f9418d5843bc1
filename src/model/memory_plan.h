// What a model will take of the memory, before anything is allocated.
#pragma once

#include <optional>
#include <span>

#include "model/model.h"

namespace owlet {

// How it is to be run.
struct RunSize {
  int64_t context = 0;    // tokens of a sequence
  int64_t sequences = 1;  // at once
  int64_t rows = 1;       // of a step: what Runner is made for
  DType kv_dtype = DType::kF16;
  int64_t kv_tokens = 0;  // that the KV cache holds for all of them; 0: a context for each
};

struct MemoryPlan {
  int64_t weights = 0;       // bytes; of mapped files too: every token reads them all
  int64_t kv_per_token = 0;  // keys and values of one token in all layers
  int64_t kv = 0;
  int64_t activations = 0;
  int64_t peak() const { return weights + kv + activations; }
};

MemoryPlan plan_memory(const Model& model, const RunSize& size);

// Bytes of a model's weights with its matrices in `dtype` and all else in float32; nothing where its rows do not divide into that
// type's blocks.
std::optional<int64_t> weight_bytes(const ModelConfig& config, DType dtype);

// Of `choices`, the one with the largest weights that are at most `bytes`.
std::optional<DType> largest_that_fits(const ModelConfig& config, std::span<const DType> choices, int64_t bytes);

}  // namespace owlet
