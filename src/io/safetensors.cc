#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>

#include "core/json.h"
#include "io/safetensors_header.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are mapped as they lie in the file");

constexpr uint64_t kMaxIndex = 16 << 20;

struct Type {
  std::string_view name;
  uint64_t bits;
  std::optional<DType> dtype;  // none: known, not read
};
constexpr Type kTypes[] = {
    {"F32", 32, DType::kF32}, {"F64", 64, DType::kF64}, {"F16", 16, DType::kF16}, {"BF16", 16, DType::kBF16},
    {"I32", 32, DType::kI32}, {"BOOL", 8, {}},          {"U8", 8, {}},            {"I8", 8, {}},
    {"I16", 16, {}},          {"U16", 16, {}},          {"U32", 32, {}},          {"I64", 64, {}},
    {"U64", 64, {}},          {"C64", 64, {}},          {"F8_E4M3", 8, {}},       {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},       {"F6_E2M3", 6, {}},       {"F6_E3M2", 6, {}},       {"F4", 4, {}}};

const Type* find_type(std::string_view name) {
  const auto* it = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& type) { return type.name == name; });
  return it == std::end(kTypes) ? nullptr : it;
}

// The offsets agree with type and shape.
Status check_size(const std::string& name, const SafetensorsInfo& info) {
  // 2^48 elements are beyond any file, and leave room to multiply.
  constexpr uint64_t kMaxElements = uint64_t{1} << 48;
  uint64_t numel = 1;
  for (const uint64_t dim : info.dims) {
    if (dim > kMaxElements || (dim != 0 && numel > kMaxElements / dim)) return corrupt("tensor '{}' has an impossible shape", name);
    numel *= dim;
  }
  const Type* type = find_type(info.type);
  if (!type) return make_error(ErrorCode::kUnsupported, "tensor '{}' is of type '{}', which is not one of the format's", name, info.type);
  const uint64_t bits = numel * type->bits;
  if (bits % 8 != 0 || info.end - info.begin != bits / 8) {
    return corrupt("tensor '{}' has {} bytes; its shape and type ask for {}", name, info.end - info.begin, (bits + 7) / 8);
  }
  return {};
}

// Tensors tile the data from its first byte to its last.
Status check_contiguous(const std::map<std::string, SafetensorsInfo>& tensors, uint64_t data_bytes) {
  std::vector<const std::pair<const std::string, SafetensorsInfo>*> order;
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t expected = 0;
  for (const auto* tensor : order) {
    if (tensor->second.begin < expected) return corrupt("tensor '{}' overlaps the one before it", tensor->first);
    if (tensor->second.begin > expected) return corrupt("a hole of {} bytes before tensor '{}'", tensor->second.begin - expected, tensor->first);
    expected = tensor->second.end;
  }
  if (expected != data_bytes) return corrupt("{} bytes after the last tensor belong to none", data_bytes - expected);
  return {};
}

struct Parsed {
  SafetensorsHeader header;
  const std::byte* data = nullptr;
};

Result<Parsed> parse(std::span<const std::byte> bytes) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) return corrupt("the file is shorter than its 8-byte length");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > kMaxSafetensorsHeader) {
    return corrupt("the header claims {} bytes; at most {} are allowed", header_bytes, kMaxSafetensorsHeader);
  }
  if (header_bytes > bytes.size() - sizeof header_bytes) return corrupt("the header goes past the end of the file");
  const char* text = reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes;
  OWLET_ASSIGN(SafetensorsHeader header, parse_safetensors_header({text, static_cast<size_t>(header_bytes)}));
  const uint64_t data_bytes = bytes.size() - sizeof header_bytes - header_bytes;
  for (const auto& [name, info] : header.tensors) {
    if (info.begin > info.end) return corrupt("tensor '{}' ends before it begins", name);
    if (info.end > data_bytes) {
      return Error{ErrorCode::kCorrupt, fmt::format("tensor '{}' goes past the end of the file", name),
                   "the file seems cut short: fetch it again"};
    }
    OWLET_TRY(check_size(name, info));
  }
  OWLET_TRY(check_contiguous(header.tensors, data_bytes));
  return Parsed{std::move(header), bytes.data() + sizeof header_bytes + header_bytes};
}

// tensor name → file name, as the index says; refuses names that would lead out of the folder.
Result<std::map<std::string, std::string>> read_index(const fs::path& index) {
  OWLET_ASSIGN(const std::string text, read_file(index, kMaxIndex));
  OWLET_ASSIGN(const Json json, parse_json(text, 8));
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return corrupt("'weight_map' must be an object");
  }
  std::map<std::string, std::string> file_of;
  for (const auto& [name, file] : json["weight_map"].items()) {
    if (!file.is_string()) return corrupt("'weight_map' must hold file names");
    const auto& file_name = file.get_ref<const std::string&>();
    if (file_name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos || !file_name.ends_with(".safetensors")) {
      return corrupt("'{}' is not the name of a safetensors file beside the index", file_name);
    }
    file_of.emplace(name, file_name);
  }
  return file_of;
}

}  // namespace

Result<Safetensors> Safetensors::open(const fs::path& path) {
  OWLET_ASSIGN(auto file, MappedFile::open(path));
  return read(std::move(file), path);
}

Result<Safetensors> Safetensors::read(std::shared_ptr<const MappedFile> file, const fs::path& path) {
  auto parsed = parse(file->bytes());
  if (!parsed.ok()) return std::move(parsed).error().in(path.string());
  Safetensors result;
  result.path_ = path;
  result.metadata_ = std::move(parsed->header.metadata);
  for (auto& [name, info] : parsed->header.tensors) {
    result.entries_.emplace(name, Entry{std::move(info.type), std::move(info.dims), file, parsed->data + info.begin, info.end - info.begin});
  }
  return result;
}

Result<Safetensors> Safetensors::open_folder(const fs::path& folder) {
  std::error_code code;
  if (fs::exists(folder / "model.safetensors", code)) return open(folder / "model.safetensors");
  const fs::path index = folder / "model.safetensors.index.json";
  if (!fs::exists(index, code)) {
    return make_error(ErrorCode::kNotFound, "{} holds neither model.safetensors nor its index", folder.string());
  }
  auto file_of = read_index(index);
  if (!file_of.ok()) return std::move(file_of).error().in(index.string());
  std::set<std::string> files;
  for (const auto& [name, file] : *file_of) files.insert(file);
  Safetensors all;
  all.path_ = folder;
  for (const std::string& file : files) {
    OWLET_ASSIGN(Safetensors part, open(folder / file));
    if (all.entries_.empty()) all.metadata_ = std::move(part.metadata_);
    for (auto& [name, entry] : part.entries_) {
      if (!all.entries_.emplace(name, std::move(entry)).second) {
        return corrupt("{}: tensor '{}' stands in two files", folder.string(), name);
      }
    }
  }
  for (const auto& [name, file] : *file_of) {
    if (!all.has(name)) return corrupt("{}: tensor '{}' should be in {}, and is not", index.string(), name, file);
  }
  return all;
}

std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

Result<std::span<const std::byte>> Safetensors::bytes(std::string_view name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return make_error(ErrorCode::kNotFound, "{}: there is no tensor '{}'", path_.string(), name);
  return std::span(it->second.data, it->second.bytes);
}

Result<Tensor> Safetensors::tensor(std::string_view name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return make_error(ErrorCode::kNotFound, "{}: tensor '{}' is missing", path_.string(), name);
  const Entry& entry = it->second;
  const Type* type = find_type(entry.type);
  if (!type->dtype) {
    return Error{ErrorCode::kUnsupported, fmt::format("{}: tensor '{}' is of type {}", path_.string(), name, entry.type),
                 "read are F32, F64, F16, BF16 and I32"};
  }
  if (entry.dims.size() > Shape::kMaxRank) {
    return make_error(ErrorCode::kUnsupported, "{}: tensor '{}' has {} dimensions; at most {} are read", path_.string(), name,
                      entry.dims.size(), Shape::kMaxRank);
  }
  const std::vector<int64_t> dims(entry.dims.begin(), entry.dims.end());
  const TensorView view{const_cast<std::byte*>(entry.data), *type->dtype, Shape(std::span<const int64_t>(dims))};
  const auto alignment = static_cast<uintptr_t>(dtype_info(view.dtype).block_bytes);
  if (reinterpret_cast<uintptr_t>(entry.data) % alignment == 0) return Tensor(view, entry.file);
  Tensor copy(view.dtype, view.shape);
  std::memcpy(copy.view().data, entry.data, entry.bytes);
  return copy;
}

namespace {

Result<std::map<std::string, Tensor>> read_all(Result<Safetensors> opened) {
  if (!opened.ok()) return std::move(opened).error();
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : opened->names()) {
    auto tensor = opened->tensor(name);
    if (tensor.ok()) tensors.emplace(name, std::move(tensor).value());
  }
  return tensors;
}

Result<std::string_view> type_name(std::string_view name, DType dtype) {
  for (const Type& type : kTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return Error{ErrorCode::kInvalidArgument, fmt::format("tensor '{}': safetensors cannot hold {}", name, to_string(dtype)),
               "write f32, f16 or bf16; quantized models go to GGUF"};
}

// The JSON text of a string, quotes included.
Result<std::string> quote(std::string_view text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    return make_error(ErrorCode::kInvalidArgument, "a name for a safetensors file is not UTF-8");
  }
}

Result<std::string> make_header(const std::vector<std::pair<std::string, TensorView>>& tensors,
                                const std::map<std::string, std::string>& metadata) {
  std::string text = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    OWLET_ASSIGN(const std::string quoted_key, quote(key));
    OWLET_ASSIGN(const std::string quoted_value, quote(value));
    text += fmt::format("{}{}:{}", text.back() == '{' ? "" : ",", quoted_key, quoted_value);
  }
  text += '}';
  std::set<std::string_view> seen = {"__metadata__"};
  int64_t begin = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!seen.insert(name).second) return make_error(ErrorCode::kInvalidArgument, "two tensors are called '{}'", name);
    OWLET_ASSIGN(const std::string quoted_name, quote(name));
    OWLET_ASSIGN(const std::string_view type, type_name(name, tensor.dtype));
    std::string dims;
    for (int i = 0; i < tensor.shape.rank(); ++i) dims += fmt::format("{}{}", i ? "," : "", tensor.shape[i]);
    const int64_t end = begin + tensor.bytes();
    text += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", quoted_name, type, dims, begin, end);
    begin = end;
  }
  text += '}';
  // Spaces, so that the tensors begin on a cache line of the mapped file.
  text.resize((sizeof(uint64_t) + text.size() + 63) / 64 * 64 - sizeof(uint64_t), ' ');
  if (text.size() > kMaxSafetensorsHeader) return make_error(ErrorCode::kTooLarge, "a safetensors header of {} bytes", text.size());
  return text;
}

}  // namespace

Result<std::map<std::string, Tensor>> read_safetensors(const fs::path& file) { return read_all(Safetensors::open(file)); }

Result<std::map<std::string, Tensor>> read_safetensors_folder(const fs::path& folder) {
  return read_all(Safetensors::open_folder(folder));
}

Status write_safetensors(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors,
                         std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  auto header = make_header(tensors, metadata);
  if (!header.ok()) return std::move(header).error().in(path.string());
  const uint64_t length = header->size();
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  OWLET_TRY(file.write(std::string_view(reinterpret_cast<const char*>(&length), sizeof length)));
  OWLET_TRY(file.write(*header));
  for (const auto& [name, tensor] : tensors) {
    OWLET_TRY(file.write(std::span(static_cast<const std::byte*>(tensor.data), static_cast<size_t>(tensor.bytes()))));
  }
  return file.commit();
}

}  // namespace owlet
