// The fit of a super-block of 256 numbers in eight sub-blocks of 32: x = d · s · q − m · t, as Q4_K and Q5_K hold it.
#pragma once

#include <cstdint>

#include "quant/blocks.h"

namespace owlet {

struct SuperBlockFit {
  uint16_t d = 0, m = 0;                // float16
  uint8_t scales[8] = {}, offsets[8] = {};  // s and t, 0 … 63
  uint8_t codes[kSuperBlock] = {};      // q, 0 … most
};

// Each sub-block's range by itself, then all in whole multiples of one d and one m. Those round, so both sides are improved by
// turns: a sub-block's s and t among their neighbours, then d and m by least squares over all numbers.
SuperBlockFit fit_super_block(const float* x, const float* w, int most);

}  // namespace owlet
