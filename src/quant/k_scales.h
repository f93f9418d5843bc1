// Q4_K and Q5_K: eight scales and eight offsets of six bits in twelve bytes. The first four scales are the low six bits of bytes
// 0 … 3, the first four offsets those of bytes 4 … 7; of the others, the low four bits are the nibbles of bytes 8 … 11 (scales
// low, offsets high) and the upper two bits the free ones of bytes 0 … 3 and 4 … 7.
#pragma once

#include <cstdint>

namespace owlet {

struct ScaleAndOffset {
  int scale, offset;  // 0 … 63
};

inline ScaleAndOffset k_scale(const uint8_t (&packed)[12], int i) {
  if (i < 4) return {packed[i] & 63, packed[i + 4] & 63};
  return {(packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4), (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4)};
}

// In bytes that begin as 0.
inline void set_k_scale(uint8_t (&packed)[12], int i, ScaleAndOffset value) {
  const auto add = [&](int byte, int bits) { packed[byte] = static_cast<uint8_t>(packed[byte] | bits); };
  if (i < 4) {
    add(i, value.scale);
    add(i + 4, value.offset);
  } else {
    add(i + 4, (value.scale & 15) | ((value.offset & 15) << 4));
    add(i - 4, (value.scale >> 4) << 6);
    add(i, (value.offset >> 4) << 6);
  }
}

}  // namespace owlet
