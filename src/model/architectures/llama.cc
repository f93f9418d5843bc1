// Llama 2 and 3 (Touvron et al. 2023, Grattafiori et al. 2024), and everything that calls itself llama.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

// A windowed one is a Mistral, which has no name of its own in GGUF.
Status read_gguf(int64_t window, ModelConfig& config) {
  if (window > 0) config.architecture = "mistral";
  set_windows(window, [](int64_t) { return true; }, config);
  return {};
}

}  // namespace

const Architecture kLlama = {.name = "llama",
                             .hf_class = "LlamaForCausalLM",
                             .gguf = "llama",
                             .read_hf = read_biases,
                             .write_hf = write_biases,
                             .read_gguf = read_gguf,
                             .gguf_can = {.biases = true},
                             .gguf_interleaved = true};

}  // namespace owlet
