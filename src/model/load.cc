#include "model/load.h"

#include <algorithm>
#include <cstring>

#include "core/file.h"
#include "core/json.h"
#include "io/safetensors.h"
#include "model/architecture.h"
#include "quant/blocks.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

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
    if (found.ok()) {
      tensor = std::move(found).value();
    } else {
      status = std::move(found).error();
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

Result<Model> load_hf(const fs::path& folder) {
  OWLET_ASSIGN(ModelConfig config, read_hf_config(folder));
  OWLET_ASSIGN(const auto tensors, read_safetensors_folder(folder));
  return assemble(std::move(config), [&](const std::string& name) -> Result<Tensor> {
    const auto it = tensors.find(name);
    if (it == tensors.end()) return make_error(ErrorCode::kCorrupt, "{}: tensor '{}' is missing", folder.string(), name);
    return it->second;
  });
}

// ---- GGUF ----

Result<ModelConfig> read_gguf_config(const GgufFile& file) {
  ModelConfig c;
  OWLET_ASSIGN(c.architecture, file.get_string("general.architecture"));
  if (!find_architecture(c.architecture)) {
    return Error{ErrorCode::kUnsupported, fmt::format("models of type '{}' are not supported", c.architecture),
                 "supported: " + architecture_names()};
  }
  const std::string prefix = c.architecture + ".";
  OWLET_ASSIGN(c.dim, file.get_int(prefix + "embedding_length"));
  OWLET_ASSIGN(c.n_layers, file.get_int(prefix + "block_count"));
  OWLET_ASSIGN(c.n_heads, file.get_int(prefix + "attention.head_count"));
  OWLET_ASSIGN(c.n_kv_heads, file.int_or(prefix + "attention.head_count_kv", c.n_heads));
  OWLET_ASSIGN(c.ffn_dim, file.get_int(prefix + "feed_forward_length"));
  OWLET_ASSIGN(c.max_positions, file.get_int(prefix + "context_length"));
  OWLET_ASSIGN(c.rms_eps, file.get_float(prefix + "attention.layer_norm_rms_epsilon"));
  OWLET_ASSIGN(c.rope_theta, file.float_or(prefix + "rope.freq_base", 10000.0));
  if (c.n_heads <= 0) return make_error(ErrorCode::kCorrupt, "attention.head_count must be at least 1");
  OWLET_ASSIGN(c.head_dim, file.int_or(prefix + "attention.key_length", c.dim / c.n_heads));
  OWLET_ASSIGN(const int64_t rotated, file.int_or(prefix + "rope.dimension_count", c.head_dim));
  if (rotated != c.head_dim || file.has_tensor("rope_freqs.weight") || file.has(prefix + "rope.scaling.type")) {
    return make_error(ErrorCode::kUnsupported, "this file's rotary embedding is scaled or partial, which is not supported");
  }
  c.rope_interleaved = true;
  c.tie_embeddings = !file.has_tensor("output.weight");
  OWLET_ASSIGN(const Tensor embedding, file.tensor("token_embd.weight"));
  c.vocab_size = embedding.shape()[0];
  OWLET_ASSIGN(const int64_t bos, file.int_or("tokenizer.ggml.bos_token_id", -1));
  OWLET_ASSIGN(const int64_t pad, file.int_or("tokenizer.ggml.padding_token_id", -1));
  OWLET_ASSIGN(const int64_t eos, file.int_or("tokenizer.ggml.eos_token_id", -1));
  c.bos = static_cast<int32_t>(bos);
  c.pad = static_cast<int32_t>(pad);
  if (eos >= 0) c.eos = {static_cast<int32_t>(eos)};
  OWLET_TRY(c.validate());
  return c;
}

Result<Model> load_gguf(const fs::path& path) {
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  auto config = read_gguf_config(file);
  if (!config.ok()) return std::move(config).error().in(path.string());
  const Architecture* architecture = find_architecture(config->architecture);
  return assemble(std::move(config).value(),
                  [&](const std::string& name) { return file.tensor(architecture->gguf_name(name)); });
}

// ---- Writing ----

// Row of the other rotation's order that becomes row `row`. Heads keep their place; inside a head of E rows, half-split order has
// the pair (j, j + E/2) where interleaved order has (2j, 2j + 1).
int64_t source_row(int64_t row, int64_t head_dim, bool to_interleaved) {
  const int64_t half = head_dim / 2, head = row / head_dim * head_dim, i = row % head_dim;
  return head + (to_interleaved ? i / 2 + i % 2 * half : i % half * 2 + i / half);
}

bool is_rotated(std::string_view name) { return name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight"); }

// Rows of one tensor as float32 in the wanted order of rotation, one at a time.
class RowSource {
 public:
  RowSource(const Model& model, const std::string& name, const Tensor& tensor, bool interleaved)
      : tensor_(tensor), head_dim_(model.config.head_dim),
        permute_(is_rotated(name) && model.config.rope_interleaved != interleaved), interleaved_(interleaved) {}

  // Encodes row `row` as `dtype` into `out`; copied as it is where the type stays.
  void write(int64_t row, DType dtype, void* out) const {
    const TensorView& from = tensor_;
    const int64_t source = permute_ ? source_row(row, head_dim_, interleaved_) : row;
    const TensorView bytes = from.row_range(source, source + 1);
    if (from.dtype == dtype) {
      std::memcpy(out, bytes.data, static_cast<size_t>(bytes.bytes()));
      return;
    }
    std::vector<float> row_f32(static_cast<size_t>(from.cols()));
    dequantize_row(from.dtype, bytes.data, row_f32.data(), from.cols());
    quantize_row(dtype, row_f32.data(), out, from.cols());
  }

 private:
  Tensor tensor_;
  int64_t head_dim_;
  bool permute_;
  bool interleaved_;
};

void add_metadata(const ModelConfig& c, GgufWriter& writer) {
  const std::string prefix = c.architecture + ".";
  const auto u32 = [&](const char* key, int64_t value) { writer.set_u32(prefix + key, static_cast<uint32_t>(value)); };
  writer.set_string("general.architecture", c.architecture);
  u32("vocab_size", c.vocab_size);
  u32("context_length", c.max_positions);
  u32("embedding_length", c.dim);
  u32("block_count", c.n_layers);
  u32("feed_forward_length", c.ffn_dim);
  u32("attention.head_count", c.n_heads);
  u32("attention.head_count_kv", c.n_kv_heads);
  u32("attention.key_length", c.head_dim);
  u32("attention.value_length", c.head_dim);
  u32("rope.dimension_count", c.head_dim);
  writer.set_f32(prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_eps));
  writer.set_f32(prefix + "rope.freq_base", static_cast<float>(c.rope_theta));
}

}  // namespace

Result<Model> load_model(const fs::path& path) { return is_gguf(path) ? load_gguf(path) : load_hf(path); }

Result<ModelConfig> load_config(const fs::path& path) {
  if (!is_gguf(path)) return read_hf_config(path);
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  auto config = read_gguf_config(file);
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

Status save_hf(const Model& model, const fs::path& folder, DType dtype) {
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
    return make_error(ErrorCode::kInvalidArgument, "a Hugging Face folder holds f32, f16 or bf16, not {}", to_string(dtype));
  }
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", folder.string(), code.message());
  std::vector<Tensor> converted;  // keeps what is converted alive until it is written
  std::vector<std::pair<std::string, TensorView>> tensors;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) {
    const bool as_it_is = tensor.dtype() == dtype && !(is_rotated(name) && model.config.rope_interleaved);
    if (!as_it_is) {
      Tensor copy(dtype, tensor.shape());
      const RowSource rows(model, name, tensor, false);
      for (int64_t r = 0; r < copy.view().rows(); ++r) rows.write(r, dtype, copy.view().row_range(r, r + 1).data);
      converted.push_back(std::move(copy));
    }
    tensors.emplace_back(name, as_it_is ? tensor.view() : converted.back().view());
  });
  OWLET_TRY(write_safetensors(folder / "model.safetensors", tensors));
  const char* torch_dtype = dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
  return write_file(folder / "config.json", dump_json(config_to_hf(model.config, torch_dtype), 2) + "\n");
}

Status add_to_gguf(const Model& model, DType dtype, GgufWriter& writer) {
  const Architecture* architecture = find_architecture(model.config.architecture);
  OWLET_CHECK(architecture != nullptr, "{}", model.config.architecture);
  add_metadata(model.config, writer);
  Status status;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) {
    const DType type = tensor.shape().rank() == 1 ? DType::kF32 : dtype;
    const int64_t block = dtype_info(type).block_size;
    if (status.ok() && tensor.shape().last() % block != 0) {
      status = Error{ErrorCode::kUnsupported,
                     fmt::format("rows of {} have {} elements; {} needs a multiple of {}", name, tensor.shape().last(),
                                 to_string(type), block),
                     "choose f16 or bf16"};
    }
    const RowSource rows(model, name, tensor, true);
    writer.add_tensor(architecture->gguf_name(name), type, tensor.shape(),
                      [rows, type](int64_t row, void* out) { rows.write(row, type, out); });
  });
  return status;
}

}  // namespace owlet
