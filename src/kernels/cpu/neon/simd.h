// Arm NEON with the dot-product extension (Armv8.2: Apple M1 and later, Graviton 2 and later).
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

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
  static F load(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
  }
  static F set1(uint16_t x, HalfTag) { return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(x))); }
  static void store(uint16_t* p, F x, HalfTag) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
  template <class Tag>
  static F load_partial(const uint16_t* p, int64_t n, Tag tag) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded, tag);
  }

  static HalfSums round_to_codes(const float* x, F inverse, int8_t* q) {
    const auto four = [&](int i) {
      const F scaled = vmulq_f32(vld1q_f32(x + 4 * i), inverse);
      const uint32x4_t fits = vcltq_f32(vabsq_f32(scaled), vdupq_n_f32(127.5f));
      return vmovn_s32(vandq_s32(vcvtnq_s32_f32(scaled), vreinterpretq_s32_u32(fits)));
    };
    HalfSums sums;
    for (int h = 0; h < 2; ++h) {
      const int16x8_t low = vcombine_s16(four(4 * h), four(4 * h + 1)), high = vcombine_s16(four(4 * h + 2), four(4 * h + 3));
      const int8x16_t codes = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
      vst1q_s8(q + 16 * h, codes);
      sums.of[h] = vaddlvq_s8(codes);
    }
    return sums;
  }

  // Block formats; see block_codes.h and code_panel.h. Codes of all kinds fit into signed bytes.
  using Quad = uint8x16_t;
  static constexpr int32_t kSignedOffset = 0;
  static constexpr int64_t kProductRows = 4;
  static constexpr int64_t kProductGroups = 1;

  static int32x4_t ints(Quad x) { return vreinterpretq_s32_u8(x); }
  static Quad quad(int32x4_t x) { return vreinterpretq_u8_s32(x); }
  // 4 × 4 words of 32 bits, rows to columns.
  template <class At>
  static void turn16(const At& at, Quad* quads) {
    const auto w = [&at](int i) { return ints(vld1q_u8(reinterpret_cast<const uint8_t*>(at(i)))); };
    const int32x4_t a0 = vzip1q_s32(w(0), w(2)), a1 = vzip2q_s32(w(0), w(2));
    const int32x4_t b0 = vzip1q_s32(w(1), w(3)), b1 = vzip2q_s32(w(1), w(3));
    quads[0] = quad(vzip1q_s32(a0, b0));
    quads[1] = quad(vzip2q_s32(a0, b0));
    quads[2] = quad(vzip1q_s32(a1, b1));
    quads[3] = quad(vzip2q_s32(a1, b1));
  }
  template <class At>
  static Quad words(const At& at) {
    uint8_t bytes[16];
    for (int i = 0; i < 4; ++i) std::memcpy(bytes + 4 * i, at(i), 4);
    return vld1q_u8(bytes);
  }
  static Quad bits(Quad x, int shift, int mask) {
    return vandq_u8(vshlq_u8(x, vdupq_n_s8(static_cast<int8_t>(-shift))), vdupq_n_u8(static_cast<uint8_t>(mask)));
  }
  template <int kShift>
  static Quad join(Quad low, Quad high) { return vorrq_u8(low, vshlq_n_u8(high, kShift)); }
  static Quad look_up(const int8_t (&table)[16], Quad x) { return vreinterpretq_u8_s8(vqtbl1q_s8(vld1q_s8(table), x)); }
  static Quad from_signed(Quad codes) { return codes; }
  template <int J>
  static Quad spread(Quad words) {
    constexpr uint8_t b = J / 2;
    static constexpr uint8_t kByte[16] = {b,     b,     b,     b,     b + 4,  b + 4,  b + 4,  b + 4,
                                          b + 8, b + 8, b + 8, b + 8, b + 12, b + 12, b + 12, b + 12};
    const uint8x16_t its_bit = vreinterpretq_u8_u32(vdupq_n_u32(J % 2 == 0 ? 0x08040201u : 0x80402010u));
    return vandq_u8(vtstq_u8(vqtbl1q_u8(words, vld1q_u8(kByte)), its_bit), vdupq_n_u8(16));
  }
  static Quad byte_at(Quad x, int k) {
    const uint32x4_t moved = vshlq_u32(vreinterpretq_u32_u8(x), vdupq_n_s32(-8 * k));
    return vreinterpretq_u8_u32(vandq_u32(moved, vdupq_n_u32(255)));
  }
  static Quad signed_byte_at(Quad x, int k) { return quad(vshrq_n_s32(vshlq_s32(ints(x), vdupq_n_s32(24 - 8 * k)), 24)); }
  static Quad plus(Quad x, int n) { return quad(vaddq_s32(ints(x), vdupq_n_s32(n))); }
  static F floats(Quad x) { return vcvtq_f32_s32(ints(x)); }

  // Of runs whose sixteens are worth different scales.
  struct Scales {
    int32x4_t scales[2];  // s of both
    void set_scales(Quad s0, Quad s1) {
      scales[0] = ints(s0);
      scales[1] = ints(s1);
    }
  };
  struct ScalesAndT : Scales {
    int32x4_t t[2];
    void set_t(Quad t0, Quad t1) {
      t[0] = ints(t0);
      t[1] = ints(t1);
    }
    F times_t(const QuantizedBlock& x) const { return vcvtq_f32_s32(vmlaq_n_s32(vmulq_n_s32(t[0], x.halves[0]), t[1], x.halves[1])); }
  };
  // Where the sum of a half begins.
  template <class Codes>
  static int32x4_t start(const QuantizedBlock& x, int half) { return vdupq_n_s32(Codes::kOffset > 0 ? x.starts[half] : 0); }

  // out[r] = Σ q_w q_x over a run, exact, of R rows of activations.
  template <class Codes, class Panel, int64_t R>
  static void products(const Panel (&w)[1], const QuantizedBlock* x, int64_t stride, F (&out)[R][1]) {
    int32x4_t sum[R];
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) sum[r] = kInHalves<Codes> ? vdupq_n_s32(0) : start<Codes>(x[r * stride], 0);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const auto code = [&](int j) { return vreinterpretq_s8_u8(w[0].quads[4 * half + j]); };
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
        const int8x16_t q = vld1q_s8(x[r * stride].q + 16 * half);
        int32x4_t four = kInHalves<Codes> ? start<Codes>(x[r * stride], half) : sum[r];
        four = vdotq_laneq_s32(four, code(0), q, 0);
        four = vdotq_laneq_s32(four, code(1), q, 1);
        four = vdotq_laneq_s32(four, code(2), q, 2);
        four = vdotq_laneq_s32(four, code(3), q, 3);
        if constexpr (kInHalves<Codes>) four = vmlaq_s32(sum[r], four, w[0].worth.scales[half]);
        sum[r] = four;
      }
    }
    for (int64_t r = 0; r < R; ++r) out[r][0] = vcvtq_f32_s32(sum[r]);
  }
};

}  // namespace owlet::cpu
