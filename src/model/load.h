// Models from and to the field's own formats.
#pragma once

#include <filesystem>

#include "core/thread_pool.h"
#include "io/gguf.h"
#include "model/importance.h"
#include "model/mix.h"
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

// The model's part of a GGUF: architecture metadata and tensors, matrices as the mix says, norms in f32, under llama.cpp's names and
// with its interleaved rotation. The caller adds the tokenizer's metadata and commits; the model and `importance` (null: none)
// outlive the writer.
Status add_to_gguf(const Model& model, const Mix& mix, GgufWriter& writer, const Importance* importance = nullptr);

// The model's float matrices become blocks in memory, one after the other, so that it is never there twice; vectors are copied, and the
// files let go. Refuses a model that has blocks already.
Status quantize_weights(Model& model, const Mix& mix, ThreadPool& pool, const std::function<void(double share)>& progress = {});

}  // namespace owlet
