// Formats of five bits keep the nibbles as those of four bits do, and the fifth bits of a block of 32 apart.
#pragma once

#include <cstdint>

namespace owlet {

// Bit i of the four bytes, where it belongs in the code of number i.
inline int fifth_bit(const uint8_t (&high)[4], int i) { return ((high[i / 8] >> (i % 8)) & 1) << 4; }

}  // namespace owlet
