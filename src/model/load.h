// Models from and to the field's own formats.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "core/thread_pool.h"
#include "io/gguf.h"
#include "model/importance.h"
#include "model/mix.h"
#include "model/model.h"

namespace owlet {

// A GGUF file, a Hugging Face folder (config.json + model.safetensors or shards) or a PyTorch checkpoint (homemade.h). Weights stay mapped where their type can be
// computed with as it is.
Result<Model> load_model(const std::filesystem::path& path);
// … of a GGUF file that is open; `name` stands in errors.
Result<Model> load_model(const GgufFile& file, const std::string& name);
Result<ModelConfig> load_config(const std::filesystem::path& path);

// The same model with every weight in float32 and memory of its own: what training starts from.
Result<Model> to_float32(const Model& model);

// config.json and model.safetensors, weights in `dtype` (f32, f16 or bf16), or each in its own, which is one of these. Creates the
// folder.
Status save_hf(const Model& model, const std::filesystem::path& folder, std::optional<DType> dtype = {});

// The model's part of a GGUF: architecture metadata and tensors, matrices as the mix says, norms in f32, under llama.cpp's names and
// with its interleaved rotation. The caller adds the tokenizer's metadata and commits; the model and `importance` (null: none)
// outlive the writer.
Status add_to_gguf(const Model& model, const Mix& mix, GgufWriter& writer, const Importance* importance = nullptr);

// Every tensor becomes of the type that `type` says, in memory, one after the other, so that the model is never there twice; the files
// are let go.
void convert_weights(Model& model, const std::function<DType(const std::string& name, const Tensor& tensor)>& type, ThreadPool& pool,
                     const std::function<void(double share)>& progress = {});

// The model's float matrices become blocks in memory, one after the other, so that it is never there twice; vectors are copied, and the
// files let go. Refuses a model that has blocks already.
Status quantize_weights(Model& model, const Mix& mix, ThreadPool& pool, const std::function<void(double share)>& progress = {});

}  // namespace owlet
