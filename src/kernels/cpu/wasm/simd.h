// WebAssembly's vectors of 128 bits, two at a time: lanes, sums and roundings are those of generic/, and so is every bit of the results.
#pragma once

#include <wasm_simd128.h>

#include <cstdint>
#include <cstring>

#include "core/half.h"
#include "kernels/cpu/quantized_row.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct Wasm {
  static constexpr const char* kName = "wasm";
  static constexpr int64_t kLanes = 8;
  static constexpr int64_t kGemmRows = 2;
  static constexpr int64_t kSmallRows = 2;
  static constexpr bool kHasBF16 = false;
  struct F {
    v128_t low, high;  // lanes 0 … 3 and 4 … 7
  };

  static F zero() { return set1(0); }
  static F set1(float x) { return {wasm_f32x4_splat(x), wasm_f32x4_splat(x)}; }
  static F load(const float* p) { return {wasm_v128_load(p), wasm_v128_load(p + 4)}; }
  static void store(float* p, F x) {
    wasm_v128_store(p, x.low);
    wasm_v128_store(p + 4, x.high);
  }
  static F load_partial(const float* p, int64_t n) {
    float padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded);
  }
  static void store_partial(float* p, F x, int64_t n) {
    float out[kLanes];
    store(out, x);
    for (int64_t i = 0; i < n; ++i) p[i] = out[i];
  }
  static F add(F a, F b) { return {wasm_f32x4_add(a.low, b.low), wasm_f32x4_add(a.high, b.high)}; }
  static F sub(F a, F b) { return {wasm_f32x4_sub(a.low, b.low), wasm_f32x4_sub(a.high, b.high)}; }
  static F mul(F a, F b) { return {wasm_f32x4_mul(a.low, b.low), wasm_f32x4_mul(a.high, b.high)}; }
  static F div(F a, F b) { return {wasm_f32x4_div(a.low, b.low), wasm_f32x4_div(a.high, b.high)}; }
  // Two roundings: there is no fused product.
  static F fma(F a, F b, F c) { return add(mul(a, b), c); }
  // "Pseudo": b where the comparison does not hold, which processors have as one instruction.
  static F max(F a, F b) { return {wasm_f32x4_pmax(b.low, a.low), wasm_f32x4_pmax(b.high, a.high)}; }
  static F min(F a, F b) { return {wasm_f32x4_pmin(b.low, a.low), wasm_f32x4_pmin(b.high, a.high)}; }
  static F sqrt(F x) { return {wasm_f32x4_sqrt(x.low), wasm_f32x4_sqrt(x.high)}; }
  static F round(F x) { return {wasm_f32x4_nearest(x.low), wasm_f32x4_nearest(x.high)}; }
  static F scale_by_power(F x, F k) { return {scale_by_power(x.low, k.low), scale_by_power(x.high, k.high)}; }
  static float sum(F x) {
    const v128_t four = wasm_f32x4_add(x.low, x.high);
    const v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
  }
  static float largest(F x) {
    const v128_t four = wasm_f32x4_pmax(x.low, x.high);
    const v128_t two = wasm_f32x4_pmax(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(two, wasm_i32x4_shuffle(two, two, 1, 1, 1, 1)), 0);
  }

  static F interleave_low(F a, F b) { return interleave(a.low, b.low); }
  static F interleave_high(F a, F b) { return interleave(a.high, b.high); }
  static F round_to_bf16(F x) { return {round_to_bf16(x.low), round_to_bf16(x.high)}; }

  static F load(const uint16_t* p, HalfTag) {
    return {from_half(wasm_u32x4_load16x4(p)), from_half(wasm_u32x4_load16x4(p + 4))};
  }
  static F load(const uint16_t* p, BFloatTag) {
    return {wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16), wasm_i32x4_shl(wasm_u32x4_load16x4(p + 4), 16)};
  }
  static F load(const int8_t* p) {
    const v128_t wide = wasm_i16x8_load8x8(p);
    return {wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(wide)), wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(wide))};
  }
  static F set1(uint16_t x, HalfTag) { return set1(f16_to_f32(x)); }
  static void store(uint16_t* p, F x, HalfTag) {
    float lanes[kLanes];
    store(lanes, x);
    for (int64_t i = 0; i < kLanes; ++i) p[i] = f32_to_f16(lanes[i]);
  }
  template <class Tag>
  static F load_partial(const uint16_t* p, int64_t n, Tag tag) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded, tag);
  }

  static PairSums round_to_codes(const float* x, F inverse, int8_t* q) {
    const auto four = [&](int i) {
      const v128_t scaled = wasm_f32x4_mul(wasm_v128_load(x + 4 * i), inverse.low);
      const v128_t fits = wasm_f32x4_lt(wasm_f32x4_abs(scaled), wasm_f32x4_splat(127.5f));
      return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_v128_and(scaled, fits)));
    };
    PairSums sums;
    for (int h = 0; h < 2; ++h) {
      const v128_t low = wasm_i16x8_narrow_i32x4(four(4 * h), four(4 * h + 1)), high = wasm_i16x8_narrow_i32x4(four(4 * h + 2), four(4 * h + 3));
      const v128_t codes = wasm_i8x16_narrow_i16x8(low, high);
      wasm_v128_store(q + 16 * h, codes);
      v128_t pairs = wasm_i16x8_extadd_pairwise_i8x16(codes);
      pairs = wasm_i16x8_add(pairs, wasm_i32x4_shuffle(pairs, pairs, 2, 3, 0, 1));
      pairs = wasm_i16x8_add(pairs, wasm_i32x4_shuffle(pairs, pairs, 1, 0, 3, 2));
      sums.of[h][0] = wasm_i16x8_extract_lane(pairs, 0);
      sums.of[h][1] = wasm_i16x8_extract_lane(pairs, 1);
    }
    return sums;
  }

  // Block formats; see block_codes.h and code_panel.h. Codes of all kinds fit into signed bytes.
  struct Quad {
    v128_t low, high;  // of rows 0 … 3 and 4 … 7
  };
  static constexpr int32_t kSignedOffset = 0;
  static constexpr int64_t kProductRows = 2;  // sixteen registers hold the sums of two rows, and what goes into them
  static constexpr int64_t kProductGroups = 1;

  template <class At>
  static Quad words(const At& at) {
    uint8_t bytes[32];
    for (int i = 0; i < kLanes; ++i) std::memcpy(bytes + 4 * i, at(i), 4);
    return {wasm_v128_load(bytes), wasm_v128_load(bytes + 16)};
  }
  template <class At>
  static void turn16(const At& at, Quad* quads) {
    v128_t low[4], high[4];
    turn_four(wasm_v128_load(at(0)), wasm_v128_load(at(1)), wasm_v128_load(at(2)), wasm_v128_load(at(3)), low);
    turn_four(wasm_v128_load(at(4)), wasm_v128_load(at(5)), wasm_v128_load(at(6)), wasm_v128_load(at(7)), high);
    for (int j = 0; j < 4; ++j) quads[j] = {low[j], high[j]};
  }
  static Quad bits(Quad x, int shift, int mask) {
    const v128_t kept = wasm_i8x16_splat(static_cast<int8_t>(mask));
    const auto of = [&](v128_t half) { return wasm_v128_and(wasm_u32x4_shr(half, static_cast<uint32_t>(shift)), kept); };
    return {of(x.low), of(x.high)};
  }
  template <int kShift>
  static Quad join(Quad low, Quad high) {
    return {wasm_v128_or(low.low, wasm_i32x4_shl(high.low, kShift)), wasm_v128_or(low.high, wasm_i32x4_shl(high.high, kShift))};
  }
  static Quad look_up(const int8_t (&table)[16], Quad x) {
    const v128_t values = wasm_v128_load(table);
    return {wasm_i8x16_swizzle(values, x.low), wasm_i8x16_swizzle(values, x.high)};
  }
  static Quad from_signed(Quad codes) { return codes; }
  template <int J>
  static Quad spread(Quad words) {
    const v128_t its_bit = wasm_i32x4_splat(J % 2 == 0 ? 0x08040201 : static_cast<int32_t>(0x80402010));
    const auto of = [&](v128_t half) {
      constexpr int b = J / 2;
      const v128_t its_byte = wasm_i8x16_shuffle(half, half, b, b, b, b, b + 4, b + 4, b + 4, b + 4, b + 8, b + 8, b + 8, b + 8,
                                                 b + 12, b + 12, b + 12, b + 12);
      return wasm_v128_and(wasm_i8x16_eq(wasm_v128_and(its_byte, its_bit), its_bit), wasm_i8x16_splat(16));
    };
    return {of(words.low), of(words.high)};
  }
  static Quad byte_at(Quad x, int k) {
    const auto of = [k](v128_t half) { return wasm_v128_and(wasm_u32x4_shr(half, static_cast<uint32_t>(8 * k)), wasm_i32x4_splat(255)); };
    return {of(x.low), of(x.high)};
  }
  static Quad signed_byte_at(Quad x, int k) {
    const auto of = [k](v128_t half) { return wasm_i32x4_shr(wasm_i32x4_shl(half, static_cast<uint32_t>(24 - 8 * k)), 24); };
    return {of(x.low), of(x.high)};
  }
  static Quad plus(Quad ints, int n) {
    return {wasm_i32x4_add(ints.low, wasm_i32x4_splat(n)), wasm_i32x4_add(ints.high, wasm_i32x4_splat(n))};
  }
  static F floats(Quad ints) { return {wasm_f32x4_convert_i32x4(ints.low), wasm_f32x4_convert_i32x4(ints.high)}; }

  // Of runs whose sixteens are worth different scales.
  struct Scales {
    Quad scales[2];  // s of both
    void set_scales(Quad s0, Quad s1) {
      scales[0] = s0;
      scales[1] = s1;
    }
  };
  struct ScalesAndT : Scales {
    Quad t[2];
    void set_t(Quad t0, Quad t1) {
      t[0] = t0;
      t[1] = t1;
    }
    F times_t(const QuantizedBlock& x) const { return floats(plus(times(t[0], x.halves[0]), times(t[1], x.halves[1]))); }
  };

  // out[r] = Σ q_w q_x over a run, exact, of R rows of activations. Codes become sixteen bits wide, pairs of products are summed in
  // 32, and a row's two sums of pairs meet at the end.
  template <class Codes, class Panel, int64_t R>
  [[gnu::always_inline]] static void products(const Panel (&w)[1], const QuantizedBlock* x, int64_t stride, F (&out)[R][1]) {
    Quad sum[R];
#pragma unroll
    for (int64_t r = 0; r < R; ++r) {
      sum[r] = splat(Codes::kOffset > 0 && !kInHalves<Codes> ? x[r * stride].starts[0] : 0);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      v128_t pairs[R][4];  // of two rows each
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const Quad quad = w[0].quads[4 * half + j];
        const v128_t w[4] = {wasm_i16x8_extend_low_i8x16(quad.low), wasm_i16x8_extend_high_i8x16(quad.low),
                             wasm_i16x8_extend_low_i8x16(quad.high), wasm_i16x8_extend_high_i8x16(quad.high)};
#pragma unroll
        for (int64_t r = 0; r < R; ++r) {
          const v128_t four = wasm_i16x8_extend_low_i8x16(wasm_v128_load32_splat(x[r * stride].q + 16 * half + 4 * j));
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const v128_t two = wasm_i32x4_dot_i16x8(w[i], four);
            pairs[r][i] = j == 0 ? two : wasm_i32x4_add(pairs[r][i], two);
          }
        }
      }
#pragma unroll
      for (int64_t r = 0; r < R; ++r) {
        Quad rows = {sum_pairs(pairs[r][0], pairs[r][1]), sum_pairs(pairs[r][2], pairs[r][3])};
        if constexpr (kInHalves<Codes>) {
          if constexpr (Codes::kOffset > 0) rows = plus(rows, splat(x[r * stride].starts[half]));
          const Quad& s = w[0].worth.scales[half];
          rows = {wasm_i32x4_mul(rows.low, s.low), wasm_i32x4_mul(rows.high, s.high)};
        }
        sum[r] = plus(sum[r], rows);
      }
    }
#pragma unroll
    for (int64_t r = 0; r < R; ++r) out[r][0] = floats(sum[r]);
  }

 protected:
  static Quad splat(int32_t n) { return {wasm_i32x4_splat(n), wasm_i32x4_splat(n)}; }
  static Quad plus(Quad a, Quad b) { return {wasm_i32x4_add(a.low, b.low), wasm_i32x4_add(a.high, b.high)}; }

 private:
  static Quad times(Quad ints, int32_t n) {
    return {wasm_i32x4_mul(ints.low, wasm_i32x4_splat(n)), wasm_i32x4_mul(ints.high, wasm_i32x4_splat(n))};
  }
  static v128_t sum_pairs(v128_t rows01, v128_t rows23) {
    return wasm_i32x4_add(wasm_i32x4_shuffle(rows01, rows23, 0, 2, 4, 6), wasm_i32x4_shuffle(rows01, rows23, 1, 3, 5, 7));
  }
  // 4 × 4 words of 32 bits, rows to columns.
  static void turn_four(v128_t a, v128_t b, v128_t c, v128_t d, v128_t (&out)[4]) {
    const v128_t ab01 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab23 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    const v128_t cd01 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd23 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    out[0] = wasm_i64x2_shuffle(ab01, cd01, 0, 2);
    out[1] = wasm_i64x2_shuffle(ab01, cd01, 1, 3);
    out[2] = wasm_i64x2_shuffle(ab23, cd23, 0, 2);
    out[3] = wasm_i64x2_shuffle(ab23, cd23, 1, 3);
  }
  static F interleave(v128_t a, v128_t b) {
    return {wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)};
  }
  // k is whole and small: beside 1.5 · 2^23 it stands in a float's lowest bits as it is, and what stands above them is shifted out.
  static v128_t scale_by_power(v128_t x, v128_t k) {
    const v128_t whole = wasm_f32x4_add(k, wasm_f32x4_splat(12582912.0f));
    return wasm_f32x4_mul(x, wasm_i32x4_shl(wasm_i32x4_add(whole, wasm_i32x4_splat(127)), 23));
  }
  static v128_t round_to_bf16(v128_t bits) {
    const v128_t odd = wasm_v128_and(wasm_u32x4_shr(bits, 16), wasm_i32x4_splat(1));
    const v128_t up = wasm_i32x4_add(bits, wasm_i32x4_add(odd, wasm_i32x4_splat(0x7fff)));
    const v128_t rounded = wasm_v128_and(up, wasm_i32x4_splat(static_cast<int32_t>(0xffff0000)));
    return wasm_v128_bitselect(rounded, bits, wasm_f32x4_eq(bits, bits));
  }
  // IEEE halves in the low words: their exponents count from 15, a float's from 127, which a product with 2^112 makes up for, exactly,
  // also below the smallest normal number; infinities and what is no number keep the exponent that says so.
  static v128_t from_half(v128_t words) {
    const v128_t sign = wasm_i32x4_shl(wasm_v128_and(words, wasm_i32x4_splat(0x8000)), 16);
    const v128_t magnitude = wasm_i32x4_shl(wasm_v128_and(words, wasm_i32x4_splat(0x7fff)), 13);
    const v128_t special = wasm_v128_and(wasm_i32x4_gt(magnitude, wasm_i32x4_splat((0x7c00 << 13) - 1)), wasm_i32x4_splat(0x7f800000));
    return wasm_v128_or(wasm_v128_or(wasm_f32x4_mul(magnitude, wasm_f32x4_splat(0x1p112f)), special), sign);
  }
};

}  // namespace owlet::cpu
