#include "model/mix.h"

#include <array>
#include <charconv>

namespace owlet {
namespace {

constexpr std::array<Mix, 12> kMixes = {{{"f32", DType::kF32, 0},
                                         {"f16", DType::kF16, 1},
                                         {"bf16", DType::kBF16, 32},
                                         {"q8_0", DType::kQ8_0, 7},
                                         {"q6_k", DType::kQ6_K, 18},
                                         {"q5_k_m", DType::kQ5_K, 17},
                                         {"q5_1", DType::kQ5_1, 9},
                                         {"q5_0", DType::kQ5_0, 8},
                                         {"q4_k_m", DType::kQ4_K, 15},
                                         {"q4_1", DType::kQ4_1, 3},
                                         {"q4_0", DType::kQ4_0, 2},
                                         {"iq4_nl", DType::kIQ4_NL, 25}}};

// "blk.7.ffn_down.weight" → 7.
int64_t layer_of(std::string_view name) {
  int64_t layer = 0;
  const std::string_view rest = name.substr(name.find('.') + 1);
  std::from_chars(rest.data(), rest.data() + rest.size(), layer);
  return layer;
}

// The first and the last eighth of the layers, and every third between.
bool gets_more_bits(int64_t layer, int64_t n_layers) {
  const int64_t eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

DType type_of_values(const Mix& mix, const ModelConfig& config, int64_t layer) {
  const bool k_mix = mix.most == DType::kQ4_K || mix.most == DType::kQ5_K;
  if (k_mix && gets_more_bits(layer, config.n_layers)) return DType::kQ6_K;
  if (mix.most == DType::kIQ4_NL && config.n_heads / config.n_kv_heads >= 4) return DType::kQ5_K;
  return mix.most;
}

DType type_of_down(const Mix& mix, const ModelConfig& config, int64_t layer, bool importance) {
  const bool k_mix = mix.most == DType::kQ4_K || mix.most == DType::kQ5_K, first = layer < config.n_layers / 8;
  if (k_mix && gets_more_bits(layer, config.n_layers)) return DType::kQ6_K;
  if (mix.most == DType::kIQ4_NL && first && !importance) return DType::kQ5_K;
  if (mix.most == DType::kQ4_0 && first && importance) return DType::kQ4_1;
  if (mix.most == DType::kQ5_0 && first && importance) return DType::kQ5_1;
  return mix.most;
}

DType preferred(const Mix& mix, const ModelConfig& config, std::string_view name, bool importance) {
  if (!is_quantized(mix.most)) return mix.most;
  const bool is_output = name == "output.weight" || (config.tie_embeddings && name == "token_embd.weight");
  if (is_output) return mix.most == DType::kQ8_0 ? DType::kQ8_0 : DType::kQ6_K;
  if (name.ends_with(".attn_v.weight") || name.ends_with(".attn_qkv.weight")) return type_of_values(mix, config, layer_of(name));
  if (name.ends_with(".ffn_down.weight")) return type_of_down(mix, config, layer_of(name), importance);
  return mix.most;
}

bool fits(DType dtype, int64_t cols) { return cols % dtype_info(dtype).block_size == 0; }

// Rows that are no multiple of 256 get the type of 32 with as many bits and a few more.
DType that_fits(DType dtype, int64_t cols) {
  if (fits(dtype, cols)) return dtype;
  DType instead = DType::kF16;
  if (dtype == DType::kQ4_K) instead = DType::kQ5_0;
  if (dtype == DType::kQ5_K) instead = DType::kQ5_1;
  if (dtype == DType::kQ6_K) instead = DType::kQ8_0;
  return fits(instead, cols) ? instead : DType::kF16;
}

}  // namespace

std::string mix_names() {
  std::string names;
  for (const Mix& mix : kMixes) names += fmt::format("{}{}", names.empty() ? "" : ", ", mix.name);
  return names;
}

Result<Mix> find_mix(std::string_view name) {
  for (const Mix& mix : kMixes) {
    if (mix.name == name) return mix;
  }
  return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is no type that is written", name), "choose " + mix_names()};
}

DType type_in_mix(const Mix& mix, const ModelConfig& config, std::string_view gguf_name, const Shape& shape, bool importance) {
  if (shape.rank() != 2) return DType::kF32;
  return that_fits(preferred(mix, config, gguf_name, importance), shape.last());
}

}  // namespace owlet
