#include "io/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "io/gguf_types.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and mapped as it is");

// Far above what models have; they bound the memory that a hostile file can ask for.
constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxTensors = 1 << 17;
constexpr uint64_t kMaxListElements = 1 << 21;
constexpr uint64_t kMaxElements = uint64_t{1} << 48;  // of a tensor; leaves room to multiply by bytes
constexpr uint64_t kMaxNameBytes = 65535;             // of a key or a tensor's name

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A number at `at`, whose bytes are there; nothing where the type is another kind of number, or beyond int64.
std::optional<int64_t> load_int(uint32_t type, const std::byte* at) {
  switch (type) {
    case gguf::kU8: return load<uint8_t>(at);
    case gguf::kI8: return load<int8_t>(at);
    case gguf::kU16: return load<uint16_t>(at);
    case gguf::kI16: return load<int16_t>(at);
    case gguf::kU32: return load<uint32_t>(at);
    case gguf::kI32: return load<int32_t>(at);
    case gguf::kI64: return load<int64_t>(at);
    case gguf::kU64: {
      const auto value = load<uint64_t>(at);
      return value > INT64_MAX ? std::nullopt : std::optional(static_cast<int64_t>(value));
    }
    default: return std::nullopt;
  }
}

std::optional<double> load_float(uint32_t type, const std::byte* at) {
  if (type == gguf::kF32) return load<float>(at);
  if (type == gguf::kF64) return load<double>(at);
  return std::nullopt;
}

}  // namespace

// Reads values off the front of the mapped file; every length is held against what is left before it is used.
class GgufReader {
 public:
  explicit GgufReader(GgufFile& file) : file_(file), bytes_(file.file_->bytes()) {}

  Status read() {
    if (!std::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()).starts_with(gguf::kMagic)) {
      return corrupt("not a GGUF file");
    }
    at_ = gguf::kMagic.size();
    OWLET_ASSIGN(const auto version, scalar<uint32_t>());
    if (version != 2 && version != 3) {
      return make_error(ErrorCode::kUnsupported, "GGUF version {}{}; read are 2 and 3, little-endian", version & 0xffff ? version : version >> 24,
                        version & 0xffff ? "" : ", big-endian");
    }
    OWLET_ASSIGN(const auto n_tensors, scalar<uint64_t>());
    OWLET_ASSIGN(const auto n_keys, scalar<uint64_t>());
    if (n_keys > kMaxKeys) return corrupt("{} metadata keys; at most {} are read", n_keys, kMaxKeys);
    if (n_tensors > kMaxTensors) return corrupt("{} tensors; at most {} are read", n_tensors, kMaxTensors);
    for (uint64_t i = 0; i < n_keys; ++i) OWLET_TRY(read_key());
    for (uint64_t i = 0; i < n_tensors; ++i) OWLET_TRY(read_tensor_info());
    OWLET_TRY(find_data());
    return check_places();
  }

 private:
  uint64_t left() const { return bytes_.size() - at_; }

  template <class T>
  Result<T> scalar() {
    if (left() < sizeof(T)) return corrupt("the file ends at byte {} inside a number", bytes_.size());
    const T value = load<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return value;
  }

  Result<std::string_view> string() {
    OWLET_ASSIGN(const auto length, scalar<uint64_t>());
    if (length > left()) return corrupt("a text of {} bytes goes past the end of the file", length);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

  Result<std::string> name() {
    OWLET_ASSIGN(const std::string_view text, string());
    if (text.size() > kMaxNameBytes) return corrupt("a name of {} bytes; at most {} are allowed", text.size(), kMaxNameBytes);
    return std::string(text);
  }

  Result<GgufValue> value(uint32_t type) {
    if (type == gguf::kArray) return list();
    if (type == gguf::kString) {
      OWLET_ASSIGN(const std::string_view text, string());
      return GgufValue(text);
    }
    const uint64_t size = gguf::value_bytes(type);
    if (size == 0) return corrupt("unknown metadata type {}", type);
    if (left() < size) return corrupt("the file ends at byte {} inside a number", bytes_.size());
    const std::byte* at = bytes_.data() + at_;
    at_ += size;
    if (type == gguf::kBool) {
      if (load<uint8_t>(at) > 1) return corrupt("a truth value is {}", load<uint8_t>(at));
      return GgufValue(load<uint8_t>(at) == 1);
    }
    if (const auto number = load_float(type, at)) return GgufValue(*number);
    if (const auto number = load_int(type, at)) return GgufValue(*number);
    return corrupt("the number {} is too large", load<uint64_t>(at));
  }

  // A list of one type; lists of lists do not occur in model files and are refused.
  Result<GgufValue> list() {
    GgufList list;
    OWLET_ASSIGN(list.type, scalar<uint32_t>());
    OWLET_ASSIGN(list.count, scalar<uint64_t>());
    const uint64_t begin = at_;
    const uint64_t size = gguf::value_bytes(list.type);
    if (size != 0) {
      if (list.count > left() / size) return corrupt("a list of {} does not fit in the file", list.count);
      at_ += list.count * size;
    } else if (list.type == gguf::kString) {
      if (list.count > left() / sizeof(uint64_t)) return corrupt("a list of {} does not fit in the file", list.count);
      for (uint64_t i = 0; i < list.count; ++i) {
        if (auto text = string(); !text.ok()) return std::move(text).error();
      }
    } else {
      return make_error(ErrorCode::kUnsupported, "lists of type {} are not read", list.type);
    }
    list.bytes = bytes_.subspan(begin, at_ - begin);
    return GgufValue(list);
  }

  Status read_key() {
    OWLET_ASSIGN(std::string key, name());
    OWLET_ASSIGN(const auto type, scalar<uint32_t>());
    auto read = value(type);
    if (!read.ok()) return std::move(read).error().in(key);
    if (!file_.metadata_.emplace(key, std::move(read).value()).second) return corrupt("the key '{}' stands twice", key);
    return {};
  }

  Status read_tensor_info() {
    OWLET_ASSIGN(std::string name, this->name());
    GgufFile::Info info;
    OWLET_ASSIGN(info.n_dims, scalar<uint32_t>());
    if (info.n_dims < 1 || info.n_dims > Shape::kMaxRank) return corrupt("tensor '{}' has {} dimensions", name, info.n_dims);
    uint64_t numel = 1;
    for (uint32_t i = 0; i < info.n_dims; ++i) {
      OWLET_ASSIGN(info.dims[i], scalar<uint64_t>());
      if (info.dims[i] == 0 || info.dims[i] > kMaxElements / numel) return corrupt("tensor '{}' has an impossible shape", name);
      numel *= info.dims[i];
    }
    OWLET_ASSIGN(info.type, scalar<uint32_t>());
    OWLET_ASSIGN(info.offset, scalar<uint64_t>());
    if (const gguf::TensorType* type = gguf::find_tensor_type(info.type)) {
      if (info.dims[0] % type->block_size != 0) {
        return corrupt("rows of tensor '{}' have {} elements, not a multiple of {}", name, info.dims[0], type->block_size);
      }
      info.bytes = numel / type->block_size * type->block_bytes;
    }
    if (!file_.tensors_.emplace(name, info).second) return corrupt("tensor '{}' stands twice", name);
    return {};
  }

  Status find_data() {
    int64_t alignment = gguf::kAlignment;
    if (const auto it = file_.metadata_.find("general.alignment"); it != file_.metadata_.end()) {
      const auto* value = std::get_if<int64_t>(&it->second);
      if (!value || *value < 8 || *value > (1 << 20) || !std::has_single_bit(static_cast<uint64_t>(*value))) {
        return corrupt("general.alignment must be a power of two from 8 to 2^20");
      }
      alignment = *value;
    }
    for (const auto& [name, info] : file_.tensors_) {
      if (info.offset % static_cast<uint64_t>(alignment) != 0) return corrupt("tensor '{}' is not aligned", name);
    }
    file_.data_begin_ = gguf::align_up(at_, static_cast<uint64_t>(alignment));
    return {};
  }

  // Every tensor lies inside the file and on bytes of its own.
  Status check_places() const {
    const uint64_t data_bytes = bytes_.size() - std::min<uint64_t>(bytes_.size(), file_.data_begin_);
    std::vector<const std::pair<const std::string, GgufFile::Info>*> order;
    for (const auto& tensor : file_.tensors_) {
      if (tensor.second.offset > data_bytes || tensor.second.bytes > data_bytes - tensor.second.offset) {
        return Error{ErrorCode::kCorrupt, fmt::format("tensor '{}' goes past the end of the file", tensor.first),
                     "the file seems cut short: fetch it again"};
      }
      order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->second.offset < b->second.offset; });
    for (size_t i = 1; i < order.size(); ++i) {
      const GgufFile::Info& before = order[i - 1]->second;
      if (order[i]->second.offset < before.offset + std::max<uint64_t>(before.bytes, 1)) {
        return corrupt("tensors '{}' and '{}' overlap", order[i - 1]->first, order[i]->first);
      }
    }
    return {};
  }

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
};

Result<GgufFile> GgufFile::open(const fs::path& path) {
  OWLET_ASSIGN(auto file, MappedFile::open(path));
  return read(std::move(file), path.string());
}

Result<GgufFile> GgufFile::read(std::shared_ptr<const MappedFile> mapped, std::string name) {
  GgufFile file;
  file.path_ = name;
  file.file_ = std::move(mapped);
  Status status = GgufReader(file).read();
  if (!status.ok()) return std::move(status).error().in(name);
  return file;
}

template <class T>
Result<T> GgufFile::get(std::string_view key, const char* expected) const {
  const auto it = metadata_.find(key);
  if (it == metadata_.end()) return corrupt("{}: '{}' is missing", path_.string(), key);
  const T* value = std::get_if<T>(&it->second);
  if (!value) return corrupt("{}: '{}' must be {}", path_.string(), key, expected);
  return *value;
}

template <class T>
Result<std::vector<T>> GgufFile::get_list(std::string_view key, const char* expected) const {
  OWLET_ASSIGN(const GgufList list, get<GgufList>(key, expected));
  if (list.count > kMaxListElements) {
    return make_error(ErrorCode::kTooLarge, "{}: '{}' has {} elements; at most {} are read", path_.string(), key, list.count,
                      kMaxListElements);
  }
  const auto wrong = [&] { return corrupt("{}: '{}' must be {}", path_.string(), key, expected); };
  const std::byte* at = list.bytes.data();
  std::vector<T> items;
  items.reserve(list.count);
  for (uint64_t i = 0; i < list.count; ++i) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (list.type != gguf::kString) return wrong();
      const auto length = load<uint64_t>(at);
      items.emplace_back(reinterpret_cast<const char*>(at) + sizeof length, length);
      at += sizeof length + length;
    } else {
      std::optional<T> item;
      if constexpr (std::is_same_v<T, double>) {
        item = load_float(list.type, at);
      } else {
        item = load_int(list.type, at);
      }
      if (!item) return wrong();
      items.push_back(*item);
      at += gguf::value_bytes(list.type);
    }
  }
  return items;
}

Result<int64_t> GgufFile::get_int(std::string_view key) const { return get<int64_t>(key, "a whole number"); }
Result<double> GgufFile::get_float(std::string_view key) const { return get<double>(key, "a number with a fraction"); }
Result<std::string> GgufFile::get_string(std::string_view key) const {
  OWLET_ASSIGN(const std::string_view text, get<std::string_view>(key, "a text"));
  return std::string(text);
}
Result<std::vector<std::string>> GgufFile::get_strings(std::string_view key) const {
  return get_list<std::string>(key, "a list of texts");
}
Result<int64_t> GgufFile::int_or(std::string_view key, int64_t fallback) const {
  return has(key) ? get_int(key) : Result<int64_t>(fallback);
}
Result<double> GgufFile::float_or(std::string_view key, double fallback) const {
  return has(key) ? get_float(key) : Result<double>(fallback);
}
Result<bool> GgufFile::bool_or(std::string_view key, bool fallback) const {
  return has(key) ? get<bool>(key, "a truth value") : Result<bool>(fallback);
}
Result<std::string> GgufFile::string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? get_string(key) : Result<std::string>(std::string(fallback));
}
Result<std::vector<int64_t>> GgufFile::ints_or_empty(std::string_view key) const {
  if (!has(key)) return std::vector<int64_t>();
  return get_list<int64_t>(key, "a list of whole numbers");
}
Result<std::vector<double>> GgufFile::floats_or_empty(std::string_view key) const {
  if (!has(key)) return std::vector<double>();
  return get_list<double>(key, "a list of numbers with a fraction");
}

std::vector<std::string> GgufFile::tensor_names() const {
  std::vector<std::string> names;
  for (const auto& [name, info] : tensors_) names.push_back(name);
  return names;
}

Result<Tensor> GgufFile::tensor(std::string_view name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) return corrupt("{}: tensor '{}' is missing", path_.string(), name);
  const Info& info = it->second;
  const gguf::TensorType* type = gguf::find_tensor_type(info.type);
  if (!type || !type->dtype) {
    std::string read;
    for (const gguf::TensorType& known : gguf::kTensorTypes) {
      if (known.dtype) read += fmt::format("{}{}", read.empty() ? "" : ", ", known.name);
    }
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{}: tensor '{}' is of type {}", path_.string(), name,
                             type ? std::string(type->name) : fmt::format("number {}", info.type)),
                 "read are " + read};
  }
  std::array<int64_t, Shape::kMaxRank> dims;
  std::reverse_copy(info.dims.begin(), info.dims.begin() + info.n_dims, dims.begin());
  std::byte* data = const_cast<std::byte*>(file_->bytes().data()) + data_begin_ + info.offset;
  return Tensor({data, *type->dtype, Shape(std::span<const int64_t>(dims.data(), info.n_dims))}, file_);
}

}  // namespace owlet
