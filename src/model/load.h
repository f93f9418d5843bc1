// Models from and to the field's own formats.
#pragma once

#include <filesystem>

#include "io/gguf.h"
#include "model/model.h"

namespace owlet {

// A GGUF file, a Hugging Face folder (config.json + model.safetensors or shards) or a PyTorch checkpoint (homemade.h). Weights stay mapped where their type can be
// computed with as it is.
Result<Model> load_model(const std::filesystem::path& path);
Result<ModelConfig> load_config(const std::filesystem::path& path);

// The same model with every weight in float32 and memory of its own: what training starts from.
Result<Model> to_float32(const Model& model);

// config.json and model.safetensors, weights in `dtype` (f32, f16 or bf16). Creates the folder.
Status save_hf(const Model& model, const std::filesystem::path& folder, DType dtype);

// The model's part of a GGUF: architecture metadata and tensors, matrices in `dtype` (f32, f16, bf16, q8_0, q4_0), norms in f32,
// under llama.cpp's names and with its interleaved rotation. The caller adds the tokenizer's metadata and commits.
Status add_to_gguf(const Model& model, DType dtype, GgufWriter& writer);

}  // namespace owlet
