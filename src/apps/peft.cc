#include "apps/peft.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>

#include "core/file.h"
#include "core/json.h"
#include "model/architecture.h"
#include "model/stored.h"
#include "quant/blocks.h"
#include "tokenizer/regex.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr size_t kMaxPatterns = 1000;

// Keys that are honoured; that are seen in the tensors themselves; that only training, or whoever made the file, cares for.
constexpr std::array<std::string_view, 34> kKnownKeys = {
    "peft_type", "r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "bias", "modules_to_save",
    "lora_dropout", "init_lora_weights", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "inference_mode", "task_type",
    "base_model_name_or_path", "revision", "peft_version", "auto_mapping", "megatron_config", "megatron_core", "runtime_config",
    "qalora_group_size", "ensure_weight_tying", "velora_config", "kasa_config", "monteclora_config", "arrow_config"};

// null, false, 0, "" and empty containers ask for nothing.
bool asks_for_nothing(const Json& value) {
  return value.is_null() || value == Json(false) || value == Json(0) || ((value.is_structured() || value.is_string()) && value.size() == 0) ||
         value == Json("");
}

struct Pattern {
  Regex regex;
  double value;
};

struct AdapterConfig {
  double rank = 8, alpha = 8;
  bool rank_stabilized = false;
  std::vector<Pattern> ranks, alphas;

  // The first pattern that the module's whole name, or what follows one of its dots, matches.
  static double value_of(const std::vector<Pattern>& patterns, std::string_view module, double otherwise) {
    for (const Pattern& pattern : patterns) {
      Regex::Match match;
      if (Regex::Walk(pattern.regex, module).next(match)) return pattern.value;
    }
    return otherwise;
  }
  double rank_of(std::string_view module) const { return value_of(ranks, module, rank); }
  double scale_of(std::string_view module) const {
    const double r = rank_of(module), a = value_of(alphas, module, alpha);
    return rank_stabilized ? a / std::sqrt(r) : a / r;
  }
};

Result<std::vector<Pattern>> read_patterns(const Json& json, const char* key) {
  std::vector<Pattern> patterns;
  if (!has_value(json, key)) return patterns;
  if (!json[key].is_object() || json[key].size() > kMaxPatterns) return corrupt("{}: expected an object", key);
  for (const auto& [pattern, value] : json[key].items()) {
    if (!value.is_number() || value.get<double>() <= 0) return corrupt("{}: '{}' is no positive number", key, pattern);
    OWLET_ASSIGN(Regex regex, Regex::compile(fmt::format("^(?:.*\\.)?(?:{})$", pattern)));
    patterns.push_back({std::move(regex), value.get<double>()});
  }
  return patterns;
}

Result<AdapterConfig> read_lora_config(const Json& json) {
  if (!json.is_object()) return corrupt("expected an object");
  if (!json.contains("peft_type") || json["peft_type"] != "LORA") {
    return make_error(ErrorCode::kUnsupported, "peft_type is {}; only LORA is read", json.contains("peft_type") ? json["peft_type"].dump() : "missing");
  }
  for (const auto& [key, value] : json.items()) {
    const bool known = std::find(kKnownKeys.begin(), kKnownKeys.end(), key) != kKnownKeys.end();
    if (!known && !asks_for_nothing(value)) return make_error(ErrorCode::kUnsupported, "{} is not known here", key);
  }
  AdapterConfig config;
  OWLET_ASSIGN(config.rank, number_or(json, "r", 8));
  OWLET_ASSIGN(config.alpha, number_or(json, "lora_alpha", 8));
  OWLET_ASSIGN(config.rank_stabilized, bool_or(json, "use_rslora", false));
  OWLET_ASSIGN(config.ranks, read_patterns(json, "rank_pattern"));
  OWLET_ASSIGN(config.alphas, read_patterns(json, "alpha_pattern"));
  if (!(config.rank > 0)) return corrupt("r is {}", config.rank);
  return config;
}

// What the file holds of one module, in its order of rows.
struct Stored {
  Tensor a, b, magnitude;
  bool table = false;  // a is [R, V] and b [D, R]: of a table, transposed
  bool used = false;
};

struct StoredAdapter {
  std::map<std::string, Stored, std::less<>> modules;  // "model.layers.0.self_attn.q_proj"
  std::map<std::string, Tensor, std::less<>> whole;    // "model.norm.weight"
};

void remove_all(std::string& name, std::string_view part) {
  for (size_t at = name.find(part); at != std::string::npos; at = name.find(part)) name.erase(at, part.size());
}

Result<StoredAdapter> read_tensors(const std::map<std::string, Tensor>& tensors) {
  StoredAdapter adapter;
  for (const auto& [full, tensor] : tensors) {
    constexpr std::string_view kPrefix = "base_model.model.";
    std::string name = full.starts_with(kPrefix) ? full.substr(kPrefix.size()) : full;
    for (const std::string_view part : {".default", ".modules_to_save", ".base_layer"}) remove_all(name, part);
    const size_t at = name.find(".lora_");
    if (at == std::string::npos) {
      adapter.whole[name] = tensor;
      continue;
    }
    Stored& module = adapter.modules[name.substr(0, at)];
    const std::string_view kind = std::string_view(name).substr(at + 1);
    module.table = module.table || kind.starts_with("lora_embedding_");
    if (kind == "lora_A.weight" || kind == "lora_embedding_A") {
      module.a = tensor;
    } else if (kind == "lora_B.weight" || kind == "lora_embedding_B") {
      module.b = tensor;
    } else if (kind == "lora_magnitude_vector" || kind == "lora_magnitude_vector.weight") {
      module.magnitude = tensor;
    } else {
      return make_error(ErrorCode::kUnsupported, "tensor '{}' is not known here", full);
    }
  }
  return adapter;
}

// Rows of `stored` from `first` on as float32, in our model's order of rotation, with `offset` added.
Tensor to_ours(const Tensor& stored, const std::string& our_name, const Shape& shape, int64_t first, const ModelConfig& c, double offset) {
  Tensor out(DType::kF32, shape);
  const bool permuted = is_rotated(our_name) && c.rope_interleaved;
  const int64_t rows = shape[0], cols = shape.rank() == 2 ? shape[1] : 1;
  std::vector<float> all(static_cast<size_t>(stored.numel()));
  const TensorView view = stored;
  for (int64_t r = 0; r < view.rows(); ++r) dequantize_row(view.dtype, view.row_range(r, r + 1).data, all.data() + r * view.cols(), view.cols());
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t source = first + (permuted ? rotation_source(r, c, true) : r);
    for (int64_t i = 0; i < cols; ++i) {
      out.f32()[r * cols + i] = static_cast<float>(static_cast<double>(all[static_cast<size_t>(source * cols + i)]) + offset);
    }
  }
  return out;
}

Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], cols = matrix.shape()[1];
  std::vector<float> all(static_cast<size_t>(matrix.numel()));
  for (int64_t r = 0; r < rows; ++r) dequantize_row(matrix.dtype(), matrix.view().row_range(r, r + 1).data, all.data() + r * cols, cols);
  Tensor out(DType::kF32, {cols, rows});
  for (int64_t i = 0; i < out.numel(); ++i) out.f32()[i] = all[static_cast<size_t>(i % rows * cols + i / rows)];
  return out;
}

// The part of a module that changes our matrix of this name and shape, whose rows begin at `place.first_row` of the module's.
Result<Adapter::Part> read_part(const Stored& given, const std::string& module, const std::string& name, const Shape& shape,
                                const TensorPlace& place, const AdapterConfig& config, const ModelConfig& c) {
  if (!given.a || !given.b) return corrupt("'{}' has only one of lora_A and lora_B", module);
  if (given.a.shape().rank() != 2 || given.b.shape().rank() != 2) return corrupt("'{}': lora_A and lora_B are matrices", module);
  const Tensor a = given.table ? transposed(given.b) : given.a, b = given.table ? transposed(given.a) : given.b;
  const int64_t rank = a.shape()[0], rows = place.n_rows == 0 ? shape[0] : b.shape()[0];
  if (static_cast<double>(rank) != config.rank_of(module)) {
    return corrupt("'{}' has rank {}; adapter_config.json says {}", module, rank, config.rank_of(module));
  }
  if (a.shape()[1] != shape[1] || b.shape()[1] != rank || b.shape()[0] != rows || place.first_row + shape[0] > rows) {
    return corrupt("'{}': lora_A {} and lora_B {} do not fit the model's {}", module, a.shape().to_string(),
                      b.shape().to_string(), shape.to_string());
  }
  Adapter::Part part{.a_RI = to_ours(a, "", a.shape(), 0, c, 0), .b_OR = to_ours(b, name, Shape{shape[0], rank}, place.first_row, c, 0),
                     .scale = config.scale_of(module)};
  if (given.magnitude) {
    if (given.magnitude.numel() != rows) return corrupt("'{}': {} magnitudes for {} rows", module, given.magnitude.numel(), rows);
    part.magnitude_O = to_ours(given.magnitude, name, Shape{shape[0]}, place.first_row, c, 0);
  }
  return part;
}

Result<Tensor> read_whole(const Tensor& stored, const std::string& name, const Shape& shape, const TensorPlace& place, const ModelConfig& c) {
  const int64_t rows = place.n_rows == 0 ? shape[0] : stored.shape()[0];
  const bool fits = stored.shape().rank() == shape.rank() && stored.shape()[0] == rows && place.first_row + shape[0] <= rows &&
                    (shape.rank() == 1 || stored.shape()[1] == shape[1]);
  if (!fits) {
    return corrupt("'{}' has the shape {}; the model's is {}", place.name, stored.shape().to_string(), shape.to_string());
  }
  const double offset = name.ends_with("norm.weight") ? find_architecture(c.architecture)->norm_offset : 0.0;
  return to_ours(stored, name, shape, place.first_row, c, offset);
}

Result<Adapter> fit(StoredAdapter stored, const AdapterConfig& config, const Model& model) {
  Adapter adapter;
  std::set<std::string> used;
  Status status;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!status.ok()) return;
    const TensorPlace place = place_in_hf(model.config, name);
    if (const auto it = stored.whole.find(place.name); it != stored.whole.end()) {
      used.insert(it->first);
      auto whole = read_whole(it->second, name, tensor.shape(), place, model.config);
      if (whole.ok()) adapter.replaced[name] = std::move(whole).value(); else status = std::move(whole).error();
    }
    if (!place.name.ends_with(".weight") || tensor.shape().rank() != 2) return;
    const std::string module = place.name.substr(0, place.name.size() - std::string_view(".weight").size());
    const auto it = stored.modules.find(module);
    if (it == stored.modules.end()) return;
    it->second.used = true;
    auto part = read_part(it->second, module, name, tensor.shape(), place, config, model.config);
    if (part.ok()) adapter.parts[name] = std::move(part).value(); else status = std::move(part).error();
  });
  OWLET_TRY(std::move(status));
  for (const auto& [name, module] : stored.modules) {
    if (!module.used) return corrupt("the model has no layer '{}'", name);
  }
  for (const auto& [name, tensor] : stored.whole) {
    if (!used.contains(name)) return corrupt("the model has no tensor '{}'", name);
  }
  return adapter;
}

Result<Adapter> read_folder(const fs::path& folder, const Model& model) {
  OWLET_ASSIGN(const std::string config, read_file(folder / "adapter_config.json", kMaxConfigBytes));
  OWLET_ASSIGN(const Safetensors file, Safetensors::open(folder / "adapter_model.safetensors"));
  return read_peft(config, file, model);
}

}  // namespace

Result<Adapter> read_peft(const std::string& text, const Safetensors& file, const Model& model) {
  OWLET_ASSIGN(const Json json, parse_json(text));
  OWLET_ASSIGN(const AdapterConfig config, read_lora_config(json));
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names()) {
    OWLET_ASSIGN(Tensor tensor, file.tensor(name));
    tensors[name] = std::move(tensor);
  }
  OWLET_ASSIGN(StoredAdapter stored, read_tensors(tensors));
  return fit(std::move(stored), config, model);
}

Result<Adapter> load_peft(const fs::path& folder, const Model& model) {
  auto adapter = read_folder(folder, model);
  if (!adapter.ok()) return std::move(adapter).error().in(fmt::format("adapter {}", folder.string()));
  return adapter;
}

Result<AdapterChoice> parse_adapter(const std::string& given) {
  const size_t colon = given.rfind(':');
  if (colon == std::string::npos) return AdapterChoice{given};
  char* end = nullptr;
  const double value = std::strtod(given.c_str() + colon + 1, &end);
  if (end != given.c_str() + given.size() || end == given.c_str() + colon + 1 || !std::isfinite(value)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is no adapter", given), "name its folder, or folder:scale: my-adapter:0.5"};
  }
  return AdapterChoice{given.substr(0, colon), value};
}

Status use_adapters(const std::vector<std::string>& adapters, AdapterUse use, Model& model) {
  const auto apply = use == AdapterUse::kMerge ? merge_adapter : use == AdapterUse::kUnmerge ? unmerge_adapter : apply_adapter;
  for (const std::string& given : adapters) {
    OWLET_ASSIGN(const AdapterChoice choice, parse_adapter(given));
    OWLET_ASSIGN(const Adapter adapter, load_peft(choice.folder, model));
    OWLET_TRY(apply(adapter, choice.strength, model));
  }
  return {};
}

}  // namespace owlet
