// Four bits a number with a float32 scale every 64, as bitsandbytes has them: NF4 (Dettmers et al. 2023, QLoRA, appendix E) and FP4
// (a sign, two bits of exponent, one of mantissa). The scale is the block's greatest magnitude; numbers are coded by the nearest of
// sixteen values in [−1, 1]. Two codes share a byte, the first in the high nibble.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "quant/dynamic_map.h"

namespace owlet {

enum class FourBit : uint8_t { kNf4, kFp4 };
constexpr int64_t kFourBitBlock = 64;

// The value of each code.
const std::array<float, 16>& four_bit_values(FourBit type);

struct FourBitTensor {
  FourBit type = FourBit::kNf4;
  int64_t n = 0;
  std::vector<uint8_t> codes;   // ⌈n / 2⌉ bytes
  std::vector<float> scales;    // one a block, the last of which may be short
};

// One block as the type kNf4 stores it, 36 bytes: x = scale · value of the code.
struct BlockNf4 {
  float scale;
  uint8_t codes[kFourBitBlock / 2];
};
static_assert(sizeof(BlockNf4) == 36);

// Any n; blocks do not care for rows. Not finite numbers are the caller's to refuse.
FourBitTensor encode_four_bit(FourBit type, std::span<const float> x);
void decode_four_bit(const FourBitTensor& tensor, std::span<float> out);

// Double quantization: the scales less their mean, in 8 bits by the signed dynamic map.
struct CodedScales {
  float mean = 0;
  DynamicTensor rest;
};
CodedScales encode_scales(std::span<const float> scales);
std::vector<float> decode_scales(const CodedScales& coded);

// Gives the blocks of a whole tensor the scales that double quantization would leave them: the same numbers, at the old size.
void round_scales(std::span<BlockNf4> blocks);

}  // namespace owlet
