#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "core/file.h"
#include "core/json.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are mapped as they lie in the file");

constexpr uint64_t kMaxHeader = 100'000'000;

constexpr std::pair<std::string_view, DType> kTypes[] = {{"F32", DType::kF32},
                                                         {"F64", DType::kF64},
                                                         {"F16", DType::kF16},
                                                         {"BF16", DType::kBF16},
                                                         {"I32", DType::kI32}};

struct Entry {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
}

// An unsigned JSON number, or nothing.
const uint64_t* as_unsigned(const Json& value) { return value.is_number_unsigned() ? value.get_ptr<const uint64_t*>() : nullptr; }

Result<DType> parse_type(const std::string& name, const Json& value) {
  if (!value.is_string()) return corrupt("tensor '{}': 'dtype' must be a text", name);
  const auto text = value.get<std::string>();
  for (const auto& [word, dtype] : kTypes) {
    if (text == word) return dtype;
  }
  return make_error(ErrorCode::kUnsupported, "tensor '{}' is of type {}; read are F32, F64, F16, BF16 and I32", name, text);
}

Result<Shape> parse_shape(const std::string& name, const Json& value) {
  if (!value.is_array()) return corrupt("tensor '{}': 'shape' must be a list", name);
  if (value.size() > Shape::kMaxRank) return make_error(ErrorCode::kUnsupported, "tensor '{}' has {} dimensions; at most {} are read", name, value.size(), Shape::kMaxRank);
  std::vector<int64_t> dims;
  uint64_t numel = 1;
  for (const Json& dim : value) {
    const uint64_t* n = as_unsigned(dim);
    if (!n) return corrupt("tensor '{}': 'shape' must hold whole numbers", name);
    // 2^56 elements are beyond any file and leave room for bytes per element.
    if (*n > (uint64_t{1} << 56) || (*n != 0 && numel > (uint64_t{1} << 56) / *n)) return corrupt("tensor '{}' has an impossible shape", name);
    numel *= *n;
    dims.push_back(static_cast<int64_t>(*n));
  }
  return Shape(std::span<const int64_t>(dims));
}

Result<Entry> parse_entry(const std::string& name, const Json& value, uint64_t data_bytes) {
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    return corrupt("tensor '{}' must have exactly 'dtype', 'shape' and 'data_offsets'", name);
  }
  Entry entry;
  entry.name = name;
  OWLET_ASSIGN(entry.dtype, parse_type(name, value["dtype"]));
  OWLET_ASSIGN(entry.shape, parse_shape(name, value["shape"]));
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) return corrupt("tensor '{}': 'data_offsets' must be two numbers", name);
  const uint64_t* begin = as_unsigned(offsets[0]);
  const uint64_t* end = as_unsigned(offsets[1]);
  if (!begin || !end) return corrupt("tensor '{}': 'data_offsets' must be whole numbers", name);
  if (*begin > *end || *end > data_bytes) return corrupt("tensor '{}' lies outside the file", name);
  const TensorView shape_only{nullptr, entry.dtype, entry.shape};
  const auto bytes = static_cast<uint64_t>(entry.shape.numel() * dtype_info(shape_only.dtype).block_bytes);
  if (*end - *begin != bytes) return corrupt("tensor '{}' has {} bytes; its shape asks for {}", name, *end - *begin, bytes);
  entry.begin = *begin;
  entry.end = *end;
  return entry;
}

Status check_metadata(const Json& metadata) {
  if (!metadata.is_object()) return corrupt("'__metadata__' must be an object");
  for (const auto& item : metadata) {
    if (!item.is_string()) return corrupt("'__metadata__' must hold texts only");
  }
  return {};
}

Status check_contiguous(std::vector<Entry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected) return corrupt("tensor '{}' does not begin where the one before it ends", entry.name);
    expected = entry.end;
  }
  if (expected != data_bytes) return corrupt("{} bytes after the last tensor", data_bytes - expected);
  return {};
}

// A view of the file where its address suits the type, else a copy.
Tensor make_tensor(const Entry& entry, const std::byte* data, const std::shared_ptr<const MappedFile>& file) {
  const std::byte* bytes = data + entry.begin;
  const auto align = static_cast<uintptr_t>(dtype_info(entry.dtype).block_bytes);
  const TensorView view{const_cast<std::byte*>(bytes), entry.dtype, entry.shape};
  if (reinterpret_cast<uintptr_t>(bytes) % align == 0) return Tensor(view, file);
  Tensor copy(entry.dtype, entry.shape);
  std::memcpy(copy.view().data, bytes, entry.end - entry.begin);
  return copy;
}

Result<std::map<std::string, Tensor>> parse_file(const std::shared_ptr<const MappedFile>& file) {
  const std::span<const std::byte> bytes = file->bytes();
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) return corrupt("shorter than its 8-byte length");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > kMaxHeader) return corrupt("the header claims {} bytes; at most {} are allowed", header_bytes, kMaxHeader);
  if (header_bytes > bytes.size() - sizeof header_bytes) return corrupt("the header goes past the end of the file");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes, header_bytes);
  if (text.empty() || text.front() != '{') return corrupt("the header does not begin with '{{'");
  OWLET_ASSIGN(const Json header, parse_json(text, 4));
  const uint64_t data_bytes = bytes.size() - sizeof header_bytes - header_bytes;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      OWLET_TRY(check_metadata(value));
      continue;
    }
    OWLET_ASSIGN(Entry entry, parse_entry(name, value, data_bytes));
    entries.push_back(std::move(entry));
  }
  OWLET_TRY(check_contiguous(entries, data_bytes));
  std::map<std::string, Tensor> tensors;
  for (const Entry& entry : entries) {
    tensors.emplace(entry.name, make_tensor(entry, bytes.data() + sizeof header_bytes + header_bytes, file));
  }
  return tensors;
}

// The distinct files that an index names, refusing any that would lead out of the folder.
Result<std::set<std::string>> shard_names(const fs::path& index) {
  OWLET_ASSIGN(const std::string text, read_file(index, kMaxHeader));
  OWLET_ASSIGN(const Json json, parse_json(text));
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return corrupt("'weight_map' must be an object");
  }
  std::set<std::string> names;
  for (const auto& name : json["weight_map"]) {
    if (!name.is_string()) return corrupt("'weight_map' must hold file names");
    const auto shard = name.get<std::string>();
    if (shard.find_first_of("/\\") != std::string::npos || !shard.ends_with(".safetensors")) {
      return corrupt("'{}' is not the name of a file beside the index", shard);
    }
    names.insert(shard);
  }
  return names;
}

std::string_view type_name(DType dtype) {
  for (const auto& [word, type] : kTypes) {
    if (type == dtype) return word;
  }
  OWLET_CHECK(false, "[write_safetensors] {} has no name there", to_string(dtype));
  return {};
}

}  // namespace

Result<std::map<std::string, Tensor>> read_safetensors(const fs::path& path) {
  OWLET_ASSIGN(const auto file, MappedFile::open(path));
  auto tensors = parse_file(file);
  if (!tensors.ok()) return std::move(tensors).error().in(path.string());
  return tensors;
}

Result<std::map<std::string, Tensor>> read_safetensors_folder(const fs::path& folder) {
  std::error_code code;
  const fs::path single = folder / "model.safetensors";
  if (fs::exists(single, code)) return read_safetensors(single);
  const fs::path index = folder / "model.safetensors.index.json";
  if (!fs::exists(index, code)) {
    return make_error(ErrorCode::kNotFound, "{} holds neither model.safetensors nor its index", folder.string());
  }
  auto names = shard_names(index);
  if (!names.ok()) return std::move(names).error().in(index.string());
  std::map<std::string, Tensor> all;
  for (const std::string& name : *names) {
    OWLET_ASSIGN(auto tensors, read_safetensors(folder / name));
    for (auto& [tensor_name, tensor] : tensors) {
      if (!all.emplace(tensor_name, std::move(tensor)).second) {
        return corrupt("{}: tensor '{}' stands in two shards", folder.string(), tensor_name);
      }
    }
  }
  return all;
}

Status write_safetensors(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  header["__metadata__"] = {{"format", "pt"}};  // transformers asks for it
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    std::vector<int64_t> dims;
    for (int i = 0; i < tensor.shape.rank(); ++i) dims.push_back(tensor.shape[i]);
    header[name] = {{"dtype", type_name(tensor.dtype)}, {"shape", dims}, {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 63) / 64 * 64, ' ');  // spaces, so that tensors begin on 8 bytes
  const uint64_t length = text.size();
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  OWLET_TRY(file.write(std::string_view(reinterpret_cast<const char*>(&length), sizeof length)));
  OWLET_TRY(file.write(text));
  for (const auto& [name, tensor] : tensors) {
    OWLET_TRY(file.write(std::span(static_cast<const std::byte*>(tensor.data), static_cast<size_t>(tensor.bytes()))));
  }
  return file.commit();
}

}  // namespace owlet
