// Formats of five bits keep the nibbles as those of four bits do, and the fifth bits of a block of 32 apart.
#pragma once

#include <cstdint>

#include "quant/blocks.h"

namespace owlet {

// Bit i of the four bytes, where it belongs in the code of number i.
inline int fifth_bit(const uint8_t (&high)[4], int i) { return ((high[i / 8] >> (i % 8)) & 1) << 4; }

// Code `code` of number i, in a block that begins as 0.
template <class Block>
void set_five_bits(Block& block, int i, int code) {
  uint8_t& nibbles = block.q[i % (kBlock / 2)];
  nibbles = static_cast<uint8_t>(nibbles | ((code & 15) << (i < kBlock / 2 ? 0 : 4)));
  block.high[i / 8] = static_cast<uint8_t>(block.high[i / 8] | ((code >> 4) << (i % 8)));
}

}  // namespace owlet
