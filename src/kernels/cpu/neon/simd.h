// Arm NEON with the dot-product extension (Armv8.2: Apple M1 and later, Graviton 2 and later).
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <type_traits>

#include "core/half.h"
#include "kernels/cpu/quantized_row.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct Neon {
  static constexpr const char* kName = "neon";
  static constexpr int64_t kLanes = 4;
  static constexpr int64_t kGemmRows = 8;
  static constexpr int64_t kSmallRows = 8;
  static constexpr bool kHasBF16 = false;
  using F = float32x4_t;

  static F zero() { return vdupq_n_f32(0); }
  static F set1(float x) { return vdupq_n_f32(x); }
  static F load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, F x) { vst1q_f32(p, x); }
  static F load_partial(const float* p, int64_t n) {
    float padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return vld1q_f32(padded);
  }
  static void store_partial(float* p, F x, int64_t n) {
    float out[kLanes];
    vst1q_f32(out, x);
    for (int64_t i = 0; i < n; ++i) p[i] = out[i];
  }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F max(F a, F b) { return vmaxq_f32(a, b); }
  static F min(F a, F b) { return vminq_f32(a, b); }
  static F sqrt(F x) { return vsqrtq_f32(x); }
  static F round(F x) { return vrndnq_f32(x); }
  static F scale_by_power(F x, F k) {
    return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(k), vdupq_n_s32(127)), 23)));
  }
  static float sum(F x) { return vaddvq_f32(x); }
  static float largest(F x) { return vmaxvq_f32(x); }

  static F interleave_low(F a, F b) { return vzip1q_f32(a, b); }
  static F interleave_high(F a, F b) { return vzip2q_f32(a, b); }
  static F round_to_bf16(F x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t up = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const F rounded = vreinterpretq_f32_u32(vandq_u32(up, vdupq_n_u32(0xffff0000)));
    return vbslq_f32(vceqq_f32(x, x), rounded, x);
  }

  static F load(const uint16_t* p, HalfTag) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
  static F load(const uint16_t* p, BFloatTag) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
  template <class Tag>
  static F load_partial(const uint16_t* p, int64_t n, Tag tag) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded, tag);
  }

  // 32 codes of each of 4 weight rows; quads[j] holds codes 4j … 4j + 3 of row i in its lane i.
  template <class Block>
  struct Codes {
    static constexpr int32_t kOffset = 0;
    int8x16_t quads[8];
    F scale;
  };
  // 4 × 4 words of 32 bits, rows to columns.
  static void turn_square(const int8x16_t* rows, int8x16_t* columns) {
    const auto w = [rows](int i) { return vreinterpretq_s32_s8(rows[i]); };
    const int32x4_t a0 = vzip1q_s32(w(0), w(2)), a1 = vzip2q_s32(w(0), w(2));
    const int32x4_t b0 = vzip1q_s32(w(1), w(3)), b1 = vzip2q_s32(w(1), w(3));
    columns[0] = vreinterpretq_s8_s32(vzip1q_s32(a0, b0));
    columns[1] = vreinterpretq_s8_s32(vzip2q_s32(a0, b0));
    columns[2] = vreinterpretq_s8_s32(vzip1q_s32(a1, b1));
    columns[3] = vreinterpretq_s8_s32(vzip2q_s32(a1, b1));
  }
  template <class Rows>
  static auto turn(const Rows& w) {
    using Block = typename Rows::Block;
    Codes<Block> codes;
    int8x16_t low[4], high[4];
    uint16_t d[4];
    for (int i = 0; i < 4; ++i) {
      d[i] = w[i].d;
      if constexpr (std::is_same_v<Block, BlockQ8_0>) {
        low[i] = vld1q_s8(w[i].q);
        high[i] = vld1q_s8(w[i].q + 16);
      } else {
        const uint8x16_t packed = vld1q_u8(w[i].q);
        low[i] = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15))), vdupq_n_s8(8));
        high[i] = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(packed, 4)), vdupq_n_s8(8));
      }
    }
    turn_square(low, codes.quads);
    turn_square(high, codes.quads + 4);
    codes.scale = load(d, HalfTag{});
    return codes;
  }
  // Σ q_w q_x of each row, exact.
  template <class Block>
  static F dots(const Codes<Block>& w, const QuantizedBlock& x) {
    const int8x16_t low = vld1q_s8(x.q), high = vld1q_s8(x.q + 16);
    int32x4_t sum = vdotq_laneq_s32(vdupq_n_s32(0), w.quads[0], low, 0);
    sum = vdotq_laneq_s32(sum, w.quads[1], low, 1);
    sum = vdotq_laneq_s32(sum, w.quads[2], low, 2);
    sum = vdotq_laneq_s32(sum, w.quads[3], low, 3);
    sum = vdotq_laneq_s32(sum, w.quads[4], high, 0);
    sum = vdotq_laneq_s32(sum, w.quads[5], high, 1);
    sum = vdotq_laneq_s32(sum, w.quads[6], high, 2);
    return vcvtq_f32_s32(vdotq_laneq_s32(sum, w.quads[7], high, 3));
  }
};

}  // namespace owlet::cpu
