// Mistral (Jiang et al. 2023): Llama with a sliding window over all layers. In GGUF its files call themselves llama.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

Status window_everywhere(int64_t window, ModelConfig& config) {
  set_windows(window, [](int64_t) { return true; }, config);
  return {};
}

// `layer_types`, where somebody wrote them, change nothing.
Status read_hf(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", 0));
  return window_everywhere(window, config);
}

}  // namespace

const Architecture kMistral = {.name = "mistral",
                               .hf_class = "MistralForCausalLM",
                               .gguf = "llama",
                               .read_hf = read_hf,
                               .write_hf = write_windows,
                               .read_gguf = window_everywhere,
                               .gguf_interleaved = true,
                               .unsaid = R"({"sliding_window":4096,"num_key_value_heads":8,"max_position_embeddings":131072})"};

}  // namespace owlet
