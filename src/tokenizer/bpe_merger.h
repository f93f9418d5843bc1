// Byte-pair encoding of one piece (Sennrich et al. 2016): the adjacent pair of lowest rank is merged, leftmost first,
// until no pair has a rank.
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/pair_table.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

class BpeMerger {
 public:
  struct Merge {
    int32_t rank = 0;
    TokenId id = 0;
  };

  void add(TokenId left, TokenId right, Merge merge) { merges_(left, right) = merge; }

  // Merges `ids` in place. O(n log n); pieces of words are scanned instead, which is faster there. Adds the number of
  // pairs it looked at to `steps` where that is given.
  void merge(std::vector<TokenId>& ids, uint64_t* steps = nullptr) const;

 private:
  void merge_short(std::vector<TokenId>& ids, uint64_t& steps) const;
  void merge_long(std::vector<TokenId>& ids, uint64_t& steps) const;

  PairTable<Merge> merges_;
};

}  // namespace owlet
