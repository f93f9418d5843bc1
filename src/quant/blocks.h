// Block formats: 32 numbers of a row share a scale. Layouts are GGML's, byte for byte.
//
//   Q8_0  34 bytes: float16 scale d, 32 × int8 q;             x = d · q
//   Q4_0  18 bytes: float16 scale d, 16 bytes of two nibbles: x = d · (q − 8);
//                   byte i holds elements i (low nibble) and i + 16 (high nibble)
//   Q6_K  210 bytes, 256 numbers: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 × int8 scales (16 numbers each),
//                   float16 scale d;                        x = d · scale · (q − 32). Only read.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace owlet {

constexpr int kBlock = 32;

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

// One row of n numbers (a multiple of the type's block size) to `dtype` and back, for every type; only encoding to I32 and Q6_K makes no
// sense and is our own mistake. Finite numbers give llama.cpp's reference bytes, bit for bit; NaN is encoded as 0.
void quantize_row(DType dtype, const float* x, void* out, int64_t n);
void dequantize_row(DType dtype, const void* row, float* out, int64_t n);

}  // namespace owlet
