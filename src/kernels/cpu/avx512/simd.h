// AVX-512 with VNNI and BF16 (Zen 4 and later, Sapphire Rapids and later) as the skeletons see it.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/quantized_row.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct Avx512 {
  static constexpr const char* kName = "avx512";
  static constexpr int64_t kLanes = 16;
  static constexpr int64_t kGemmRows = 12;
  static constexpr int64_t kSmallRows = 8;
  using F = __m512;

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static __mmask16 mask(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static F load_partial(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static void store_partial(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, mask(n), x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F sqrt(F x) { return _mm512_sqrt_ps(x); }
  static float sum(F x) { return _mm512_reduce_add_ps(x); }
  static float largest(F x) { return _mm512_reduce_max_ps(x); }
  // n · 2^k for whole k.
  static F scale_by_power(F x, F k) { return _mm512_scalef_ps(x, k); }
  static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  static F load(const uint16_t* p, HalfTag) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F load(const uint16_t* p, BFloatTag) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F load_partial(const uint16_t* p, int64_t n, HalfTag) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p)); }
  static F load_partial(const uint16_t* p, int64_t n, BFloatTag) { return widen(_mm256_maskz_loadu_epi16(mask(n), p)); }
  static F widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

  // a0 b0 a1 b1 …: the lower halves of both, or the upper ones.
  static F interleave_low(F a, F b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
  }
  static F interleave_high(F a, F b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
  }

  // Vectors of 16 pairs of bfloat16, kept as if they were floats; dot_pairs adds two products to each of 16 sums.
  static constexpr bool kHasBF16 = true;
  static F bf16_pairs(F first, F second) { return as_float(_mm512_cvtne2ps_pbh(second, first)); }  // (x0, x1) (x2, x3) …
  static F bf16_zip(F even, F odd) {                                                               // (even0, odd0) (even1, odd1) …
    alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(
        _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), _mm512_castps_si512(bf16_pairs(even, odd))));
  }
  static F dot_pairs(F a, F b, F c) { return _mm512_dpbf16_ps(c, as_pairs(a), as_pairs(b)); }
  static F as_float(__m512bh x) { return (__m512)x; }
  static __m512bh as_pairs(F x) { return (__m512bh)x; }

  // 32 codes of each of 16 weight rows, made unsigned; quads[j] holds codes 4j … 4j + 3 of row i in its lane i.
  template <class Block>
  struct Codes {
    static constexpr int32_t kOffset = std::is_same_v<Block, BlockQ8_0> ? 128 : 8;
    __m512i quads[8];
    F scale;
  };
  template <class Rows>
  static F scales(const Rows& w) {
    const auto d = [&w](int i) { return static_cast<short>(w[i].d); };
    return _mm512_cvtph_ps(_mm256_setr_epi16(d(0), d(1), d(2), d(3), d(4), d(5), d(6), d(7), d(8), d(9), d(10), d(11), d(12), d(13),
                                             d(14), d(15)));
  }
  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  // Four vectors with a row in each 128-bit lane: out[j] gets the 32-bit columns j, in each lane four rows.
  static void turn_lanes(const __m512i* in, __m512i* out) {
    const __m512i low01 = _mm512_unpacklo_epi32(in[0], in[1]), low23 = _mm512_unpacklo_epi32(in[2], in[3]);
    const __m512i high01 = _mm512_unpackhi_epi32(in[0], in[1]), high23 = _mm512_unpackhi_epi32(in[2], in[3]);
    out[0] = _mm512_unpacklo_epi64(low01, low23);
    out[1] = _mm512_unpackhi_epi64(low01, low23);
    out[2] = _mm512_unpacklo_epi64(high01, high23);
    out[3] = _mm512_unpackhi_epi64(high01, high23);
  }
  template <class Rows>
    requires std::is_same_v<typename Rows::Block, BlockQ8_0>
  static Codes<BlockQ8_0> turn(const Rows& w) {
    Codes<BlockQ8_0> codes;
    __m512i halves[2][4];  // rows 0–7, columns 0–3 and 4–7 in turns; the same of rows 8–15
    for (int h = 0; h < 2; ++h) {
      __m512i pairs[4];
      for (int i = 0; i < 4; ++i) {
        pairs[i] = _mm512_inserti64x4(_mm512_castsi256_si512(load32(w[8 * h + i].q)), load32(w[8 * h + 4 + i].q), 1);
      }
      turn_lanes(pairs, halves[h]);
    }
    const __m512i flip = _mm512_set1_epi8(-128);  // + 128
    for (int j = 0; j < 4; ++j) {
      codes.quads[j] = _mm512_xor_si512(_mm512_shuffle_i32x4(halves[0][j], halves[1][j], 0x88), flip);
      codes.quads[j + 4] = _mm512_xor_si512(_mm512_shuffle_i32x4(halves[0][j], halves[1][j], 0xdd), flip);
    }
    codes.scale = scales(w);
    return codes;
  }
  template <class Rows>
    requires std::is_same_v<typename Rows::Block, BlockQ4_0>
  static Codes<BlockQ4_0> turn(const Rows& w) {
    Codes<BlockQ4_0> codes;
    __m512i fours[4], columns[4];
    for (int i = 0; i < 4; ++i) {
      fours[i] = _mm512_castsi128_si512(load16(w[i].q));
      fours[i] = _mm512_inserti32x4(fours[i], load16(w[i + 4].q), 1);
      fours[i] = _mm512_inserti32x4(fours[i], load16(w[i + 8].q), 2);
      fours[i] = _mm512_inserti32x4(fours[i], load16(w[i + 12].q), 3);
    }
    turn_lanes(fours, columns);
    const __m512i nibble = _mm512_set1_epi8(15);
    for (int j = 0; j < 4; ++j) {
      codes.quads[j] = _mm512_and_si512(columns[j], nibble);
      codes.quads[j + 4] = _mm512_and_si512(_mm512_srli_epi16(columns[j], 4), nibble);
    }
    codes.scale = scales(w);
    return codes;
  }
  // Σ q_w q_x of each row, exact.
  template <class Block>
  static F dots(const Codes<Block>& w, const QuantizedBlock& x) {
    __m512i sum = _mm512_set1_epi32(x.start);
    for (int j = 0; j < 8; ++j) {
      int32_t quad;
      std::memcpy(&quad, x.q + 4 * j, 4);
      sum = _mm512_dpbusd_epi32(sum, w.quads[j], _mm512_set1_epi32(quad));
    }
    return _mm512_cvtepi32_ps(sum);
  }
};

}  // namespace owlet::cpu
