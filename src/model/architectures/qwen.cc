// Qwen 2 and 2.5 (Yang et al. 2024): biases of queries, keys and values. Qwen 3 (2025): no biases, queries and keys are normed head by head.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

// Layers from max_window_layers on see a window, where use_sliding_window says so.
Status read_qwen_windows(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(const bool use, bool_or(json, "use_sliding_window", false));
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", 0));
  OWLET_ASSIGN(const int64_t first, int_or(json, "max_window_layers", 0));
  if (!use) return {};
  return read_windows(json, window, [first](int64_t i) { return i >= first; }, config);
}

void write_qwen_windows(const ModelConfig& config, Json& json) {
  write_windows(config, json);
  json["use_sliding_window"] = !json["sliding_window"].is_null();
}

Status read_qwen2(const Json& json, ModelConfig& config) {
  config.qkv_bias = true;
  return read_qwen_windows(json, config);
}

Status read_qwen3(const Json& json, ModelConfig& config) {
  config.qk_norm = QkNorm::kPerHead;
  OWLET_TRY(read_biases(json, config));
  return read_qwen_windows(json, config);
}

void write_qwen3(const ModelConfig& config, Json& json) {
  write_biases(config, json);
  write_qwen_windows(config, json);
}

}  // namespace

const Architecture kQwen2 = {.name = "qwen2",
                             .hf_class = "Qwen2ForCausalLM",
                             .gguf = "qwen2",
                             .read_hf = read_qwen2,
                             .write_hf = write_qwen_windows,
                             .gguf_can = {.head_dim = false},
                             .unsaid = R"({"max_position_embeddings":32768,"num_key_value_heads":32,"sliding_window":4096,"max_window_layers":28})"};
const Architecture kQwen3 = {.name = "qwen3",
                             .hf_class = "Qwen3ForCausalLM",
                             .gguf = "qwen3",
                             .read_hf = read_qwen3,
                             .write_hf = write_qwen3,
                             .unsaid = R"({"max_position_embeddings":32768,"num_key_value_heads":32,"head_dim":128,"sliding_window":4096,"max_window_layers":28})"};

}  // namespace owlet
