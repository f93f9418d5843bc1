// safetensors: 8 bytes of header length N (little-endian), N bytes of JSON, then the tensors' bytes.
//   header = {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …, "__metadata__": {"KEY": "TEXT"}}
// Offsets count from the end of the header; tensors lie end to end, in order, without holes, up to the end of the file.
// Every rule of the format's specification is enforced; a file that breaks one is refused with the rule's name.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/tensor.h"

namespace owlet {

// All tensors of one file, by name; their bytes stay mapped. Types: F32, F64, F16, BF16, I32.
Result<std::map<std::string, Tensor>> read_safetensors(const std::filesystem::path& file);

// model.safetensors of a folder, or the shards that model.safetensors.index.json names.
Result<std::map<std::string, Tensor>> read_safetensors_folder(const std::filesystem::path& folder);

// Writes tensors in the given order, atomically; the same tensors give the same bytes.
Status write_safetensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, TensorView>>& tensors);

}  // namespace owlet
