// SmolLM3 (Bakouch et al. 2025): Llama, but every fourth layer knows no positions.
#include "model/architectures/architectures.h"

namespace owlet {
namespace {

constexpr int64_t kUsualInterval = 4;

void leave_unrotated(const std::function<bool(int64_t)>& is_unrotated, ModelConfig& config) {
  config.layers.resize(static_cast<size_t>(config.n_layers));
  for (int64_t i = 0; i < config.n_layers; ++i) {
    if (is_unrotated(i)) config.layers[static_cast<size_t>(i)].rotation = Rotation::kNone;
  }
}

Status read_hf(const Json& json, ModelConfig& config) {
  OWLET_TRY(read_biases(json, config));
  OWLET_ASSIGN(const bool use_windows, bool_or(json, "use_sliding_window", false));
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", 0));
  OWLET_ASSIGN(const int64_t interval, int_or(json, "no_rope_layer_interval", kUsualInterval));
  if (interval < 1) return make_error(ErrorCode::kInvalidArgument, "'no_rope_layer_interval' is {}", interval);
  if (!has_value(json, "no_rope_layers")) {
    leave_unrotated([interval](int64_t i) { return (i + 1) % interval == 0; }, config);
  } else {
    const Json& rotated = json["no_rope_layers"];  // despite the name, 1 is a layer that is rotated
    if (!rotated.is_array() || static_cast<int64_t>(rotated.size()) != config.n_layers) {
      return make_error(ErrorCode::kInvalidArgument, "'no_rope_layers' must be a list of {} numbers", config.n_layers);
    }
    leave_unrotated([&](int64_t i) { return rotated[static_cast<size_t>(i)] == 0 || rotated[static_cast<size_t>(i)] == false; }, config);
  }
  // Where windows are asked for, they are those layers' that know no positions.
  if (!use_windows && !has_value(json, "layer_types")) return {};
  return read_windows(json, window, [&](int64_t i) { return config.layer(i).rotation == Rotation::kNone; }, config);
}

void write_hf(const ModelConfig& config, Json& json) {
  write_biases(config, json);
  write_windows(config, json);
  json["use_sliding_window"] = !json["sliding_window"].is_null();
  Json rotated = Json::array();
  for (int64_t i = 0; i < config.n_layers; ++i) rotated.push_back(config.layer(i).rotation == Rotation::kNone ? 0 : 1);
  json["no_rope_layers"] = std::move(rotated);
}

Status read_gguf(int64_t, ModelConfig& config) {
  leave_unrotated([](int64_t i) { return (i + 1) % kUsualInterval == 0; }, config);
  return {};
}

}  // namespace

const Architecture kSmolLm3 = {.name = "smollm3",
                               .hf_class = "SmolLM3ForCausalLM",
                               .gguf = "smollm3",
                               .read_hf = read_hf,
                               .write_hf = write_hf,
                               .read_gguf = read_gguf,
                               .gguf_interleaved = true,
                               .unsaid = R"({"tie_word_embeddings":true,"rope_theta":2e6,"max_position_embeddings":32768,"num_key_value_heads":4})"};

}  // namespace owlet
