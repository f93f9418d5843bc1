// Q6_K: a super-block of 256 numbers in two halves of 128. In a half, number 32·j + l (j = 0 … 3) takes its low four bits from
// byte l + 32·(j mod 2), the low nibble for j < 2 and the high one else; its upper two bits from bits 2j and 2j + 1 of high byte l;
// and its scale from scales[2j + l / 16].
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/half.h"
#include "quant/blocks.h"
#include "quant/fit.h"
#include "quant/row_codec.h"

namespace owlet {
namespace {

constexpr int kSub = 16, kSubs = kSuperBlock / kSub;

float nearest_code(float scaled) { return nearest_float(scaled, -32, 31); }

float error_of(const float* x, const float* w, float scale) {
  const float inverse = inverse_of(scale);
  Lanes errors;
  for (int i = 0; i < kSub; i += Lanes::kCount) {
    for (int lane = 0; lane < Lanes::kCount; ++lane) {
      const float error = x[i + lane] - scale * nearest_code(x[i + lane] * inverse);
      errors.sums[lane] += w[i + lane] * error * error;
    }
  }
  return errors.total();
}

// Codes 0 … 63 in their places.
void pack(const uint8_t (&codes)[kSuperBlock], BlockQ6_K& block) {
  for (int half = 0; half < 2; ++half) {
    for (int l = 0; l < 32; ++l) {
      const uint8_t* c = codes + 128 * half + l;
      block.low[64 * half + l] = static_cast<uint8_t>((c[0] & 15) | ((c[64] & 15) << 4));
      block.low[64 * half + 32 + l] = static_cast<uint8_t>((c[32] & 15) | ((c[96] & 15) << 4));
      block.high[32 * half + l] = static_cast<uint8_t>((c[0] >> 4) | ((c[32] >> 4) << 2) | ((c[64] >> 4) << 4) | ((c[96] >> 4) << 6));
    }
  }
}

// The scale of each sixteen by itself, then all as whole multiples of one d that gives the largest of them ±127: the multiple that
// leaves the least error, of the five nearest.
void encode(const float* x, const float* w, BlockQ6_K& block) {
  uint8_t codes[kSuperBlock];
  float scales[kSubs], largest = 0;
  for (int sub = 0; sub < kSubs; ++sub) {
    scales[sub] = fit_scale(x + kSub * sub, w + kSub * sub, kSub, -32, 2, nearest_code);
    largest = std::max(largest, std::fabs(scales[sub]));
  }
  block.d = f32_to_f16(largest / 127.0f);
  const float d = f16_to_f32(block.d);
  for (int sub = 0; sub < kSubs; ++sub) {
    const int nearest = nearest_int(scales[sub] * inverse_of(d), -127, 127);
    block.scales[sub] = 0;
    float best = std::numeric_limits<float>::infinity();
    for (int scale = std::max(nearest - 2, -127); scale <= std::min(nearest + 2, 127); ++scale) {
      const float error = error_of(x + kSub * sub, w + kSub * sub, d * static_cast<float>(scale));
      if (error < best) {
        best = error;
        block.scales[sub] = static_cast<int8_t>(scale);
      }
    }
    const float inverse = inverse_of(d * static_cast<float>(block.scales[sub]));
    for (int i = kSub * sub; i < kSub * (sub + 1); ++i) codes[i] = static_cast<uint8_t>(nearest_code(x[i] * inverse) + 32);
  }
  pack(codes, block);
}

void decode(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 4; ++j) {
      for (int l = 0; l < 32; ++l) {
        const int nibbles = block.low[64 * half + l + 32 * (j % 2)];
        const int low = j < 2 ? nibbles & 15 : nibbles >> 4;
        const int high = (block.high[32 * half + l] >> (2 * j)) & 3;
        const float scale = d * static_cast<float>(block.scales[8 * half + 2 * j + l / 16]);
        out[128 * half + 32 * j + l] = scale * static_cast<float>((low | (high << 4)) - 32);
      }
    }
  }
}

}  // namespace

const RowCodec kQ6_KCodec = block_codec<BlockQ6_K, kSuperBlock, encode, decode>();

}  // namespace owlet
