// Eight bits a number with a float32 scale every 256, by a map whose steps grow with the number (Dettmers 2015; Dettmers et al. 2022,
// "8-bit Optimizers via Block-wise Quantization"), as bitsandbytes has it: for optimizer states, and for the scales of 4-bit blocks.
// Of seven decades below 1 the i-th from below holds 2^i values (without signs 2^(i+1)), the middles of as many equal steps from a
// tenth of it to all of it; with 0 and 1 there are 256.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace owlet {

enum class DynamicMap : uint8_t { kSigned, kUnsigned };
constexpr int64_t kDynamicBlock = 256;

// Ascending; the reference's to the bit.
const std::array<float, 256>& dynamic_values(DynamicMap map);

struct DynamicTensor {
  DynamicMap map = DynamicMap::kSigned;
  std::vector<uint8_t> codes;
  std::vector<float> scales;  // each block's greatest magnitude
};

// A number is first rounded to the nearest of 65,536 evenly spaced from −1 to 1, then coded by the value nearest to that: the table of the
// reference. So without signs, too, nothing below 2^−17 of the scale is told apart.
DynamicTensor encode_dynamic(DynamicMap map, std::span<const float> x);
void decode_dynamic(const DynamicTensor& tensor, std::span<float> out);

// The same in one piece, as the types kDynamic and kDynamicUnsigned store it: rows of blocks, each its scale and its codes.
struct DynamicBlock {
  float scale;
  uint8_t codes[kDynamicBlock];
};
static_assert(sizeof(DynamicBlock) == 260);
void encode_block(DynamicMap map, const float* x, DynamicBlock& block);
void decode_block(DynamicMap map, const DynamicBlock& block, float* out);

}  // namespace owlet
