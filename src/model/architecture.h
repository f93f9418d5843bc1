// An architecture is a description: what other people's files call its numbers and its tensors, and which of the block's parts it
// has. Adding one is adding a file under architectures/ and a line to the registry in architecture.cc.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "io/gguf.h"
#include "model/config.h"

namespace owlet {

// What GGUF files of a family can say beyond the common numbers, as llama.cpp reads them.
struct GgufAbilities {
  bool scales = false;        // of embeddings, scores, the stream and logits: always said
  bool biases = false;        // of the output projection and the ffn
  bool head_dim = true;       // heads of another width than D / H
  bool own_output = true;     // an output layer that is not the embedding table
  bool tied_output = true;    // and one that is
};

struct Architecture {
  std::string_view name;      // Hugging Face's `model_type`
  std::string_view hf_class;  // Hugging Face's `architectures[0]`
  std::string_view gguf;      // GGUF's `general.architecture`
  // What is particular to this family in config.json, after and before the common fields; refuses what it does not know. Fields
  // that `unsaid` names are there.
  Status (*read_hf)(const Json& config_json, ModelConfig& config);
  void (*write_hf)(const ModelConfig& config, Json& config_json);
  // What GGUF files of this family leave unsaid, after the common keys. `window` is the file's sliding window, 0 where it has none.
  Status (*read_gguf)(int64_t window, ModelConfig& config) = nullptr;
  GgufAbilities gguf_can = {};
  bool gguf_interleaved = false;   // GGUF files hold queries and keys in the order of interleaved pairs
  bool fused_projections = false;  // q, k and v are one tensor in files, and gate and up another
  double norm_offset = 0;          // Hugging Face's files hold the norms' weights less this
  std::string_view unsaid = "{}";  // JSON: what fields are that config.json does not name; null there is none
};

// nullptr where the name is unknown. By `model_type`, and by `general.architecture`.
const Architecture* find_architecture(std::string_view name);
const Architecture* find_gguf_architecture(std::string_view name);
// "llama, …", for messages.
std::string architecture_names();

// config.json, in the form of transformers 4 or 5.
Result<ModelConfig> config_from_hf(const Json& config_json);
Json config_to_hf(const ModelConfig& config, std::string_view torch_dtype);

// The metadata of a GGUF.
Result<ModelConfig> config_from_gguf(const GgufFile& file);

// Where a tensor lies in files: all of a stored one, or the rows of one that several share.
struct TensorPlace {
  std::string name;
  int64_t first_row = 0;
  int64_t n_rows = 0;  // 0: all
};
// Of a tensor by its name in Weights::for_each.
TensorPlace place_in_hf(const ModelConfig& config, const std::string& name);
TensorPlace place_in_gguf(const ModelConfig& config, const std::string& name);

// ---- For descriptions -----------------------------------------------------------------------------------------------

// A field that may be absent or null.
Result<int64_t> int_or(const Json& json, const char* key, int64_t fallback);
Result<double> number_or(const Json& json, const char* key, double fallback);
Result<bool> bool_or(const Json& json, const char* key, bool fallback);
bool has_value(const Json& json, const char* key);

// An id as files give it; −1: none. One beyond the vocabulary is none either: small models often come with a large one's config.
Result<int32_t> token_id(std::string_view role, int64_t id, int64_t vocab_size);

// Gives every layer its window: by `layer_types` where config.json has it, else where `is_windowed(i)`.
Status read_windows(const Json& config_json, int64_t window, const std::function<bool(int64_t)>& is_windowed, ModelConfig& config);
void set_windows(int64_t window, const std::function<bool(int64_t)>& is_windowed, ModelConfig& config);
// `sliding_window` (null where no layer has one) and `layer_types`.
void write_windows(const ModelConfig& config, Json& config_json);
// attention_bias for q, k, v and o, mlp_bias.
Status read_biases(const Json& config_json, ModelConfig& config);
void write_biases(const ModelConfig& config, Json& config_json);

}  // namespace owlet
