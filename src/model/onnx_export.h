// A model as an ONNX graph with a cache, for any runtime: names and shapes are those that Hugging Face's optimum gives, and
// optimum, transformers.js and onnxruntime-genai look for.
//
//   in   input_ids [B, T] · attention_mask [B, P + T] (0: padding) · position_ids [B, T]     int64
//        past_key_values.N.key and .value [B, K, P, E], P = 0 at first                       float32
//   out  logits [B, T, V] · present.N.key and .value [B, K, P + T, E]                        float32
//
// Where a rotation depends on the length (dynamic, longrope), it is that of the greatest position of a call, as in transformers.
#pragma once

#include <filesystem>

#include "model/model.h"

namespace owlet {

enum class OnnxWeights : uint8_t {
  kF32,
  kInt8,  // matrices in 8 bits with a scale for each output; what they multiply too, with one for each call (DynamicQuantizeLinear)
};

// Writes FILE, and FILE_data beside it where the model has more than 2 GB. Weights of any type are fine; adapters must be merged.
Status save_onnx(const Model& model, const std::filesystem::path& file, OnnxWeights weights);

}  // namespace owlet
