// Llama 2 and 3 (Touvron et al. 2023, Grattafiori et al. 2024), and everything that calls itself llama.
#include "model/architectures/architectures.h"

namespace owlet {

const Architecture kLlama = {.name = "llama",
                             .hf_class = "LlamaForCausalLM",
                             .gguf = "llama",
                             .read_hf = read_biases,
                             .write_hf = write_biases,
                             .gguf_interleaved = true};

}  // namespace owlet
