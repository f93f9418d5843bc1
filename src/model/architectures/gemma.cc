// Gemma 2 and 3 (2024, 2025), text: gelu, norms around both branches that hold 1 + w, scaled embeddings, windows in some layers;
// Gemma 2 caps scores and logits, Gemma 3 norms queries and keys and rotates windowed layers by a theta of their own.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

constexpr int64_t kUsualPattern = 6;  // of Gemma 3: five windowed layers, then one that sees everything
constexpr double kLocalTheta = 10000;

bool windowed_in_gemma2(int64_t i) { return i % 2 == 0; }

void set_common(ModelConfig& config) {
  config.activation = Activation::kGeluTanh;
  config.post_norms = true;
  config.embedding_scale = std::sqrt(static_cast<double>(config.dim));
}

Status read_common(const Json& json, ModelConfig& config) {
  set_common(config);
  for (const char* key : {"hidden_activation", "hidden_act"}) {
    if (has_value(json, key) && json[key] != "gelu_pytorch_tanh") {
      return make_error(ErrorCode::kUnsupported, "'{}' is {}; only gelu_pytorch_tanh is supported", key, dump_json(json[key]));
    }
    if (has_value(json, key)) break;
  }
  OWLET_ASSIGN(const double scalar, number_or(json, "query_pre_attn_scalar", 256));
  if (!(scalar > 0)) return make_error(ErrorCode::kInvalidArgument, "'query_pre_attn_scalar' is {}", scalar);
  config.query_scale = 1.0 / std::sqrt(scalar);
  OWLET_ASSIGN(config.logit_soft_cap, number_or(json, "final_logit_softcapping", 0));
  return read_biases(json, config);
}

void write_common(const ModelConfig& config, Json& json) {
  write_biases(config, json);
  write_windows(config, json);
  json["hidden_activation"] = "gelu_pytorch_tanh";
  // transformers wants an integer, where it is one.
  const double scalar = std::round(1e6 / (config.attention_scale() * config.attention_scale())) / 1e6;
  json["query_pre_attn_scalar"] = scalar == std::round(scalar) ? Json(static_cast<int64_t>(scalar)) : Json(scalar);
  json["final_logit_softcapping"] = config.logit_soft_cap > 0 ? Json(config.logit_soft_cap) : Json();
}

Status read_gemma2(const Json& json, ModelConfig& config) {
  OWLET_TRY(read_common(json, config));
  OWLET_ASSIGN(config.attention_soft_cap, number_or(json, "attn_logit_softcapping", 0));
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", 0));
  return read_windows(json, window, windowed_in_gemma2, config);
}

void write_gemma2(const ModelConfig& config, Json& json) {
  write_common(config, json);
  json["attn_logit_softcapping"] = config.attention_soft_cap > 0 ? Json(config.attention_soft_cap) : Json();
}

// Layers with a window are rotated by the local theta.
void rotate_locally(ModelConfig& config, const std::function<bool(int64_t)>& is_local) {
  config.layers.resize(static_cast<size_t>(config.n_layers));
  for (int64_t i = 0; i < config.n_layers; ++i) {
    if (is_local(i)) config.layers[static_cast<size_t>(i)].rotation = Rotation::kLocal;
  }
}

Status read_gemma3(const Json& json, ModelConfig& config) {
  OWLET_TRY(read_common(json, config));
  config.qk_norm = QkNorm::kPerHead;
  OWLET_ASSIGN(const bool both_ways, bool_or(json, "use_bidirectional_attention", false));
  if (both_ways) return make_error(ErrorCode::kUnsupported, "'use_bidirectional_attention' is true; only causal attention is supported");
  OWLET_ASSIGN(config.rope.local_theta, number_or(json, "rope_local_base_freq", kLocalTheta));
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", 0));
  OWLET_ASSIGN(int64_t pattern, int_or(json, "_sliding_window_pattern", kUsualPattern));
  OWLET_ASSIGN(pattern, int_or(json, "sliding_window_pattern", pattern));
  if (pattern < 1) return make_error(ErrorCode::kInvalidArgument, "'sliding_window_pattern' is {}", pattern);
  if (window < 1) return make_error(ErrorCode::kUnsupported, "a Gemma 3 without a sliding window is not supported");
  OWLET_TRY(read_windows(json, window, [pattern](int64_t i) { return (i + 1) % pattern != 0; }, config));
  rotate_locally(config, [&](int64_t i) { return config.layer(i).window > 0; });
  return {};
}

void write_gemma3(const ModelConfig& config, Json& json) {
  write_common(config, json);
  json["rope_local_base_freq"] = config.rope.local_theta;
}

// Scores of the largest model of each generation are scaled by D / H instead of E.
Status read_gemma2_gguf(int64_t window, ModelConfig& config) {
  set_common(config);
  if (config.n_layers == 46) config.query_scale = 1.0 / std::sqrt(static_cast<double>(config.dim / config.n_heads));
  set_windows(window, windowed_in_gemma2, config);
  return {};
}

Status read_gemma3_gguf(int64_t window, ModelConfig& config) {
  set_common(config);
  if (config.n_layers == 62) config.query_scale = 1.0 / std::sqrt(static_cast<double>(config.dim / config.n_heads));
  config.rope.local_theta = kLocalTheta;
  const auto is_local = [](int64_t i) { return (i + 1) % kUsualPattern != 0; };
  set_windows(window, is_local, config);
  rotate_locally(config, is_local);
  return {};
}

}  // namespace

const Architecture kGemma2 = {.name = "gemma2",
                              .hf_class = "Gemma2ForCausalLM",
                              .gguf = "gemma2",
                              .read_hf = read_gemma2,
                              .write_hf = write_gemma2,
                              .read_gguf = read_gemma2_gguf,
                              .gguf_can = {.own_output = false},
                              .norm_offset = 1,
                              .unsaid = R"({"tie_word_embeddings":true,"head_dim":256,"num_key_value_heads":4,"sliding_window":4096,
                                        "attn_logit_softcapping":50.0,"final_logit_softcapping":30.0,"max_position_embeddings":8192})"};
const Architecture kGemma3 = {.name = "gemma3_text",
                              .hf_class = "Gemma3ForCausalLM",
                              .gguf = "gemma3",
                              .read_hf = read_gemma3,
                              .write_hf = write_gemma3,
                              .read_gguf = read_gemma3_gguf,
                              .norm_offset = 1,
                              .unsaid = R"({"tie_word_embeddings":true,"head_dim":256,"num_key_value_heads":4,"sliding_window":4096,
                                        "rope_theta":1e6,"max_position_embeddings":131072})"};

}  // namespace owlet
