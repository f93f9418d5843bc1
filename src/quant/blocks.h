// Block formats: 32 or 256 numbers of a row share a scale. Layouts are GGML's, byte for byte; each format's file says where its
// bits lie. Decoded, with d and m float16 and q, s and t the numbers' codes and their sub-blocks' small scales:
//
//   Q8_0  34 bytes: float16 scale d, 32 × int8 q;             x = d · q
//   Q4_0  18 bytes: float16 scale d, 16 bytes of two nibbles: x = d · (q − 8);
//                   byte i holds elements i (low nibble) and i + 16 (high nibble)
//   Q4_1  20 bytes, Q5_1 24: as Q4_0 and Q5_0 with a least value m: x = d · q + m
//   Q5_0  22 bytes: a fifth bit of each number in 4 bytes:    x = d · (q − 16)
//   IQ4_NL 18 bytes: Q4_0 with a table of uneven steps:       x = d · table[q]
//   Q2_K  84 bytes, 256 numbers in 16 sub-blocks:             x = d · s · q − m · t
//   Q3_K  110 bytes, 256 numbers in 16 sub-blocks:            x = d · (s − 32) · (q − 4)
//   Q4_K  144 bytes, Q5_K 176, 256 numbers in 8 sub-blocks:   x = d · s · q − m · t
//   IQ4_XS 136 bytes, 256 numbers in 8 sub-blocks:            x = d · (s − 32) · table[q]
//   Q6_K  210 bytes, 256 numbers: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 × int8 scales (16 numbers each),
//                   float16 scale d;                        x = d · scale · (q − 32)
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace owlet {

constexpr int kBlock = 32;
constexpr int kSuperBlock = 256;

struct BlockQ8_0 {
  uint16_t d;
  int8_t q[kBlock];
};
static_assert(sizeof(BlockQ8_0) == 34);

struct BlockQ4_0 {
  uint16_t d;
  uint8_t q[kBlock / 2];
};
static_assert(sizeof(BlockQ4_0) == 18);

struct BlockQ6_K {
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210);

struct BlockQ4_1 {
  uint16_t d;
  uint16_t m;
  uint8_t q[kBlock / 2];
};
static_assert(sizeof(BlockQ4_1) == 20);

struct BlockQ5_0 {
  uint16_t d;
  uint8_t high[4];
  uint8_t q[kBlock / 2];
};
static_assert(sizeof(BlockQ5_0) == 22);

struct BlockQ5_1 {
  uint16_t d;
  uint16_t m;
  uint8_t high[4];
  uint8_t q[kBlock / 2];
};
static_assert(sizeof(BlockQ5_1) == 24);

struct BlockQ2_K {
  uint8_t scales[16];
  uint8_t q[64];
  uint16_t d;
  uint16_t m;
};
static_assert(sizeof(BlockQ2_K) == 84);

struct BlockQ3_K {
  uint8_t high[32];
  uint8_t q[64];
  uint8_t scales[12];
  uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110);

struct BlockQ4_K {
  uint16_t d;
  uint16_t m;
  uint8_t scales[12];
  uint8_t q[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

struct BlockQ5_K {
  uint16_t d;
  uint16_t m;
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t q[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

struct BlockIQ4_NL {
  uint16_t d;
  uint8_t q[kBlock / 2];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

struct BlockIQ4_XS {
  uint16_t d;
  uint16_t scales_high;
  uint8_t scales_low[4];
  uint8_t q[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// One row of n numbers (a multiple of the type's block size) to `dtype` and back, for every type; encoding to a type
// that is_encodable() refuses is our own mistake. Blocks are fitted so that Σ importance · (x − decoded)² is small; `importance` has n
// numbers, not negative, or is null where all count alike. Q8_0 without it is llama.cpp's, byte for byte. Every float has a code.
bool is_encodable(DType dtype);
void quantize_row(DType dtype, const float* x, void* out, int64_t n, const float* importance = nullptr);
void dequantize_row(DType dtype, const void* row, float* out, int64_t n);

}  // namespace owlet
