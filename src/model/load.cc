#include "model/load.h"

#include <cstring>
#include <map>
#include <utility>

#include "core/file.h"
#include "core/memory.h"
#include "core/json.h"
#include "io/safetensors.h"
#include "model/architecture.h"
#include "model/gguf_config.h"
#include "model/homemade.h"
#include "model/stored.h"
#include "quant/blocks.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr uint32_t kGgufQuantizationVersion = 2;  // of the blocks' layouts

bool is_gguf(const fs::path& path) {
  std::error_code code;
  return !fs::is_directory(path, code);
}

// Fills a model's skeleton from named tensors.
Result<Model> assemble(ModelConfig config, const std::function<Result<Tensor>(const std::string& hf_name)>& find) {
  Weights weights = empty_weights(config);
  Status status;
  weights.for_each([&](const std::string& name, Tensor& tensor) {
    if (!status.ok()) return;
    auto found = find(name);
    if (!found.ok()) {
      status = std::move(found).error();
    } else if (found->dtype() == DType::kI32) {
      status = make_error(ErrorCode::kUnsupported, "{} holds integers", name);
    } else {
      tensor = std::move(found).value();
    }
  });
  OWLET_TRY(std::move(status));
  return make_model(std::move(config), std::move(weights));
}

// ---- Hugging Face ----

Result<ModelConfig> read_hf_config(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  OWLET_ASSIGN(const std::string text, read_file(file, kMaxConfigBytes));
  auto json = parse_json(text);
  if (!json.ok()) return std::move(json).error().in(file.string());
  auto config = config_from_hf(*json);
  if (!config.ok()) return std::move(config).error().in(file.string());
  return config;
}

// Hugging Face's files hold some families' norms less an offset; ours are what is multiplied with.
Tensor plus_offset(const Tensor& stored, double offset) {
  Tensor norm(DType::kF32, stored.shape());
  dequantize_row(stored.dtype(), stored.view().data, norm.f32(), stored.numel());
  for (float& x : norm.span<float>()) x = static_cast<float>(static_cast<double>(x) + offset);
  return norm;
}

// Two tables that differ are two tables, whatever config.json says: so transformers 5 takes them.
bool holds_two_tables(const std::map<std::string, Tensor>& tensors) {
  const auto embedding = tensors.find("model.embed_tokens.weight"), output = tensors.find("lm_head.weight");
  if (embedding == tensors.end() || output == tensors.end()) return false;
  const TensorView a = embedding->second, b = output->second;
  return a.dtype == b.dtype && a.shape == b.shape && std::memcmp(a.data, b.data, static_cast<size_t>(embedding->second.bytes())) != 0;
}

Result<Model> load_hf(const fs::path& folder) {
  OWLET_ASSIGN(ModelConfig config, read_hf_config(folder));
  OWLET_ASSIGN(const auto tensors, read_safetensors_folder(folder));
  config.tie_embeddings = config.tie_embeddings && !holds_two_tables(tensors);
  const double offset = find_architecture(config.architecture)->norm_offset;
  return assemble(config, [&](const std::string& name) -> Result<Tensor> {
    const TensorPlace place = place_in_hf(config, name);
    const auto it = tensors.find(place.name);
    if (it == tensors.end()) return corrupt("{}: tensor '{}' is missing", folder.string(), place.name);
    if (offset != 0 && name.ends_with("norm.weight")) return plus_offset(it->second, offset);
    return tensor_at(it->second, place);
  });
}

// ---- GGUF ----

Result<Model> load_gguf(const fs::path& path) {
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  return load_model(file, path.string());
}

// ---- PyTorch ----

Result<Model> load_checkpoint(const fs::path& path) {
  OWLET_ASSIGN(const TorchFile file, TorchFile::open(path));
  OWLET_ASSIGN(ModelConfig config, config_from_checkpoint(file, path));
  return assemble(std::move(config), [&](const std::string& name) { return file.tensor(name_in_checkpoint(name)); });
}

}  // namespace

Result<Model> load_model(const fs::path& path) {
  if (const fs::path checkpoint = find_checkpoint(path); !checkpoint.empty()) return load_checkpoint(checkpoint);
  return is_gguf(path) ? load_gguf(path) : load_hf(path);
}

Result<Model> load_model(const GgufFile& file, const std::string& name) {
  auto config = config_from_gguf(file);
  if (!config.ok()) return std::move(config).error().in(name);
  const ModelConfig c = *config;
  return assemble(c, [&](const std::string& hf_name) -> Result<Tensor> {
    const TensorPlace place = place_in_gguf(c, hf_name);
    OWLET_ASSIGN(const Tensor stored, file.tensor(place.name));
    return tensor_at(stored, place);
  });
}

Result<ModelConfig> load_config(const fs::path& path) {
  if (const fs::path checkpoint = find_checkpoint(path); !checkpoint.empty()) {
    OWLET_ASSIGN(const TorchFile file, TorchFile::open(checkpoint));
    return config_from_checkpoint(file, checkpoint);
  }
  if (!is_gguf(path)) return read_hf_config(path);
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  auto config = config_from_gguf(file);
  if (!config.ok()) return std::move(config).error().in(path.string());
  return config;
}

Result<Model> to_float32(const Model& model) {
  Weights weights = make_weights(model.config);
  std::vector<Tensor> sources;
  model.weights.for_each([&](const std::string&, const Tensor& tensor) { sources.push_back(tensor); });
  size_t next = 0;
  weights.for_each([&](const std::string&, Tensor& tensor) {
    const TensorView from = sources[next++];
    for (int64_t r = 0; r < from.rows(); ++r) {
      dequantize_row(from.dtype, from.row_range(r, r + 1).data, tensor.f32() + r * from.cols(), from.cols());
    }
  });
  return make_model(model.config, std::move(weights));
}

Status save_hf(const Model& model, const fs::path& folder, std::optional<DType> dtype) {
  const auto is_float = [](DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; };
  const DType matrices = dtype.value_or(model.weights.layers.front().up.weight_OI.dtype());
  if (!is_float(matrices)) {
    return make_error(ErrorCode::kInvalidArgument, "a Hugging Face folder holds f32, f16 or bf16, not {}", to_string(matrices));
  }
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", folder.string(), code.message());
  const auto stored = stored_tensors(model, place_in_hf, {.norm_offset = find_architecture(model.config.architecture)->norm_offset});
  std::vector<Tensor> converted;  // keeps what is converted alive until it is written
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const StoredTensor& tensor : stored) {
    const DType type = dtype.value_or(is_float(tensor.dtype()) ? tensor.dtype() : DType::kF32);
    if (!tensor.is_as_it_is(type)) {
      Tensor copy(type, tensor.shape());
      for (int64_t r = 0; r < copy.view().rows(); ++r) tensor.write_row(r, type, copy.view().row_range(r, r + 1).data);
      converted.push_back(std::move(copy));
    }
    tensors.emplace_back(tensor.name(), tensor.is_as_it_is(type) ? tensor.as_it_is() : converted.back().view());
  }
  OWLET_TRY(write_safetensors(folder / "model.safetensors", tensors));
  const char* torch_dtype = matrices == DType::kF32 ? "float32" : matrices == DType::kF16 ? "float16" : "bfloat16";
  return write_file(folder / "config.json", dump_json(config_to_hf(model.config, torch_dtype), 2) + "\n");
}

Status add_to_gguf(const Model& model, const Mix& mix, GgufWriter& writer, const Importance* importance) {
  const ModelConfig& c = model.config;
  OWLET_TRY(add_config(c, writer));
  writer.set_u32("general.file_type", mix.file_type);
  writer.set_u32("general.quantization_version", kGgufQuantizationVersion);
  add_rope_factors(c, writer);
  for (StoredTensor& tensor : stored_tensors(model, place_in_gguf, {.interleaved = find_architecture(c.architecture)->gguf_interleaved})) {
    const std::string name = tensor.name();
    const Shape shape = tensor.shape();
    const DType type = type_in_mix(mix, c, name, shape, importance != nullptr);
    const float* columns = importance ? importance->find(name) : nullptr;
    writer.add_tensor(name, type, shape, [tensor = std::move(tensor), type, columns](int64_t row, void* out) { tensor.write_row(row, type, out, columns); });
  }
  return {};
}

Status quantize_weights(Model& model, const Mix& mix, ThreadPool& pool, const std::function<void(double)>& progress) {
  bool has_blocks = false;
  std::as_const(model.weights).for_each([&](const std::string&, const Tensor& tensor) { has_blocks |= is_quantized(tensor.dtype()); });
  if (has_blocks) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the model is quantized already, to {}", model.dtype_name()),
                 "name a model whose weights are f32, f16 or bf16"};
  }
  convert_weights(model, [&](const std::string& name, const Tensor& tensor) {
    return type_in_mix(mix, model.config, place_in_gguf(model.config, name).name, tensor.shape(), false);
  }, pool, progress);
  return {};
}

void convert_weights(Model& model, const std::function<DType(const std::string&, const Tensor&)>& type, ThreadPool& pool,
                     const std::function<void(double)>& progress) {
  double total = 0, done = 0;
  std::as_const(model.weights).for_each([&](const std::string&, const Tensor& tensor) { total += static_cast<double>(tensor.numel()); });
  model.weights.for_each([&](const std::string& name, Tensor& tensor) {
    const Tensor encoded(type(name, tensor), tensor.shape());
    const TensorView from = tensor, to = encoded;
    pool.parallel_for(from.rows(), 1, [&](int64_t begin, int64_t end) {
      std::vector<float> x(static_cast<size_t>(from.cols()));
      for (int64_t r = begin; r < end; ++r) {
        dequantize_row(from.dtype, from.row_range(r, r + 1).data, x.data(), from.cols());
        quantize_row(to.dtype, x.data(), to.row_range(r, r + 1).data, from.cols());
      }
    });
    expect_no_use(from.data, from.bytes());
    tensor = encoded;
    done += static_cast<double>(from.numel());
    if (progress) progress(done / total);
  });
}

}  // namespace owlet
