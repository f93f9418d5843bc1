// Finds added tokens in text before anything is split: leftmost first, the longest of those that begin there. As Hugging Face's
// tokenizers have it, a token of spaces is found among those that the token before it took along too.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace owlet {

class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // A stretch of text between added tokens (id −1), or one of them with the spaces that it takes along.
  struct Stretch {
    std::string_view text;
    TokenId id = -1;
  };
  // Where special tokens are recognised: everywhere, nowhere, or where each of their bytes has a mark that is not 0
  // (marks[0] being that of the first byte of the text).
  struct Trust {
    bool everywhere = false;
    const char* marks = nullptr;
    bool at(size_t i) const { return everywhere || (marks && marks[i]); }
    Trust from(size_t i) const { return {everywhere, marks ? marks + i : nullptr}; }
  };
  // Cuts `text` into stretches, in order; those of spaces may overlap. Linear in the text (times the longest token).
  std::vector<Stretch> cut(std::string_view text, Trust trust) const;

 private:
  // A trie over bytes; node 0 is its root.
  struct TrieNode {
    std::vector<std::pair<char, uint32_t>> children;
    int32_t token = -1;  // index in tokens_ of the one that ends here
  };
  uint32_t child(uint32_t node, char byte) const;
  const AddedToken* longest_at(std::string_view text, size_t at, Trust trust) const;

  std::vector<AddedToken> tokens_;
  std::vector<TrieNode> trie_;
  bool first_bytes_[256] = {};
};

}  // namespace owlet
