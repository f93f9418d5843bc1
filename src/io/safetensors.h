// safetensors: 8 bytes of header length N (little-endian), N bytes of JSON, then the tensors' bytes.
//   header = {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …, "__metadata__": {"KEY": "TEXT"}}
// Offsets count from the end of the header; tensors lie end to end, without holes or overlaps, up to the end of the file. The
// header begins with '{', may end in spaces, has at most 100 MB and no duplicate keys. Large models are split into several files
// beside an index, model.safetensors.index.json: {"weight_map": {"NAME": "FILE", …}}.
// Every rule is enforced when the file is opened; a file that breaks one is refused with the rule's name.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "core/tensor.h"

namespace owlet {

// The tensors of one file or of a folder's files. Nothing is read until a tensor is asked for, and then it stays mapped.
class Safetensors {
 public:
  static Result<Safetensors> open(const std::filesystem::path& file);
  // A file's bytes that are there already; `path` is for errors.
  static Result<Safetensors> read(std::shared_ptr<const MappedFile> file, const std::filesystem::path& path);
  // model.safetensors of a folder, or the files that its index names.
  static Result<Safetensors> open_folder(const std::filesystem::path& folder);

  bool has(std::string_view name) const { return entries_.contains(name); }
  std::vector<std::string> names() const;  // sorted
  // A view of the file; a copy only where the file does not align it. Types: F32, F64, F16, BF16, I32, with up to four
  // dimensions; others are refused by name.
  Result<Tensor> tensor(std::string_view name) const;
  // The bytes of a tensor of any type, valid as long as this.
  Result<std::span<const std::byte>> bytes(std::string_view name) const;
  // The texts under __metadata__ (of the first file, where there are several).
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  struct Entry {
    std::string type;            // as the file names it
    std::vector<uint64_t> dims;  // slowest first
    std::shared_ptr<const MappedFile> file;
    const std::byte* data = nullptr;  // inside `file`
    uint64_t bytes = 0;
  };

  std::filesystem::path path_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::string> metadata_;
};

// All tensors that can be read, by name; their bytes stay mapped. Tensors of other types are left out.
Result<std::map<std::string, Tensor>> read_safetensors(const std::filesystem::path& file);
Result<std::map<std::string, Tensor>> read_safetensors_folder(const std::filesystem::path& folder);

// Writes tensors in the given order, atomically; the same tensors give the same bytes. Metadata gains {"format": "pt"}, which
// transformers asks for.
Status write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, TensorView>>& tensors,
                         std::map<std::string, std::string> metadata = {});

}  // namespace owlet
