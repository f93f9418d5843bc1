#include "model/architecture.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "model/architectures/architectures.h"

namespace owlet {
namespace {

#define OWLET_ADDRESS(name) &name,
const std::array kRegistry = {OWLET_ARCHITECTURES(OWLET_ADDRESS)};
#undef OWLET_ADDRESS

Result<RopeScaling> rope_type(const Json& rope) {
  OWLET_ASSIGN(const std::string type, get_string(rope, rope.contains("rope_type") ? "rope_type" : "type"));
  // Early Phi-3 folders call longrope by two other names.
  if (type == "su" || (type == "yarn" && has_value(rope, "short_factor"))) return RopeScaling::kLongRope;
  return parse_rope_scaling(type);
}

Status read_rope_numbers(const Json& rope, const Json& json, ModelConfig& config) {
  RopeConfig& r = config.rope;
  OWLET_ASSIGN(r.scaling, rope_type(rope));
  if (r.scaling == RopeScaling::kNone) return {};
  // Beside the scaling it says more than inside it.
  OWLET_ASSIGN(const int64_t original, int_or(rope, "original_max_position_embeddings", config.max_positions));
  OWLET_ASSIGN(r.original_positions, int_or(json, "original_max_position_embeddings", original));
  OWLET_ASSIGN(r.factor, number_or(rope, "factor", r.original_positions > 0 ? static_cast<double>(config.max_positions) / static_cast<double>(r.original_positions) : 1.0));
  if (r.scaling == RopeScaling::kYarn || r.scaling == RopeScaling::kLongRope) {
    OWLET_ASSIGN(r.attention_factor, number_or(rope, "attention_factor", 0.0));
  }
  OWLET_ASSIGN(r.beta_fast, number_or(rope, "beta_fast", r.beta_fast));
  OWLET_ASSIGN(r.beta_slow, number_or(rope, "beta_slow", r.beta_slow));
  OWLET_ASSIGN(r.mscale, number_or(rope, "mscale", 0.0));
  OWLET_ASSIGN(r.mscale_all_dim, number_or(rope, "mscale_all_dim", 0.0));
  OWLET_ASSIGN(r.truncate, bool_or(rope, "truncate", true));
  OWLET_ASSIGN(r.low_freq_factor, number_or(rope, "low_freq_factor", r.low_freq_factor));
  OWLET_ASSIGN(r.high_freq_factor, number_or(rope, "high_freq_factor", r.high_freq_factor));
  for (const auto& [key, factors] : {std::pair{"short_factor", &r.short_factors}, std::pair{"long_factor", &r.long_factors}}) {
    if (!has_value(rope, key)) continue;
    const bool numbers = rope[key].is_array() && std::all_of(rope[key].begin(), rope[key].end(), [](const Json& x) { return x.is_number(); });
    if (!numbers) return make_error(ErrorCode::kInvalidArgument, "'{}' must be a list of numbers", key);
    *factors = rope[key].get<std::vector<double>>();
  }
  // A dynamic scaling counts from the context in config.json, and is there to go beyond it.
  if (r.scaling == RopeScaling::kDynamic && r.factor >= 1 && r.factor < 1e3 && config.max_positions < (int64_t{1} << 32)) {
    r.original_positions = config.max_positions;
    config.max_positions = static_cast<int64_t>(static_cast<double>(config.max_positions) * r.factor);
  }
  return {};
}

Status read_local_rope(const Json& rope, RopeConfig& r) {
  OWLET_ASSIGN(r.local_theta, number_or(rope, "rope_theta", r.local_theta > 0 ? r.local_theta : 10000.0));
  if (!has_value(rope, "rope_type") && !has_value(rope, "type")) return {};
  OWLET_ASSIGN(const RopeScaling scaling, rope_type(rope));
  if (scaling == RopeScaling::kNone) return {};
  return make_error(ErrorCode::kUnsupported, "layers with a window have a rotary scaling of their own, '{}': that is not supported", to_string(scaling));
}

// transformers 5 keeps rotation settings in `rope_parameters`, by type of layer where types differ; 4 in `rope_theta`,
// `rope_scaling` and fields beside them.
Status read_rope(const Json& json, ModelConfig& config) {
  RopeConfig& r = config.rope;
  OWLET_ASSIGN(r.theta, number_or(json, "rope_theta", 10000.0));
  OWLET_ASSIGN(double partial, number_or(json, "partial_rotary_factor", 1.0));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!has_value(json, key)) continue;
    const Json* rope = &json[key];
    if (rope->is_object() && rope->contains("full_attention")) {
      if (has_value(*rope, "sliding_attention")) OWLET_TRY(read_local_rope((*rope)["sliding_attention"], r));
      rope = &(*rope)["full_attention"];
    }
    if (!rope->is_object()) return make_error(ErrorCode::kInvalidArgument, "'{}' must be an object", key);
    OWLET_ASSIGN(r.theta, number_or(*rope, "rope_theta", r.theta));
    OWLET_ASSIGN(partial, number_or(*rope, "partial_rotary_factor", partial));
    if (rope->contains("rope_type") || rope->contains("type")) {
      OWLET_TRY(read_rope_numbers(*rope, json, config));
      break;
    }
  }
  if (!(partial > 0 && partial <= 1)) return make_error(ErrorCode::kInvalidArgument, "'partial_rotary_factor' is {}", partial);
  if (partial < 1) r.rotary_dim = static_cast<int64_t>(static_cast<double>(config.head_dim) * partial);
  return {};
}

Json rope_to_hf(const RopeConfig& r) {
  Json json = {{"rope_type", to_string(r.scaling)}};
  json["factor"] = r.factor;
  if (r.scaling != RopeScaling::kLinear && r.scaling != RopeScaling::kDynamic) json["original_max_position_embeddings"] = r.original_positions;
  if (r.attention_factor > 0) json["attention_factor"] = r.attention_factor;
  if (r.scaling == RopeScaling::kYarn) {
    json["beta_fast"] = r.beta_fast;
    json["beta_slow"] = r.beta_slow;
    if (r.mscale != 0) json["mscale"] = r.mscale;
    if (r.mscale_all_dim != 0) json["mscale_all_dim"] = r.mscale_all_dim;
    if (!r.truncate) json["truncate"] = false;
  }
  if (r.scaling == RopeScaling::kLlama3) {
    json["low_freq_factor"] = r.low_freq_factor;
    json["high_freq_factor"] = r.high_freq_factor;
  }
  if (r.scaling == RopeScaling::kLongRope) {
    json["short_factor"] = r.short_factors;
    json["long_factor"] = r.long_factors;
  }
  return json;
}

Status read_token_ids(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(const int64_t bos, int_or(json, "bos_token_id", -1));
  OWLET_ASSIGN(const int64_t pad, int_or(json, "pad_token_id", -1));
  OWLET_ASSIGN(config.bos, token_id("bos", bos, config.vocab_size));
  OWLET_ASSIGN(config.pad, token_id("pad", pad, config.vocab_size));
  if (!has_value(json, "eos_token_id")) return {};
  const Json& eos = json["eos_token_id"];
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (!id.is_number_integer()) return make_error(ErrorCode::kInvalidArgument, "'eos_token_id' must hold integers");
    OWLET_ASSIGN(const int32_t eos_id, token_id("eos", id.get<int64_t>(), config.vocab_size));
    if (eos_id >= 0) config.eos.push_back(eos_id);
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
  if (config.n_layers < 0 || config.n_layers > 4096) return make_error(ErrorCode::kInvalidArgument, "'num_hidden_layers' is {}", config.n_layers);
  OWLET_ASSIGN(config.head_dim, int_or(json, "head_dim", config.dim / config.n_heads));
  OWLET_ASSIGN(config.ffn_dim, get_int(json, "intermediate_size"));
  OWLET_ASSIGN(config.max_positions, int_or(json, "max_position_embeddings", 2048));
  OWLET_ASSIGN(config.rms_eps, number_or(json, "rms_norm_eps", 1e-6));
  OWLET_ASSIGN(config.tie_embeddings, bool_or(json, "tie_word_embeddings", false));
  return {};
}

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  const auto it = std::find_if(kRegistry.begin(), kRegistry.end(), [name](const Architecture* a) { return a->name == name; });
  return it == kRegistry.end() ? nullptr : *it;
}

const Architecture* find_gguf_architecture(std::string_view name) {
  const auto it = std::find_if(kRegistry.begin(), kRegistry.end(), [name](const Architecture* a) { return a->gguf == name; });
  return it == kRegistry.end() ? nullptr : *it;
}

std::string architecture_names() {
  std::vector<std::string_view> names;
  for (const Architecture* architecture : kRegistry) names.push_back(architecture->name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<ModelConfig> config_from_hf(const Json& config_json) {
  ModelConfig config;
  OWLET_ASSIGN(config.architecture, get_string(config_json, "model_type"));
  const Architecture* architecture = find_architecture(config.architecture);
  if (!architecture) {
    return Error{ErrorCode::kUnsupported, fmt::format("models of type '{}' are not supported", config.architecture),
                 "supported: " + architecture_names()};
  }
  OWLET_ASSIGN(Json json, parse_json(architecture->unsaid));
  json.update(config_json);
  OWLET_TRY(read_sizes(json, config));
  OWLET_TRY(read_token_ids(json, config));
  OWLET_TRY(architecture->read_hf(json, config));
  // Gemma's own field says what it computes; the others' is this one.
  if (config.activation == Activation::kSilu && has_value(json, "hidden_act") && json["hidden_act"] != "silu") {
    return make_error(ErrorCode::kUnsupported, "'hidden_act' is {}; only silu is supported", dump_json(json["hidden_act"]));
  }
  OWLET_TRY(read_rope(json, config));
  OWLET_TRY(config.validate());
  return config;
}

Json config_to_hf(const ModelConfig& c, std::string_view torch_dtype) {
  const Architecture* architecture = find_architecture(c.architecture);
  OWLET_CHECK(architecture != nullptr, "{}", c.architecture);
  const bool dynamic = c.rope.scaling == RopeScaling::kDynamic;
  Json json = {{"architectures", Json::array({architecture->hf_class})},
               {"model_type", c.architecture},
               {"vocab_size", c.vocab_size},
               {"hidden_size", c.dim},
               {"intermediate_size", c.ffn_dim},
               {"num_hidden_layers", c.n_layers},
               {"num_attention_heads", c.n_heads},
               {"num_key_value_heads", c.n_kv_heads},
               {"head_dim", c.head_dim},
               {"hidden_act", c.activation == Activation::kSilu ? "silu" : "gelu_pytorch_tanh"},
               {"max_position_embeddings", dynamic ? c.rope.original_positions : c.max_positions},
               {"rms_norm_eps", c.rms_eps},
               {"rope_theta", c.rope.theta},
               {"tie_word_embeddings", c.tie_embeddings},
               {"torch_dtype", torch_dtype}};
  if (c.rope.scaling != RopeScaling::kNone) json["rope_scaling"] = rope_to_hf(c.rope);
  if (c.rotary_dim() != c.head_dim) json["partial_rotary_factor"] = static_cast<double>(c.rotary_dim()) / static_cast<double>(c.head_dim);
  if (c.bos >= 0) json["bos_token_id"] = c.bos;
  if (c.pad >= 0) json["pad_token_id"] = c.pad;
  if (c.eos.size() == 1) json["eos_token_id"] = c.eos.front();
  if (c.eos.size() > 1) json["eos_token_id"] = c.eos;
  architecture->write_hf(c, json);
  return json;
}

// ---- For descriptions -----------------------------------------------------------------------------------------------

bool has_value(const Json& json, const char* key) { return json.is_object() && json.contains(key) && !json[key].is_null(); }

Result<int32_t> token_id(std::string_view role, int64_t id, int64_t vocab_size) {
  if (id >= vocab_size) return -1;
  if (id >= -1) return static_cast<int32_t>(id);
  return make_error(ErrorCode::kInvalidArgument, "the {} token has the id {}", role, id);
}

Result<int64_t> int_or(const Json& json, const char* key, int64_t fallback) {
  if (!has_value(json, key)) return fallback;
  return get_int(json, key);
}

Result<double> number_or(const Json& json, const char* key, double fallback) {
  if (!has_value(json, key)) return fallback;
  return get_number(json, key);
}

Result<bool> bool_or(const Json& json, const char* key, bool fallback) {
  if (!has_value(json, key)) return fallback;
  if (!json[key].is_boolean()) return make_error(ErrorCode::kInvalidArgument, "'{}' must be true or false", key);
  return json[key].get<bool>();
}

void set_windows(int64_t window, const std::function<bool(int64_t)>& is_windowed, ModelConfig& config) {
  if (window == 0) return;
  config.layers.resize(static_cast<size_t>(config.n_layers));
  for (int64_t i = 0; i < config.n_layers; ++i) config.layers[static_cast<size_t>(i)].window = is_windowed(i) ? window : 0;
}

Status read_windows(const Json& json, int64_t window, const std::function<bool(int64_t)>& is_windowed, ModelConfig& config) {
  if (!has_value(json, "layer_types")) {
    set_windows(window, is_windowed, config);
    return {};
  }
  const Json& types = json["layer_types"];
  if (!types.is_array() || static_cast<int64_t>(types.size()) != config.n_layers) {
    return make_error(ErrorCode::kInvalidArgument, "'layer_types' must be a list of {} names", config.n_layers);
  }
  for (const Json& type : types) {
    if (type == "sliding_attention" && window < 1) return make_error(ErrorCode::kInvalidArgument, "'layer_types' asks for windows, but 'sliding_window' is absent");
    if (type != "sliding_attention" && type != "full_attention") return make_error(ErrorCode::kUnsupported, "layers of type {} are not supported", dump_json(type));
  }
  set_windows(window, [&](int64_t i) { return types[static_cast<size_t>(i)] == "sliding_attention"; }, config);
  return {};
}

void write_windows(const ModelConfig& config, Json& json) {
  Json types = Json::array();
  int64_t window = 0;
  for (int64_t i = 0; i < config.n_layers; ++i) {
    window = std::max(window, config.layer(i).window);
    types.push_back(config.layer(i).window > 0 ? "sliding_attention" : "full_attention");
  }
  json["sliding_window"] = window > 0 ? Json(window) : Json();
  if (window > 0) json["layer_types"] = std::move(types);
}

Status read_biases(const Json& json, ModelConfig& config) {
  OWLET_ASSIGN(config.qkv_bias, bool_or(json, "attention_bias", false));
  config.o_bias = config.qkv_bias;
  OWLET_ASSIGN(config.mlp_bias, bool_or(json, "mlp_bias", false));
  return {};
}

void write_biases(const ModelConfig& config, Json& json) {
  json["attention_bias"] = config.qkv_bias;
  json["mlp_bias"] = config.mlp_bias;
}

}  // namespace owlet
