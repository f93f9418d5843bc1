// What files call our tensors.
#include <array>
#include <utility>

#include "model/architecture.h"

namespace owlet {
namespace {

// "model.layers.3.mlp.up_proj.weight" → ("model.layers.3.", "mlp.up_proj.weight"); nothing of the kind: ("", all).
std::pair<std::string, std::string> split_layer(const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!name.starts_with(kLayers)) return {"", name};
  const size_t end = name.find('.', kLayers.size()) + 1;
  return {name.substr(0, end), name.substr(end)};
}

// Queries, keys and values lie in one tensor, in this order; so do gate and up.
TensorPlace place_in_fused(const ModelConfig& c, const std::string& layer, const std::string& rest, std::string_view qkv,
                           std::string_view gate_up) {
  const auto at = [&](std::string_view name, int64_t first, int64_t n) { return TensorPlace{layer + std::string(name), first, n}; };
  if (rest == "self_attn.q_proj.weight") return at(qkv, 0, c.q_dim());
  if (rest == "self_attn.k_proj.weight") return at(qkv, c.q_dim(), c.kv_dim());
  if (rest == "self_attn.v_proj.weight") return at(qkv, c.q_dim() + c.kv_dim(), c.kv_dim());
  if (rest == "mlp.gate_proj.weight") return at(gate_up, 0, c.ffn_dim);
  if (rest == "mlp.up_proj.weight") return at(gate_up, c.ffn_dim, c.ffn_dim);
  return {};
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kGgufNames = {{
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
}};

std::string gguf_name(const ModelConfig& config, const std::string& rest) {
  const size_t dot = rest.rfind('.');
  const std::string_view part = std::string_view(rest).substr(0, dot), kind = std::string_view(rest).substr(dot);
  if (part == "post_attention_layernorm") return fmt::format("{}{}", config.post_norms ? "post_attention_norm" : "ffn_norm", kind);
  for (const auto& [hf, gguf] : kGgufNames) {
    if (part == hf) return fmt::format("{}{}", gguf, kind);
  }
  return rest;
}

}  // namespace

TensorPlace place_in_hf(const ModelConfig& config, const std::string& name) {
  const auto [layer, rest] = split_layer(name);
  if (find_architecture(config.architecture)->fused_projections) {
    const TensorPlace fused = place_in_fused(config, layer, rest, "self_attn.qkv_proj.weight", "mlp.gate_up_proj.weight");
    if (!fused.name.empty()) return fused;
  }
  return {name};
}

TensorPlace place_in_gguf(const ModelConfig& config, const std::string& name) {
  if (name == "model.embed_tokens.weight") return {"token_embd.weight"};
  if (name == "model.norm.weight") return {"output_norm.weight"};
  if (name == "lm_head.weight") return {"output.weight"};
  const auto [layer, rest] = split_layer(name);
  const std::string block = "blk." + layer.substr(std::string_view("model.layers.").size());
  if (find_architecture(config.architecture)->fused_projections) {
    const TensorPlace fused = place_in_fused(config, block, rest, "attn_qkv.weight", "ffn_up.weight");
    if (!fused.name.empty()) return fused;
  }
  return {block + gguf_name(config, rest)};
}

}  // namespace owlet
