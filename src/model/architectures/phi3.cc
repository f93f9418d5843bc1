// Phi-3 and Phi-4-mini (Abdin et al. 2024): Llama with projections stored together, and rotations stretched by LongRoPE.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

Status read_hf(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", 0));
  set_windows(window, [](int64_t) { return true; }, config);
  return {};
}

void write_hf(const ModelConfig& config, Json& json) {
  write_windows(config, json);
  if (config.rope.scaling != RopeScaling::kLongRope) return;
  // transformers 4 takes exactly three fields here. What the scale of angles is then follows from the two contexts.
  Json& rope = json["rope_scaling"];
  json["original_max_position_embeddings"] = config.rope.original_positions;
  rope["type"] = "longrope";
  rope.erase("rope_type");
  rope.erase("original_max_position_embeddings");
  const double implied = static_cast<double>(config.max_positions) / static_cast<double>(config.rope.original_positions);
  if (std::abs(config.rope.factor - implied) < 1e-9 * implied) rope.erase("factor");
}

Status read_gguf(int64_t window, ModelConfig& config) {
  set_windows(window, [](int64_t) { return true; }, config);
  return {};
}

}  // namespace

const Architecture kPhi3 = {.name = "phi3",
                            .hf_class = "Phi3ForCausalLM",
                            .gguf = "phi3",
                            .read_hf = read_hf,
                            .write_hf = write_hf,
                            .read_gguf = read_gguf,
                            .gguf_can = {.head_dim = false},
                            .fused_projections = true,
                            .unsaid = R"({"max_position_embeddings":4096,"original_max_position_embeddings":4096,"rms_norm_eps":1e-5})"};

}  // namespace owlet
