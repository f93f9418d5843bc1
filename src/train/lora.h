// Low-rank adapters to be trained (Hu et al. 2021; rsLoRA, DoRA, QLoRA): put beside a model's linear layers, and written as PEFT has them.
#pragma once

#include <filesystem>

#include "core/thread_pool.h"
#include "model/model.h"
#include "train/config.h"

namespace owlet {

// Fresh adapters beside the linear layers that the config's patterns name: a is uniform within ±1 / √inputs, b zero, a magnitude the length
// that its row has, so that the model answers as before. Errors: no layer of that name; a layer that has an adapter already; one that the architecture's files hold in
// one tensor with others.
Status add_adapters(const Context& context, Model& model, const LoraConfig& config, uint64_t seed);

// Linear layers become NF4 with the scales that double quantization gives; those whose rows are no multiple of 64 stay as they are.
void quantize_base(Model& model, ThreadPool& pool);

// adapter_config.json and adapter_model.safetensors of PEFT, float32, in Hugging Face's names and order of rotation. `base` is what
// the config calls the model that they belong to.
Status save_peft(const Model& model, const LoraConfig& config, const std::string& base, const std::filesystem::path& folder);

}  // namespace owlet
