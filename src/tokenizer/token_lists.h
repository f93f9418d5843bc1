// The lists that fill a tokenizer.json: its model's vocabulary and merges. A JSON document would hold each entry in ten times its own
// bytes, so they are read past it, and what is left for the document is small.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace owlet {

struct TokenLists {
  std::vector<std::pair<std::string, int64_t>> ids;         // "vocab": {"token": id, …}
  std::vector<std::pair<std::string, double>> scores;       // "vocab": [["token", score], …]
  std::vector<std::pair<std::string, std::string>> merges;  // "merges": ["left right", ["left", "right"], …]
};

struct TokenizerDocument {
  Json rest;  // all but the lists' entries: they stand in it, empty
  TokenLists lists;
};

// Errors name the entry that is none of these; a document that is large without its lists is refused.
Result<TokenizerDocument> parse_tokenizer_json(std::string_view text);

// "left right"
Result<std::pair<std::string, std::string>> read_merge(std::string_view line, size_t rank);

}  // namespace owlet
