// How products come to the blocks of kLanes rows: as they lie in a file, row by row, or turned beforehand. Formats (block_codes.h) ask for
// one field of a block after the other, always in the same order, and get it with a lane for each row:
//
//   turn16(field, quads)  16 bytes: quads[j] lane i holds bytes 4j … 4j + 3 of row i
//   words(field)          four bytes
//   halves(field)         a half-precision number, as float32
//
// field(block) is where it lies in a row's block. So weights are turned by asking for everything once and writing down the answers, and
// whoever reads what was written needs to know nothing of the format.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/quantized_row.h"

namespace owlet::cpu {

// Four half-precision numbers to a word.
template <int N>
struct Words {
  typedef uint64_t Vector __attribute__((vector_size(8 * N)));
};

// Row by row; behind the last row comes the last row again.
template <class S, class Block>
class LyingRows {
 public:
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kBlockBytes = sizeof(Block);  // of a row
  static constexpr bool kTurned = false;

  // Rows `first` and following of [rows, blocks].
  LyingRows(const void* w, int64_t rows, int64_t first, int64_t blocks) {
    for (int64_t i = 0; i < kLanes; ++i) rows_[i] = static_cast<const Block*>(w) + std::min(first + i, rows - 1) * blocks;
  }
  void open(int64_t b) { b_ = b; }

  template <class Field>
  [[gnu::always_inline]] void turn16(const Field& field, typename S::Quad* quads) const {
    S::turn16([&](int i) { return field(rows_[i][b_]); }, quads);
  }
  template <class Field>
  [[gnu::always_inline]] typename S::Quad words(const Field& field) const {
    return S::words([&](int i) { return field(rows_[i][b_]); });
  }
  template <class Field>
  [[gnu::always_inline]] typename S::F halves(const Field& field) const {
    // Four to a word in plain registers, which the compiler must not undo: the vector units have enough to do with the codes. The words
    // become one vector at once: one that is read where single words have just been written waits for them.
    constexpr int kWords = (kLanes + 3) / 4;
    typename Words<kWords>::Vector words = {};
    for (int64_t i = 0; i < kLanes; i += 4) {
      uint64_t word = 0;
      for (int64_t j = i; j < std::min(i + 4, kLanes); ++j) word |= static_cast<uint64_t>(field(rows_[j][b_])) << (j % 4 * 16);
      asm("" : "+r"(word));
      words[i / 4] = word;
    }
    uint16_t halves[4 * kWords];
    std::memcpy(halves, &words, sizeof halves);
    return S::load(halves, HalfTag{});
  }
  template <class Field>
  uint16_t half(const Field& field, int64_t row) const { return field(rows_[row][b_]); }

 private:
  const Block* rows_[kLanes];
  int64_t b_ = 0;
};

// As BlockTurner wrote them, one group of kLanes rows behind the other. Blocks are opened in their order.
template <class S, class Block>
class TurnedRows {
 public:
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kBlockBytes = sizeof(Block) + BlockCodes<Block, S>::kReadTwice;
  static constexpr bool kTurned = true;
  static int64_t bytes(int64_t rows, int64_t blocks) { return (rows + kLanes - 1) / kLanes * kLanes * blocks * kBlockBytes; }

  TurnedRows(const void* w, int64_t, int64_t first, int64_t blocks) : at_(static_cast<const std::byte*>(w) + first * blocks * kBlockBytes) {}
  void open(int64_t) {}

  template <class Field>
  [[gnu::always_inline]] void turn16(const Field&, typename S::Quad* quads) {
    for (int j = 0; j < 4; ++j) quads[j] = next<typename S::Quad>();
  }
  template <class Field>
  [[gnu::always_inline]] typename S::Quad words(const Field&) { return next<typename S::Quad>(); }
  template <class Field>
  [[gnu::always_inline]] typename S::F halves(const Field&) {
    const auto* halves = reinterpret_cast<const uint16_t*>(at_);
    at_ += kLanes * sizeof(uint16_t);
    return S::load(halves, HalfTag{});
  }

 private:
  template <class T>
  [[gnu::always_inline]] T next() {
    T out;
    std::memcpy(&out, at_, sizeof out);
    at_ += sizeof out;
    return out;
  }

  const std::byte* at_;
};

// Reads rows as they lie, and writes for TurnedRows what it reads.
template <class S, class Block>
class BlockTurner {
 public:
  static constexpr int64_t kLanes = S::kLanes, kBlockBytes = sizeof(Block);
  static constexpr bool kTurned = false;

  BlockTurner(const void* w, int64_t rows, int64_t first, int64_t blocks, void* to)
      : rows_(w, rows, first, blocks), to_(static_cast<std::byte*>(to) + first * blocks * TurnedRows<S, Block>::kBlockBytes) {}
  void open(int64_t b) { rows_.open(b); }

  template <class Field>
  void turn16(const Field& field, typename S::Quad* quads) {
    rows_.turn16(field, quads);
    for (int j = 0; j < 4; ++j) write(quads[j]);
  }
  template <class Field>
  typename S::Quad words(const Field& field) {
    const typename S::Quad out = rows_.words(field);
    write(out);
    return out;
  }
  template <class Field>
  typename S::F halves(const Field& field) {
    for (int64_t i = 0; i < kLanes; ++i) write(rows_.half(field, i));
    return rows_.halves(field);
  }

 private:
  template <class T>
  void write(const T& x) {
    std::memcpy(to_, &x, sizeof x);
    to_ += sizeof x;
  }

  LyingRows<S, Block> rows_;
  std::byte* to_;
};

}  // namespace owlet::cpu
