#include "kernels/cpu/documents.h"

#include <algorithm>

namespace owlet::cpu {

Documents documents_of(std::span<const int32_t> first_row) {
  Documents documents;
  for (size_t i = 0; i < first_row.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    if (i == 0 || first_row[i] == row) documents.all.push_back({row, row});
    documents.all.back().end = row + 1;
    documents.longest = std::max(documents.longest, row + 1 - documents.all.back().begin);
  }
  return documents;
}

}  // namespace owlet::cpu
