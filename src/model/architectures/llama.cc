// Llama 2 and 3 (Touvron et al. 2023, Grattafiori et al. 2024), and everything that calls itself llama.
#include "model/architectures/llama.h"

#include <array>
#include <utility>

namespace owlet {
namespace {

Status read_hf(const Json& json, ModelConfig&) {
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    if (json.contains(key) && json[key].is_boolean() && json[key].get<bool>()) {
      return make_error(ErrorCode::kUnsupported, "'{}' is true; biases are not supported", key);
    }
  }
  return {};
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kLayerNames = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
}};

std::string gguf_name(std::string_view hf_name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (hf_name == "model.embed_tokens.weight") return "token_embd.weight";
  if (hf_name == "model.norm.weight") return "output_norm.weight";
  if (hf_name == "lm_head.weight") return "output.weight";
  if (!hf_name.starts_with(kLayers)) return {};
  const std::string_view rest = hf_name.substr(kLayers.size());
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return {};
  for (const auto& [hf, gguf] : kLayerNames) {
    if (rest.substr(dot + 1) == hf) return fmt::format("blk.{}.{}", rest.substr(0, dot), gguf);
  }
  return {};
}

}  // namespace

const Architecture kLlama = {.name = "llama", .hf_class = "LlamaForCausalLM", .read_hf = read_hf, .gguf_name = gguf_name};

}  // namespace owlet
