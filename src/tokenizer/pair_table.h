// A hash table from a pair of token ids to a small value: open addressing, no removal. The one hot look-up of both
// encoding and training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace owlet {

template <class Value>
class PairTable {
 public:
  explicit PairTable(size_t expected = 16) {
    size_t capacity = 16;
    while (capacity < expected * 2) capacity *= 2;
    slots_.resize(capacity);
  }

  size_t size() const { return size_; }

  const Value* find(int32_t a, int32_t b) const {
    const uint64_t key = key_of(a, b);
    for (size_t i = home(key);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == kEmpty) return nullptr;
    }
  }
  Value* find(int32_t a, int32_t b) { return const_cast<Value*>(std::as_const(*this).find(a, b)); }

  // The value of the pair, made by default where there is none. Ids must not be negative. Moves the others.
  Value& operator()(int32_t a, int32_t b) {
    if (Value* found = find(a, b)) return *found;
    if (++size_ * 2 > slots_.size()) grow();
    return *insert({key_of(a, b), Value{}});
  }

 private:
  struct Slot {
    uint64_t key = kEmpty;
    Value value{};
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  static uint64_t key_of(int32_t a, int32_t b) {
    return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
  }
  size_t home(uint64_t key) const {
    key *= 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio
    return static_cast<size_t>(key ^ key >> 32) & (slots_.size() - 1);
  }
  Value* insert(Slot slot) {
    size_t i = home(slot.key);
    while (slots_[i].key != kEmpty) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = std::move(slot);
    return &slots_[i].value;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.key != kEmpty) insert(std::move(slot));
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace owlet
