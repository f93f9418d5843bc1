// What short pieces of text became, for one thread and one tokenizer: a text says few words again and again.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace owlet {

// Two places for each hash; the newer piece pushes out the older. It begins small, and grows to 2 MB where pieces do not fit.
class PieceCache {
 public:
  // Appends the ids of `piece`: those it had before, else what encode(piece, out) appends. From the beginning of the piece `readable`
  // bytes may be read.
  template <class Encode>
  void append(std::string_view piece, size_t readable, std::vector<TokenId>& out, const Encode& encode) {
    if (piece.size() > kKeyBytes || piece.empty()) return encode(piece, out);
    const Key key = key_of(piece, readable);
    Entry* set = &entries_[2 * (hash(key, piece.size()) & (entries_.size() / 2 - 1))];
    for (const Entry* entry : {set, set + 1}) {
      if (entry->length != piece.size() || entry->key != key) continue;
      for (uint8_t i = 0; i < entry->count; ++i) out.push_back(entry->ids[i]);
      return;
    }
    const size_t before = out.size();
    encode(piece, out);
    if (out.size() - before > kMaxIds) return;
    set[1] = set[0];
    set[0].key = key;
    set[0].length = static_cast<uint8_t>(piece.size());
    set[0].count = static_cast<uint8_t>(out.size() - before);
    std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), set[0].ids);
    if (++n_kept_ > 2 * entries_.size() && entries_.size() < kMostEntries) grow();
  }

 private:
  static constexpr size_t kKeyBytes = 24;
  static constexpr size_t kMaxIds = 9;
  static constexpr size_t kFirstEntries = 512, kMostEntries = 32768;
  using Key = std::array<uint64_t, 3>;

  struct alignas(64) Entry {  // a cache line
    Key key = {};
    uint8_t length = 0;  // of the piece; 0: the place is free
    uint8_t count = 0;
    TokenId ids[kMaxIds] = {};
  };

  // The bytes of the piece, zeros behind them.
  static Key key_of(std::string_view piece, size_t readable) {
    static constexpr auto kMasks = [] {
      std::array<Key, kKeyBytes + 1> masks{};
      for (size_t n = 0; n <= kKeyBytes; ++n) {
        std::array<uint8_t, kKeyBytes> bytes{};
        for (size_t i = 0; i < n; ++i) bytes[i] = 0xff;
        masks[n] = std::bit_cast<Key>(bytes);
      }
      return masks;
    }();
    Key key = {};
    if (readable < kKeyBytes) {
      std::memcpy(key.data(), piece.data(), piece.size());
      return key;
    }
    std::memcpy(key.data(), piece.data(), kKeyBytes);
    for (size_t i = 0; i < key.size(); ++i) key[i] &= kMasks[piece.size()][i];
    return key;
  }

  // Odd constants of 64 bits, from the fractions of square roots.
  static uint64_t hash(const Key& key, size_t length) {
    uint64_t h = (key[0] + length) * 0x6a09e667f3bcc909u ^ key[1] * 0xbb67ae8584caa73bu ^ key[2] * 0x3c6ef372fe94f82bu;
    h ^= h >> 32;
    h *= 0xa54ff53a5f1d36f1u;
    return h >> 32;
  }

  void grow() {
    entries_ = std::vector<Entry>(entries_.size() * 8);
    n_kept_ = 0;
  }

  std::vector<Entry> entries_ = std::vector<Entry>(kFirstEntries);
  size_t n_kept_ = 0;
};

}  // namespace owlet
