// A set of byte strings with a value each, walked byte by byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "tokenizer/pair_table.h"

namespace owlet {

class ByteTrie {
 public:
  static constexpr int32_t kRoot = 0;
  static constexpr int32_t kNone = -1;

  void add(std::string_view key, int32_t value) {
    int32_t node = kRoot;
    for (const char c : key) {
      int32_t& child = children_(node, static_cast<uint8_t>(c));
      if (child == 0) {
        child = static_cast<int32_t>(values_.size());
        values_.push_back(kNone);
      }
      node = child;
    }
    values_[static_cast<size_t>(node)] = value;
  }
  // kNone where no key goes on so.
  int32_t child(int32_t node, char c) const {
    const int32_t* found = children_.find(node, static_cast<uint8_t>(c));
    return found ? *found : kNone;
  }
  // Of the key that ends at the node, or kNone.
  int32_t value(int32_t node) const { return values_[static_cast<size_t>(node)]; }

 private:
  PairTable<int32_t> children_;
  std::vector<int32_t> values_{kNone};
};

// A vocabulary that goes into one: at most 64 MiB of text, which bounds its memory.
inline Status check_trie_size(const std::vector<std::string>& vocab) {
  constexpr size_t kMaxBytes = size_t{64} << 20;
  size_t bytes = 0;
  for (const std::string& token : vocab) bytes += token.size();
  if (bytes > kMaxBytes) return make_error(ErrorCode::kTooLarge, "a vocabulary of {} bytes; at most {} are read", bytes, kMaxBytes);
  return {};
}

}  // namespace owlet
