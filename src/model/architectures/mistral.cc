// Mistral (Jiang et al. 2023): Llama with a sliding window over all layers. In GGUF its files call themselves llama.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

constexpr int64_t kUsualWindow = 4096;  // where config.json does not say; null is none

Status read_hf(const Json& json, ModelConfig& config) {
  const int64_t unsaid = json.contains("sliding_window") ? 0 : kUsualWindow;
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", unsaid));
  return read_windows(json, window, [](int64_t) { return true; }, config);
}

Status read_gguf(int64_t window, ModelConfig& config) {
  set_windows(window, [](int64_t) { return true; }, config);
  return {};
}

}  // namespace

const Architecture kMistral = {.name = "mistral",
                               .hf_class = "MistralForCausalLM",
                               .gguf = "llama",
                               .read_hf = read_hf,
                               .write_hf = write_windows,
                               .read_gguf = read_gguf,
                               .gguf_interleaved = true};

}  // namespace owlet
