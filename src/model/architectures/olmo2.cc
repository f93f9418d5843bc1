// OLMo 2 (OLMo team 2024): norms only behind the branches, and of all of a query or key at once.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

Status read_hf(const Json& json, ModelConfig& config) {
  config.pre_norms = false;
  config.post_norms = true;
  config.qk_norm = QkNorm::kWhole;
  return read_biases(json, config);
}

}  // namespace

const Architecture kOlmo2 = {.name = "olmo2",
                             .hf_class = "Olmo2ForCausalLM",
                             .gguf = "olmo2",
                             .read_hf = read_hf,
                             .write_hf = write_biases,
                             .gguf_can = {.head_dim = false, .tied_output = false},
                             .unsaid = R"({"rms_norm_eps":1e-5})"};

}  // namespace owlet
