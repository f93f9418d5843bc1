// For tests: damaged copies of valid files.
#pragma once

#include <filesystem>
#include <string>

#include "core/random.h"

namespace owlet {

// One to four bytes changed (flipped bits, extremes, other bytes of the file), or the end cut off; most hits are in the head,
// where the structure is.
inline std::string mutate(const std::string& original, size_t head, Random& random) {
  std::string bytes = original;
  const uint64_t kind = random.below(8);
  if (kind == 0) bytes.resize(random.below(bytes.size()));
  if (kind == 1) bytes.resize(random.below(head));
  if (kind == 2) bytes.insert(random.below(head), 1 + random.below(8), static_cast<char>(random.below(256)));
  if (kind == 3) bytes.erase(random.below(head), 1 + random.below(8));
  if (kind < 4 || bytes.empty()) return bytes;
  for (uint64_t n = 1 + random.below(4); n > 0; --n) {
    char& byte = bytes[random.below(random.below(8) ? head : bytes.size())];
    constexpr char kExtremes[] = {0, 1, '\x7f', '\x80', '\xff'};
    if (kind < 6) byte = static_cast<char>(byte ^ (1 << random.below(8)));
    if (kind == 6) byte = kExtremes[random.below(sizeof kExtremes)];
    if (kind == 7) byte = bytes[random.below(bytes.size())];
  }
  return bytes;
}

}  // namespace owlet
