// The documents of a packed batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace owlet::cpu {

// Rows [begin, end) that see each other, each up to itself.
struct Document {
  int64_t begin;
  int64_t end;
};

struct Documents {
  std::vector<Document> all;
  int64_t longest = 0;
};

Documents documents_of(std::span<const int32_t> first_row);

}  // namespace owlet::cpu
