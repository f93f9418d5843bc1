#include "io/gguf.h"

#include <bit>
#include <cstring>

namespace owlet {
namespace fs = std::filesystem;
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and mapped as it is");

constexpr uint32_t kVersion = 3;
constexpr uint64_t kAlignment = 32;
constexpr std::string_view kMagic = "GGUF";
// Metadata types.
enum : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

struct TensorType {
  uint32_t id;
  std::string_view name;
  int dtype;  // −1: known, not read
};
constexpr TensorType kTensorTypes[] = {
    {0, "f32", static_cast<int>(DType::kF32)},   {1, "f16", static_cast<int>(DType::kF16)},
    {2, "q4_0", static_cast<int>(DType::kQ4_0)}, {3, "q4_1", -1},
    {6, "q5_0", -1},                             {7, "q5_1", -1},
    {8, "q8_0", static_cast<int>(DType::kQ8_0)}, {10, "q2_k", -1},
    {11, "q3_k", -1},                            {12, "q4_k", -1},
    {13, "q5_k", -1},                            {14, "q6_k", static_cast<int>(DType::kQ6_K)},
    {20, "iq4_nl", -1},                          {23, "iq4_xs", -1},
    {26, "i32", static_cast<int>(DType::kI32)},  {30, "bf16", static_cast<int>(DType::kBF16)}};

template <class... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
}

uint64_t align_up(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

}  // namespace

// Reads values off the front of the mapped file; every length is held against what is left before it is used.
class GgufReader {
 public:
  explicit GgufReader(GgufFile& file) : file_(file), bytes_(file.file_->bytes()) {}

  Status read() {
    if (bytes_.size() < kMagic.size() || std::memcmp(bytes_.data(), kMagic.data(), kMagic.size()) != 0) {
      return corrupt("not a GGUF file");
    }
    at_ = kMagic.size();
    OWLET_ASSIGN(const uint32_t version, scalar<uint32_t>());
    if (version != 2 && version != 3) return make_error(ErrorCode::kUnsupported, "GGUF version {}; read are 2 and 3", version);
    OWLET_ASSIGN(const uint64_t n_tensors, scalar<uint64_t>());
    OWLET_ASSIGN(const uint64_t n_keys, scalar<uint64_t>());
    // A key takes at least 13 bytes, a tensor's description at least 24: more cannot be in the file.
    if (n_keys > left() / 13) return corrupt("{} metadata keys do not fit in the file", n_keys);
    for (uint64_t i = 0; i < n_keys; ++i) OWLET_TRY(read_key());
    if (n_tensors > left() / 24) return corrupt("{} tensors do not fit in the file", n_tensors);
    for (uint64_t i = 0; i < n_tensors; ++i) OWLET_TRY(read_tensor_info());
    return finish();
  }

 private:
  uint64_t left() const { return bytes_.size() - at_; }

  template <class T>
  Result<T> scalar() {
    if (left() < sizeof(T)) return corrupt("the file ends at byte {} inside a number", bytes_.size());
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  Result<std::string> string() {
    OWLET_ASSIGN(const uint64_t length, scalar<uint64_t>());
    if (length > left()) return corrupt("a text of {} bytes goes past the end of the file", length);
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

  template <class T>
  Result<GgufValue> number() {
    OWLET_ASSIGN(const T value, scalar<T>());
    if constexpr (std::is_floating_point_v<T>) {
      return GgufValue(static_cast<double>(value));
    } else {
      if (std::is_same_v<T, uint64_t> && static_cast<uint64_t>(value) > INT64_MAX) return corrupt("the number {} is too large", value);
      return GgufValue(static_cast<int64_t>(value));
    }
  }

  Result<GgufValue> value(uint32_t type) {
    switch (type) {
      case kU8: return number<uint8_t>();
      case kI8: return number<int8_t>();
      case kU16: return number<uint16_t>();
      case kI16: return number<int16_t>();
      case kU32: return number<uint32_t>();
      case kI32: return number<int32_t>();
      case kU64: return number<uint64_t>();
      case kI64: return number<int64_t>();
      case kF32: return number<float>();
      case kF64: return number<double>();
      case kBool: {
        OWLET_ASSIGN(const uint8_t byte, scalar<uint8_t>());
        if (byte > 1) return corrupt("a truth value is {}", byte);
        return GgufValue(byte == 1);
      }
      case kString: {
        OWLET_ASSIGN(std::string text, string());
        return GgufValue(std::move(text));
      }
      case kArray: return array();
      default: return corrupt("unknown metadata type {}", type);
    }
  }

  // A list of one type; lists of lists do not occur in model files and are refused.
  Result<GgufValue> array() {
    OWLET_ASSIGN(const uint32_t type, scalar<uint32_t>());
    OWLET_ASSIGN(const uint64_t n, scalar<uint64_t>());
    if (type == kArray) return make_error(ErrorCode::kUnsupported, "lists of lists are not read");
    const uint64_t least = type == kString ? 8 : 1;
    if (n > left() / least) return corrupt("a list of {} does not fit in the file", n);
    switch (type) {
      case kString: return list<std::string>(type, n);
      case kBool: return list<bool>(type, n);
      case kF32:
      case kF64: return list<double>(type, n);
      default: return list<int64_t>(type, n);
    }
  }

  template <class T>
  Result<GgufValue> list(uint32_t type, uint64_t n) {
    std::vector<T> items;
    for (uint64_t i = 0; i < n; ++i) {
      OWLET_ASSIGN(GgufValue item, value(type));
      items.push_back(std::get<T>(std::move(item)));
    }
    return GgufValue(std::move(items));
  }

  Status read_key() {
    OWLET_ASSIGN(std::string key, string());
    OWLET_ASSIGN(const uint32_t type, scalar<uint32_t>());
    auto read = value(type);
    if (!read.ok()) return std::move(read).error().in(key);
    if (!file_.metadata_.emplace(key, std::move(read).value()).second) return corrupt("the key '{}' stands twice", key);
    return {};
  }

  Status read_tensor_info() {
    OWLET_ASSIGN(std::string name, string());
    GgufFile::Info info;
    OWLET_ASSIGN(const uint32_t n_dims, scalar<uint32_t>());
    if (n_dims < 1 || n_dims > Shape::kMaxRank) return corrupt("tensor '{}' has {} dimensions", name, n_dims);
    uint64_t numel = 1;
    for (uint32_t i = 0; i < n_dims; ++i) {
      OWLET_ASSIGN(const uint64_t dim, scalar<uint64_t>());
      if (dim == 0 || dim > (uint64_t{1} << 48) / numel) return corrupt("tensor '{}' has an impossible shape", name);
      numel *= dim;
      info.dims.push_back(dim);
    }
    OWLET_ASSIGN(info.type, scalar<uint32_t>());
    OWLET_ASSIGN(info.offset, scalar<uint64_t>());
    if (!file_.tensors_.emplace(name, std::move(info)).second) return corrupt("tensor '{}' stands twice", name);
    return {};
  }

  Status finish() {
    OWLET_ASSIGN(const int64_t alignment, file_.int_or("general.alignment", kAlignment));
    if (alignment < 8 || alignment > (1 << 20) || !std::has_single_bit(static_cast<uint64_t>(alignment))) {
      return corrupt("general.alignment is {}", alignment);
    }
    file_.data_begin_ = align_up(at_, static_cast<uint64_t>(alignment));
    for (const auto& [name, info] : file_.tensors_) {
      if (info.offset % static_cast<uint64_t>(alignment) != 0) return corrupt("tensor '{}' is not aligned", name);
    }
    return {};
  }

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
};

Result<GgufFile> GgufFile::open(const fs::path& path) {
  GgufFile file;
  file.path_ = path;
  OWLET_ASSIGN(file.file_, MappedFile::open(path));
  Status status = GgufReader(file).read();
  if (!status.ok()) return std::move(status).error().in(path.string());
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

Result<int64_t> GgufFile::get_int(std::string_view key) const { return get<int64_t>(key, "a whole number"); }
Result<double> GgufFile::get_float(std::string_view key) const { return get<double>(key, "a number"); }
Result<std::string> GgufFile::get_string(std::string_view key) const { return get<std::string>(key, "a text"); }
Result<std::vector<std::string>> GgufFile::get_strings(std::string_view key) const {
  return get<std::vector<std::string>>(key, "a list of texts");
}
Result<int64_t> GgufFile::int_or(std::string_view key, int64_t fallback) const {
  return has(key) ? get_int(key) : Result<int64_t>(fallback);
}
Result<double> GgufFile::float_or(std::string_view key, double fallback) const {
  return has(key) ? get_float(key) : Result<double>(fallback);
}
Result<std::vector<int64_t>> GgufFile::ints_or_empty(std::string_view key) const {
  if (!has(key)) return std::vector<int64_t>();
  return get<std::vector<int64_t>>(key, "a list of whole numbers");
}

Result<Tensor> GgufFile::tensor(std::string_view name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) return corrupt("{}: tensor '{}' is missing", path_.string(), name);
  const Info& info = it->second;
  const TensorType* type = nullptr;
  for (const TensorType& known : kTensorTypes) {
    if (known.id == info.type) type = &known;
  }
  if (!type || type->dtype < 0) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{}: tensor '{}' is of type {}", path_.string(), name,
                             type ? std::string(type->name) : fmt::format("number {}", info.type)),
                 "read are f32, f16, bf16, q8_0, q4_0 and q6_k"};
  }
  const auto dtype = static_cast<DType>(type->dtype);
  const auto block = static_cast<uint64_t>(dtype_info(dtype).block_size);
  if (info.dims[0] % block != 0) {
    return corrupt("{}: rows of tensor '{}' have {} elements, not a multiple of {}", path_.string(), name, info.dims[0], block);
  }
  std::vector<int64_t> dims(info.dims.rbegin(), info.dims.rend());
  const TensorView shape_only{nullptr, dtype, Shape(std::span<const int64_t>(dims))};
  const auto size = static_cast<uint64_t>(shape_only.bytes());
  const uint64_t file_size = file_->bytes().size();
  if (data_begin_ > file_size || info.offset > file_size - data_begin_ || size > file_size - data_begin_ - info.offset) {
    return corrupt("{}: tensor '{}' goes past the end of the file", path_.string(), name);
  }
  std::byte* data = const_cast<std::byte*>(file_->bytes().data()) + data_begin_ + info.offset;
  return Tensor({data, dtype, shape_only.shape}, file_);
}

namespace {

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append_string(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}
uint32_t type_id(DType dtype) {
  for (const TensorType& type : kTensorTypes) {
    if (type.dtype == static_cast<int>(dtype)) return type.id;
  }
  OWLET_CHECK(false, "[gguf] {} has no number there", to_string(dtype));
  return 0;
}

}  // namespace

void GgufWriter::begin_key(const std::string& key, uint32_t type) {
  ++n_keys_;
  append_string(metadata_, key);
  append(metadata_, type);
}
void GgufWriter::set_u32(std::string key, uint32_t value) {
  begin_key(key, kU32);
  append(metadata_, value);
}
void GgufWriter::set_f32(std::string key, float value) {
  begin_key(key, kF32);
  append(metadata_, value);
}
void GgufWriter::set_bool(std::string key, bool value) {
  begin_key(key, kBool);
  append<uint8_t>(metadata_, value ? 1 : 0);
}
void GgufWriter::set_string(std::string key, std::string_view value) {
  begin_key(key, kString);
  append_string(metadata_, value);
}
void GgufWriter::set_strings(std::string key, const std::vector<std::string>& values) {
  begin_key(key, kArray);
  append<uint32_t>(metadata_, kString);
  append<uint64_t>(metadata_, values.size());
  for (const std::string& value : values) append_string(metadata_, value);
}
void GgufWriter::set_i32s(std::string key, const std::vector<int32_t>& values) {
  begin_key(key, kArray);
  append<uint32_t>(metadata_, kI32);
  append<uint64_t>(metadata_, values.size());
  for (int32_t value : values) append(metadata_, value);
}
void GgufWriter::add_tensor(std::string name, DType dtype, Shape shape, RowWriter write_row) {
  tensors_.push_back({std::move(name), dtype, shape, std::move(write_row)});
}

Status GgufWriter::write(const fs::path& path) const {
  std::string head(kMagic);
  append(head, kVersion);
  append<uint64_t>(head, tensors_.size());
  append(head, n_keys_);
  head += metadata_;
  uint64_t offset = 0;
  for (const Pending& tensor : tensors_) {
    append_string(head, tensor.name);
    append(head, static_cast<uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank(); i-- > 0;) append(head, static_cast<uint64_t>(tensor.shape[i]));
    append(head, type_id(tensor.dtype));
    append(head, offset);
    offset += align_up(static_cast<uint64_t>(TensorView{nullptr, tensor.dtype, tensor.shape}.bytes()), kAlignment);
  }
  head.resize(align_up(head.size(), kAlignment), '\0');
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  OWLET_TRY(file.write(head));
  std::vector<std::byte> row;
  for (const Pending& tensor : tensors_) {
    row.resize(static_cast<size_t>(row_bytes(tensor.dtype, tensor.shape.last())));
    for (int64_t r = 0; r < tensor.shape.rows(); ++r) {
      tensor.write_row(r, row.data());
      OWLET_TRY(file.write(row));
    }
    const std::string padding(align_up(file.size(), kAlignment) - file.size(), '\0');
    OWLET_TRY(file.write(padding));
  }
  return file.commit();
}

}  // namespace owlet
