// EXAONE 4 (LG AI Research 2025): norms only behind the branches, and of each query and key head. The larger model sees windows in
// all but every fourth layer, and that fourth knows no positions; the smaller sees and rotates everywhere.
#include <algorithm>

#include "model/architectures/architectures.h"

namespace owlet {
namespace {

constexpr int64_t kUsualPattern = 4;
constexpr int64_t kUsualWindow = 4096;
constexpr int64_t kLayersOfTheLarger = 64;  // llama.cpp gives windows to a model of so many layers alone

bool has_windows(const ModelConfig& config) {
  return std::any_of(config.layers.begin(), config.layers.end(), [](const LayerConfig& layer) { return layer.window > 0; });
}

// Where some layers see a window, those that see everything are not rotated.
void leave_whole_layers_unrotated(ModelConfig& config) {
  if (!has_windows(config)) return;
  for (LayerConfig& layer : config.layers) {
    if (layer.window == 0) layer.rotation = Rotation::kNone;
  }
}

// A layer's place in a pattern: the last of every `n`, or an "L" (local) or "G" (global) of a word that repeats.
Result<std::function<bool(int64_t)>> read_pattern(const Json& json) {
  if (has_value(json, "sliding_window_pattern") && json["sliding_window_pattern"].is_string()) {
    const auto word = json["sliding_window_pattern"].get<std::string>();
    if (word.empty()) return make_error(ErrorCode::kInvalidArgument, "'sliding_window_pattern' is empty");
    return std::function<bool(int64_t)>([word](int64_t i) { return word[static_cast<size_t>(i) % word.size()] == 'L'; });
  }
  OWLET_ASSIGN(const int64_t pattern, int_or(json, "sliding_window_pattern", kUsualPattern));
  if (pattern < 1) return make_error(ErrorCode::kInvalidArgument, "'sliding_window_pattern' is {}", pattern);
  return std::function<bool(int64_t)>([pattern](int64_t i) { return (i + 1) % pattern != 0; });
}

Status read_hf(const Json& json, ModelConfig& config) {
  config.pre_norms = false;
  config.post_norms = true;
  config.qk_norm = QkNorm::kPerHead;
  OWLET_ASSIGN(const int64_t window, int_or(json, "sliding_window", json.contains("sliding_window") ? 0 : kUsualWindow));
  if (window == 0) return {};
  OWLET_ASSIGN(const auto is_windowed, read_pattern(json));
  OWLET_TRY(read_windows(json, window, is_windowed, config));
  leave_whole_layers_unrotated(config);
  return {};
}

// Where layer_types is absent, transformers divides by the pattern, and there is none without a window.
void write_hf(const ModelConfig& config, Json& json) {
  write_windows(config, json);
  if (!has_windows(config)) json["layer_types"] = std::vector<std::string>(static_cast<size_t>(config.n_layers), "full_attention");
}

Status read_gguf(int64_t window, ModelConfig& config) {
  if (window == 0 || config.n_layers != kLayersOfTheLarger) return {};
  set_windows(window, [](int64_t i) { return (i + 1) % kUsualPattern != 0; }, config);
  leave_whole_layers_unrotated(config);
  return {};
}

}  // namespace

const Architecture kExaone4 = {.name = "exaone4",
                               .hf_class = "Exaone4ForCausalLM",
                               .gguf = "exaone4",
                               .read_hf = read_hf,
                               .write_hf = write_hf,
                               .read_gguf = read_gguf};

}  // namespace owlet
