#include "model/architecture.h"

#include <fmt/ranges.h>

#include <array>
#include <vector>

#include "model/architectures/llama.h"

namespace owlet {
namespace {

const std::array<const Architecture*, 1> kRegistry = {&kLlama};

// An integer field that may be absent or null.
Result<int64_t> int_or(const Json& json, const char* key, int64_t fallback) {
  if (!json.contains(key) || json[key].is_null()) return fallback;
  return get_int(json, key);
}

Result<double> number_or(const Json& json, const char* key, double fallback) {
  if (!json.contains(key) || json[key].is_null()) return fallback;
  return get_number(json, key);
}

// transformers 5 keeps rotation settings in `rope_parameters`, 4 in `rope_theta` and `rope_scaling`.
Status read_rope(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(config.rope_theta, number_or(json, "rope_theta", 10000.0));
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!json.contains(key) || json[key].is_null()) continue;
    const Json& rope = json[key];
    OWLET_ASSIGN(config.rope_theta, number_or(rope, "rope_theta", config.rope_theta));
    const char* type_key = rope.contains("rope_type") ? "rope_type" : "type";
    if (!rope.contains(type_key)) continue;
    OWLET_ASSIGN(const std::string type, get_string(rope, type_key));
    if (type != "default") {
      return make_error(ErrorCode::kUnsupported, "{}: rotary scaling of type '{}' is not supported", key, type);
    }
  }
  return {};
}

Status read_token_ids(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(const int64_t bos, int_or(json, "bos_token_id", -1));
  OWLET_ASSIGN(const int64_t pad, int_or(json, "pad_token_id", -1));
  config.bos = static_cast<int32_t>(bos);
  config.pad = static_cast<int32_t>(pad);
  if (!json.contains("eos_token_id") || json["eos_token_id"].is_null()) return {};
  const Json& eos = json["eos_token_id"];
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (!id.is_number_integer()) return make_error(ErrorCode::kInvalidArgument, "'eos_token_id' must hold integers");
    config.eos.push_back(id.get<int32_t>());
  }
  return {};
}

Status read_sizes(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(config.vocab_size, get_int(json, "vocab_size"));
  OWLET_ASSIGN(config.dim, get_int(json, "hidden_size"));
  OWLET_ASSIGN(config.n_layers, get_int(json, "num_hidden_layers"));
  OWLET_ASSIGN(config.n_heads, get_int(json, "num_attention_heads"));
  OWLET_ASSIGN(config.n_kv_heads, int_or(json, "num_key_value_heads", config.n_heads));
  if (config.n_heads <= 0) return make_error(ErrorCode::kInvalidArgument, "'num_attention_heads' must be at least 1");
  OWLET_ASSIGN(config.head_dim, int_or(json, "head_dim", config.dim / config.n_heads));
  OWLET_ASSIGN(config.ffn_dim, get_int(json, "intermediate_size"));
  OWLET_ASSIGN(config.max_positions, int_or(json, "max_position_embeddings", 2048));
  OWLET_ASSIGN(config.rms_eps, number_or(json, "rms_norm_eps", 1e-6));
  config.tie_embeddings = json.value("tie_word_embeddings", Json(false)) == Json(true);
  return {};
}

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture* architecture : kRegistry) {
    if (architecture->name == name) return architecture;
  }
  return nullptr;
}

std::string architecture_names() {
  std::vector<std::string_view> names;
  for (const Architecture* architecture : kRegistry) names.push_back(architecture->name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<ModelConfig> config_from_hf(const Json& json) {
  ModelConfig config;
  OWLET_ASSIGN(config.architecture, get_string(json, "model_type"));
  const Architecture* architecture = find_architecture(config.architecture);
  if (!architecture) {
    return Error{ErrorCode::kUnsupported, fmt::format("models of type '{}' are not supported", config.architecture),
                 "supported: " + architecture_names()};
  }
  if (json.contains("hidden_act") && json["hidden_act"] != "silu") {
    return make_error(ErrorCode::kUnsupported, "'hidden_act' is {}; only silu is supported", dump_json(json["hidden_act"]));
  }
  OWLET_TRY(read_sizes(json, config));
  OWLET_TRY(read_rope(json, config));
  OWLET_TRY(read_token_ids(json, config));
  OWLET_TRY(architecture->read_hf(json, config));
  OWLET_TRY(config.validate());
  return config;
}

Json config_to_hf(const ModelConfig& c, std::string_view torch_dtype) {
  const Architecture* architecture = find_architecture(c.architecture);
  OWLET_CHECK(architecture != nullptr, "{}", c.architecture);
  Json json = {{"architectures", Json::array({architecture->hf_class})},
               {"model_type", c.architecture},
               {"vocab_size", c.vocab_size},
               {"hidden_size", c.dim},
               {"intermediate_size", c.ffn_dim},
               {"num_hidden_layers", c.n_layers},
               {"num_attention_heads", c.n_heads},
               {"num_key_value_heads", c.n_kv_heads},
               {"head_dim", c.head_dim},
               {"hidden_act", "silu"},
               {"max_position_embeddings", c.max_positions},
               {"rms_norm_eps", c.rms_eps},
               {"rope_theta", c.rope_theta},
               {"attention_bias", false},
               {"mlp_bias", false},
               {"tie_word_embeddings", c.tie_embeddings},
               {"torch_dtype", torch_dtype}};
  if (c.bos >= 0) json["bos_token_id"] = c.bos;
  if (c.pad >= 0) json["pad_token_id"] = c.pad;
  if (c.eos.size() == 1) json["eos_token_id"] = c.eos.front();
  if (c.eos.size() > 1) json["eos_token_id"] = c.eos;
  return json;
}

}  // namespace owlet
