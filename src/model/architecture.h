// An architecture is a description: what other people's files call its numbers and its tensors. Adding one is adding a file
// under architectures/ and a line to the registry in architecture.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/json.h"
#include "model/config.h"

namespace owlet {

struct Architecture {
  std::string_view name;      // Hugging Face's `model_type`, GGUF's `general.architecture`
  std::string_view hf_class;  // Hugging Face's `architectures[0]`
  // Reads what is particular to this family from config.json, after the common fields; refuses what it does not know.
  Status (*read_hf)(const Json& config_json, ModelConfig& config);
  // GGUF's name of a tensor given in Hugging Face's names; empty where there is none.
  std::string (*gguf_name)(std::string_view hf_name);
};

// nullptr where the name is unknown.
const Architecture* find_architecture(std::string_view name);
// "llama, …", for messages.
std::string architecture_names();

// config.json, in the form of transformers 4 or 5.
Result<ModelConfig> config_from_hf(const Json& config_json);
Json config_to_hf(const ModelConfig& config, std::string_view torch_dtype);

}  // namespace owlet
