// How often each piece of text was seen: what a trainer learns from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/piece_key.h"

namespace owlet {

class PieceCounts {
 public:
  // From the beginning of the piece, `readable` bytes may be read.
  void add(std::string_view piece, size_t readable, int64_t times = 1) {
    if (piece.empty()) return;
    if (piece.size() <= PieceKey::kLongest) return add(PieceKey::of(piece, readable), times);
    if (const auto it = long_.find(piece); it != long_.end()) {
      it->second += times;
    } else {
      long_.emplace(piece, times);
    }
  }

  void add(const PieceCounts& other) {
    for (const Slot& slot : other.slots_) {
      if (!slot.key.empty()) add(slot.key, slot.count);
    }
    for (const auto& [piece, count] : other.long_) add(piece, 0, count);
  }

  // All pieces with their counts, in an order that depends on nothing else. Views into this.
  std::vector<std::pair<std::string_view, int64_t>> sorted() const {
    std::vector<const Slot*> slots;
    slots.reserve(size_);
    for (const Slot& slot : slots_) {
      if (!slot.key.empty()) slots.push_back(&slot);
    }
    std::sort(slots.begin(), slots.end(), [](const Slot* a, const Slot* b) { return a->key < b->key; });
    std::vector<std::pair<std::string_view, int64_t>> pieces(long_.begin(), long_.end());
    std::sort(pieces.begin(), pieces.end());
    pieces.reserve(pieces.size() + slots.size());
    for (const Slot* slot : slots) pieces.emplace_back(slot->key.text(), slot->count);
    return pieces;
  }

 private:
  struct Slot {
    PieceKey key;  // empty: the slot is free
    int64_t count = 0;
  };
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };

  void add(const PieceKey& key, int64_t times) {
    size_t i = key.hash() & (slots_.size() - 1);
    while (slots_[i].key != key && !slots_[i].key.empty()) i = (i + 1) & (slots_.size() - 1);
    slots_[i].count += times;
    if (!slots_[i].key.empty()) return;
    slots_[i].key = key;
    if (++size_ * 2 > slots_.size()) grow();
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    size_ = 0;
    for (const Slot& slot : old) {
      if (!slot.key.empty()) add(slot.key, slot.count);
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  size_t size_ = 0;
  std::unordered_map<std::string, int64_t, StringHash, std::equal_to<>> long_;
};

}  // namespace owlet
