#include "model/homemade.h"

#include <array>
#include <utility>

#include "core/json.h"
#include "model/architecture.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxParamsBytes = 1 << 20;

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kNames = {{
    {"embed_tokens", "tok_embeddings"},
    {"lm_head", "output"},
    {"input_layernorm", "attention_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_proj", "attention.wq"},
    {"self_attn.k_proj", "attention.wk"},
    {"self_attn.v_proj", "attention.wv"},
    {"self_attn.o_proj", "attention.wo"},
    {"mlp.gate_proj", "feed_forward.w1"},
    {"mlp.down_proj", "feed_forward.w2"},
    {"mlp.up_proj", "feed_forward.w3"},
    {"norm", "norm"},
}};

bool is_checkpoint(const fs::path& path) { return path.extension() == ".pt" || path.extension() == ".pth"; }

Result<Json> read_params(const fs::path& checkpoint) {
  const fs::path file = checkpoint.parent_path() / "params.json";
  std::error_code code;
  if (!fs::exists(file, code)) return Json::object();
  OWLET_ASSIGN(const std::string text, read_file(file, kMaxParamsBytes));
  auto json = parse_json(text);
  if (json.ok() && !json->is_object()) return corrupt("{}: expected an object", file.string());
  if (!json.ok()) return std::move(json).error().in(file.string());
  return json;
}

// Rows and columns of a matrix that every checkpoint has.
Result<std::pair<int64_t, int64_t>> shape_of(const TorchFile& file, const std::string& name) {
  OWLET_ASSIGN(const Tensor tensor, file.tensor(name));
  if (tensor.shape().rank() != 2) return corrupt("'{}' has the shape {}", name, tensor.shape().to_string());
  return std::pair(tensor.shape()[0], tensor.shape()[1]);
}

Result<ModelConfig> read_config(const TorchFile& file, const Json& params) {
  ModelConfig c;
  OWLET_ASSIGN(const auto embedding, shape_of(file, "tok_embeddings.weight"));
  c.vocab_size = embedding.first;
  c.dim = embedding.second;
  while (file.has(fmt::format("layers.{}.attention.wq.weight", c.n_layers))) ++c.n_layers;
  if (file.has(fmt::format("layers.{}.attention.wq.weight", c.n_layers + 1))) {
    return corrupt("layer {} is missing", c.n_layers);
  }
  OWLET_ASSIGN(c.n_heads, int_or(params, "n_heads", 16));
  OWLET_ASSIGN(c.rms_eps, number_or(params, "norm_eps", 1e-5));
  OWLET_ASSIGN(c.rope.theta, number_or(params, "rope_theta", 50000));
  OWLET_ASSIGN(c.max_positions, int_or(params, "max_seq_len", 4096));
  OWLET_ASSIGN(const auto q, shape_of(file, "layers.0.attention.wq.weight"));
  OWLET_ASSIGN(const auto k, shape_of(file, "layers.0.attention.wk.weight"));
  OWLET_ASSIGN(const auto up, shape_of(file, "layers.0.feed_forward.w3.weight"));
  if (c.n_heads < 1 || q.first % c.n_heads != 0 || k.first % (q.first / c.n_heads) != 0) {
    return Error{ErrorCode::kUnsupported, fmt::format("{} rows of queries and {} of keys do not divide into {} heads", q.first, k.first, c.n_heads),
                 "say how many there are in a params.json beside it: {\"n_heads\": 8}"};
  }
  c.head_dim = q.first / c.n_heads;
  c.n_kv_heads = k.first / c.head_dim;
  c.ffn_dim = up.first;
  c.rope_interleaved = true;
  c.tie_embeddings = !file.has("output.weight");
  OWLET_TRY(c.validate());
  return c;
}

}  // namespace

fs::path find_checkpoint(const fs::path& path) {
  std::error_code code;
  if (!fs::is_directory(path, code)) return is_checkpoint(path) ? path : fs::path();
  if (fs::exists(path / "config.json", code)) return {};
  fs::path found;
  for (const auto& entry : fs::directory_iterator(path, code)) {
    if (!is_checkpoint(entry.path())) continue;
    if (!found.empty()) return {};
    found = entry.path();
  }
  return found;
}

Result<ModelConfig> config_from_checkpoint(const TorchFile& file, const fs::path& path) {
  OWLET_ASSIGN(const Json params, read_params(path));
  auto config = read_config(file, params);
  if (!config.ok()) return std::move(config).error().in(path.string());
  return config;
}

std::string name_in_checkpoint(const std::string& name) {
  std::string_view rest = name, layer;
  if (rest.starts_with("model.")) rest.remove_prefix(std::string_view("model.").size());
  constexpr std::string_view kLayers = "layers.";
  if (rest.starts_with(kLayers)) {
    layer = rest.substr(0, rest.find('.', kLayers.size()) + 1);
    rest.remove_prefix(layer.size());
  }
  const size_t dot = rest.rfind('.');
  for (const auto& [ours, theirs] : kNames) {
    if (rest.substr(0, dot) == ours) return fmt::format("{}{}{}", layer, theirs, rest.substr(dot));
  }
  return fmt::format("{}{}", layer, rest);
}

}  // namespace owlet
