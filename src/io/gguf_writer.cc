#include <algorithm>
#include <set>

#include "io/gguf.h"
#include "io/gguf_types.h"

namespace owlet {
namespace {

constexpr int64_t kBuffer = 1 << 20;    // bytes gathered before they go to the file
constexpr size_t kMaxWrittenNameBytes = 63;   // llama.cpp keeps names in 64 bytes with a closing zero

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}

uint32_t type_id(DType dtype) {
  for (const gguf::TensorType& type : gguf::kTensorTypes) {
    if (type.dtype == dtype) return type.id;
  }
  OWLET_CHECK(false, "[gguf] {} has no number there", to_string(dtype));
}

}  // namespace

void GgufWriter::begin_key(const std::string& key, uint32_t type) {
  keys_.push_back(key);
  append_string(metadata_, key);
  append(metadata_, type);
}
void GgufWriter::begin_list(const std::string& key, uint32_t type, uint64_t count) {
  begin_key(key, gguf::kArray);
  append(metadata_, type);
  append(metadata_, count);
}
void GgufWriter::set_u32(std::string key, uint32_t value) {
  begin_key(key, gguf::kU32);
  append(metadata_, value);
}
void GgufWriter::set_f32(std::string key, float value) {
  begin_key(key, gguf::kF32);
  append(metadata_, value);
}
void GgufWriter::set_bool(std::string key, bool value) {
  begin_key(key, gguf::kBool);
  append<uint8_t>(metadata_, value ? 1 : 0);
}
void GgufWriter::set_string(std::string key, std::string_view value) {
  begin_key(key, gguf::kString);
  append_string(metadata_, value);
}
void GgufWriter::set_strings(std::string key, const std::vector<std::string>& values) {
  begin_list(key, gguf::kString, values.size());
  for (const std::string& value : values) append_string(metadata_, value);
}
void GgufWriter::set_i32s(std::string key, const std::vector<int32_t>& values) {
  begin_list(key, gguf::kI32, values.size());
  for (const int32_t value : values) append(metadata_, value);
}
void GgufWriter::set_f32s(std::string key, const std::vector<float>& values) {
  begin_list(key, gguf::kF32, values.size());
  for (const float value : values) append(metadata_, value);
}
void GgufWriter::set_bytes(std::string key, std::string_view values) {
  begin_list(key, gguf::kU8, values.size());
  for (const char value : values) append(metadata_, static_cast<uint8_t>(value));
}
void GgufWriter::add_tensor(std::string name, DType dtype, Shape shape, RowWriter write_row) {
  tensors_.push_back({std::move(name), dtype, shape, std::move(write_row)});
}

Status GgufWriter::check() const {
  std::set<std::string_view> seen;
  for (const std::string& key : keys_) {
    if (!seen.insert(key).second) return make_error(ErrorCode::kInvalidArgument, "the key '{}' stands twice", key);
  }
  seen.clear();
  for (const Pending& tensor : tensors_) {
    if (tensor.name.empty() || tensor.name.size() > kMaxWrittenNameBytes) {
      return make_error(ErrorCode::kInvalidArgument, "a tensor's name has 1 to {} bytes: '{}'", kMaxWrittenNameBytes, tensor.name);
    }
    if (!seen.insert(tensor.name).second) {
      return make_error(ErrorCode::kInvalidArgument, "two tensors are called '{}'", tensor.name);
    }
    const int block = dtype_info(tensor.dtype).block_size;
    if (tensor.shape.numel() == 0 || tensor.shape.last() % block != 0) {
      return make_error(ErrorCode::kInvalidArgument, "tensor '{}' {} cannot be {}: rows must be multiples of {}", tensor.name,
                        tensor.shape.to_string(), to_string(tensor.dtype), block);
    }
  }
  return {};
}

Status GgufWriter::write(const std::filesystem::path& path, ThreadPool* pool, const std::function<void(double)>& progress) const {
  Status status = check();
  if (!status.ok()) return std::move(status).error().in(path.string());
  std::string buffer(gguf::kMagic);
  append(buffer, gguf::kVersion);
  append<uint64_t>(buffer, tensors_.size());
  append<uint64_t>(buffer, keys_.size());
  buffer += metadata_;
  uint64_t offset = 0;
  for (const Pending& tensor : tensors_) {
    const int rank = std::max(tensor.shape.rank(), 1);  // the format has no scalars
    append_string(buffer, tensor.name);
    append(buffer, static_cast<uint32_t>(rank));
    for (int i = rank; i-- > 0;) append(buffer, static_cast<uint64_t>(tensor.shape.rank() ? tensor.shape[i] : 1));
    append(buffer, type_id(tensor.dtype));
    append(buffer, offset);
    const TensorView extent{nullptr, tensor.dtype, tensor.shape};
    offset += gguf::align_up(static_cast<uint64_t>(extent.bytes()), gguf::kAlignment);
  }
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  const auto pad = [&] {
    const uint64_t at = file.size() + buffer.size();
    buffer.append(gguf::align_up(at, gguf::kAlignment) - at, '\0');
  };
  pad();
  const double total = static_cast<double>(buffer.size() + offset);
  std::vector<std::byte> encoded;  // whole rows, aligned as the buffer's end need not be
  for (const Pending& tensor : tensors_) {
    const int64_t bytes = row_bytes(tensor.dtype, tensor.shape.last()), n_rows = tensor.shape.rows();
    const int64_t at_once = std::max<int64_t>(1, kBuffer / bytes);
    for (int64_t first = 0; first < n_rows; first += at_once) {
      const int64_t n = std::min(at_once, n_rows - first);
      encoded.resize(static_cast<size_t>(n * bytes));
      const auto make_rows = [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) tensor.write_row(first + r, encoded.data() + r * bytes);
      };
      pool ? pool->parallel_for(n, 1, make_rows) : make_rows(0, n);
      if (buffer.size() + encoded.size() > static_cast<size_t>(kBuffer)) {
        OWLET_TRY(file.write(buffer));
        buffer.clear();
      }
      buffer.append(reinterpret_cast<const char*>(encoded.data()), encoded.size());
      if (progress) progress(static_cast<double>(file.size() + buffer.size()) / total);
    }
    pad();
  }
  OWLET_TRY(file.write(buffer));
  return file.commit();
}

}  // namespace owlet
