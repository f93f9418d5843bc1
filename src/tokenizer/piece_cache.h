// What short pieces of text became, for one thread and one tokenizer: a text says few words again and again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/piece_key.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// Two places for each hash; the newer piece pushes out the older. It begins small, and grows to 2 MB where pieces do not fit.
class PieceCache {
 public:
  // Appends the ids of `piece`: those it had before, else what encode(piece, out) appends. From the beginning of the piece, `readable`
  // bytes may be read.
  template <class Encode>
  void append(std::string_view piece, size_t readable, std::vector<TokenId>& out, const Encode& encode) {
    if (piece.size() > PieceKey::kLongest || piece.empty()) return encode(piece, out);
    const PieceKey key = PieceKey::of(piece, readable);
    Entry* set = &entries_[2 * (key.hash() & (entries_.size() / 2 - 1))];
    for (const Entry* entry : {set, set + 1}) {
      if (entry->key != key) continue;
      for (uint32_t i = 0; i < entry->count; ++i) out.push_back(entry->ids[i]);
      return;
    }
    const size_t before = out.size();
    encode(piece, out);
    if (out.size() - before > kMaxIds) return;
    set[1] = set[0];
    set[0].key = key;
    set[0].count = static_cast<uint32_t>(out.size() - before);
    std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), set[0].ids);
    if (++n_kept_ > 2 * entries_.size() && entries_.size() < kMostEntries) grow();
  }

 private:
  static constexpr size_t kMaxIds = 9;
  static constexpr size_t kFirstEntries = 512, kMostEntries = 32768;

  struct alignas(64) Entry {  // a cache line
    PieceKey key;             // empty: the place is free
    uint32_t count = 0;
    TokenId ids[kMaxIds] = {};
  };

  void grow() {
    entries_ = std::vector<Entry>(entries_.size() * 8);
    n_kept_ = 0;
  }

  std::vector<Entry> entries_ = std::vector<Entry>(kFirstEntries);
  size_t n_kept_ = 0;
};

}  // namespace owlet
