// The JSON header of a safetensors file, read in one pass without building a document: memory stays in proportion to the tensors
// that it really describes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace owlet {

constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsInfo {
  std::string type;
  std::vector<uint64_t> dims;
  uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsInfo> tensors;
  std::map<std::string, std::string> metadata;
};

// Checks all that the text itself can show: JSON, UTF-8, the form of every entry, duplicates, limits.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view text);

}  // namespace owlet
