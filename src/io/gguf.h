// GGUF, versions 2 and 3 (the format of llama.cpp and its family), little-endian:
//   "GGUF", uint32 version, uint64 n_tensors, uint64 n_keys,
//   n_keys × { string key, uint32 type, value },               string = uint64 length, bytes
//   n_tensors × { string name, uint32 n_dims, uint64 dims[n_dims] (fastest first), uint32 type, uint64 offset },
//   padding to general.alignment (32), then the tensors, each at its offset from here, each padded likewise.
// A value of type array is { uint32 type, uint64 count, count × value }.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "core/tensor.h"
#include "core/thread_pool.h"

namespace owlet {

// A list as it lies in the file: vocabularies are decoded when they are asked for, not when the file is opened.
struct GgufList {
  uint32_t type = 0;  // of the elements
  uint64_t count = 0;
  std::span<const std::byte> bytes;
};

// Integers of every width are read as int64 (uint64 above 2^63 is refused), floats as double; texts are views of the file.
using GgufValue = std::variant<int64_t, double, bool, std::string_view, GgufList>;

// An open file: metadata decoded, every tensor's place checked, the bytes mapped.
class GgufFile {
 public:
  static Result<GgufFile> open(const std::filesystem::path& path);
  // The same of a file that is there already; `name` stands in its errors.
  static Result<GgufFile> read(std::shared_ptr<const MappedFile> file, std::string name);

  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  bool has(std::string_view key) const { return metadata_.contains(key); }
  // Errors name the key. Lists have at most two million elements.
  Result<int64_t> get_int(std::string_view key) const;
  Result<double> get_float(std::string_view key) const;
  Result<std::string> get_string(std::string_view key) const;
  Result<std::vector<std::string>> get_strings(std::string_view key) const;
  // Absent keys give `fallback`; a value of another type is an error all the same.
  Result<int64_t> int_or(std::string_view key, int64_t fallback) const;
  Result<double> float_or(std::string_view key, double fallback) const;
  Result<bool> bool_or(std::string_view key, bool fallback) const;
  Result<std::string> string_or(std::string_view key, std::string_view fallback) const;
  // Empty where the key is absent.
  Result<std::vector<int64_t>> ints_or_empty(std::string_view key) const;
  Result<std::vector<double>> floats_or_empty(std::string_view key) const;

  std::vector<std::string> tensor_names() const;  // sorted
  bool has_tensor(std::string_view name) const { return tensors_.contains(name); }
  // Mapped, in our order of dimensions (slowest first). Types that are not read are refused by name.
  Result<Tensor> tensor(std::string_view name) const;

 private:
  friend class GgufReader;
  struct Info {
    std::array<uint64_t, Shape::kMaxRank> dims{};  // fastest first
    uint32_t n_dims = 0;
    uint32_t type = 0;
    uint64_t offset = 0;  // from data_begin_
    uint64_t bytes = 0;   // 0: a type that came after us
  };
  template <class T>
  Result<T> get(std::string_view key, const char* expected) const;
  template <class T>
  Result<std::vector<T>> get_list(std::string_view key, const char* expected) const;

  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  uint64_t data_begin_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::map<std::string, Info, std::less<>> tensors_;
};

// Collects metadata and tensors, then writes them in the order they came, atomically. Tensors are produced row by row at the
// end, so that no second copy of a model is made.
class GgufWriter {
 public:
  // Writes one row of the tensor, already in its type, to `out`; called from several threads at once.
  using RowWriter = std::function<void(int64_t row, void* out)>;

  void set_u32(std::string key, uint32_t value);
  void set_f32(std::string key, float value);
  void set_bool(std::string key, bool value);
  void set_string(std::string key, std::string_view value);
  void set_strings(std::string key, const std::vector<std::string>& values);
  void set_i32s(std::string key, const std::vector<int32_t>& values);
  void set_f32s(std::string key, const std::vector<float>& values);
  void set_bytes(std::string key, std::string_view values);  // a list of uint8
  void add_tensor(std::string name, DType dtype, Shape shape, RowWriter write_row);
  // Refuses what llama.cpp would not load: a key or a name that stands twice, names of 64 bytes and more, rows of half blocks.
  // Rows are made on all threads of `pool` (null: on the caller's), with the same bytes; `progress` is told the share that is written.
  Status write(const std::filesystem::path& path, ThreadPool* pool = nullptr, const std::function<void(double share)>& progress = {}) const;

 private:
  struct Pending {
    std::string name;
    DType dtype;
    Shape shape;
    RowWriter write_row;
  };
  void begin_key(const std::string& key, uint32_t type);
  void begin_list(const std::string& key, uint32_t type, uint64_t count);
  Status check() const;

  std::vector<std::string> keys_;
  std::string metadata_;  // encoded
  std::vector<Pending> tensors_;
};

}  // namespace owlet
