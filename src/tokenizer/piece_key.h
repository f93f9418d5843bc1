// Short pieces of text as three numbers, so that a table finds them without comparing strings.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/bit_cast.h"

namespace owlet {

// The bytes of a piece, zeros behind them, and its length as the last byte: no two pieces have the same, and none is all zeros.
struct PieceKey {
  static constexpr size_t kBytes = 24;
  static constexpr size_t kLongest = kBytes - 1;  // piece that has a key; the empty one has none
  using Words = std::array<uint64_t, 3>;

  // From the beginning of the piece, `readable` bytes may be read.
  static PieceKey of(std::string_view piece, size_t readable) {
    static constexpr auto kMasks = [] {
      std::array<Words, kBytes> masks{};
      for (size_t n = 0; n < kBytes; ++n) {
        std::array<uint8_t, kBytes> bytes{};
        for (size_t i = 0; i < n; ++i) bytes[i] = 0xff;
        masks[n] = bit_cast<Words>(bytes);
      }
      return masks;
    }();
    PieceKey key;
    if (readable < kBytes) {
      std::memcpy(key.words.data(), piece.data(), piece.size());
    } else {
      std::memcpy(key.words.data(), piece.data(), kBytes);
      for (size_t i = 0; i < key.words.size(); ++i) key.words[i] &= kMasks[piece.size()][i];
    }
    key.words[2] |= std::endian::native == std::endian::little ? uint64_t{piece.size()} << 56 : uint64_t{piece.size()};
    return key;
  }

  bool empty() const { return words[2] == 0; }
  std::string_view text() const {
    const char* bytes = reinterpret_cast<const char*>(words.data());
    return {bytes, static_cast<uint8_t>(bytes[kLongest])};
  }
  // 32 bits that depend on all of it. Odd constants from the fractions of square roots.
  uint64_t hash() const {
    uint64_t h = words[0] * 0x6a09e667f3bcc909u ^ words[1] * 0xbb67ae8584caa73bu ^ words[2] * 0x3c6ef372fe94f82bu;
    h ^= h >> 32;
    h *= 0xa54ff53a5f1d36f1u;
    return h >> 32;
  }
  bool operator==(const PieceKey&) const = default;
  bool operator<(const PieceKey& other) const { return words < other.words; }

  Words words = {};
};

}  // namespace owlet
