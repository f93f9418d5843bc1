// AVX2 with FMA and F16C: every x86 processor since about 2013.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/quantized_row.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct Avx2 {
  static constexpr const char* kName = "avx2";
  static constexpr int64_t kLanes = 8;
  static constexpr int64_t kGemmRows = 6;  // 12 of the 16 registers are sums
  static constexpr int64_t kSmallRows = 4;
  static constexpr bool kHasBF16 = false;
  using F = __m256;

  static F zero() { return _mm256_setzero_ps(); }
  static F set1(float x) { return _mm256_set1_ps(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static __m256i mask(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F load_partial(const float* p, int64_t n) { return _mm256_maskload_ps(p, mask(n)); }
  static void store_partial(float* p, F x, int64_t n) { _mm256_maskstore_ps(p, mask(n), x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F sqrt(F x) { return _mm256_sqrt_ps(x); }
  static F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F scale_by_power(F x, F k) {
    const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(power));
  }
  static float sum(F x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static float largest(F x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

  static F interleave_low(F a, F b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
  }
  static F interleave_high(F a, F b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
  }
  static F round_to_bf16(F x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const F rounded = _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
    return _mm256_blendv_ps(rounded, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  }

  static F widen(__m128i x, HalfTag) { return _mm256_cvtph_ps(x); }
  static F widen(__m128i x, BFloatTag) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
  template <class Tag>
  static F load(const uint16_t* p, Tag tag) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), tag); }
  template <class Tag>
  static F load_partial(const uint16_t* p, int64_t n, Tag tag) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded, tag);
  }

  // 32 codes of each of 8 weight rows; quads[j] holds codes 4j … 4j + 3 of row i in its lane i. Codes of 8 bits stay signed,
  // those of 4 bits come plus 8.
  template <class Block>
  struct Codes {
    static constexpr int32_t kOffset = std::is_same_v<Block, BlockQ8_0> ? 0 : 8;
    __m256i quads[8];
    F scale;
  };
  template <class Rows>
  static F scales(const Rows& w) {
    const auto d = [&w](int i) { return static_cast<short>(w[i].d); };
    return _mm256_cvtph_ps(_mm_setr_epi16(d(0), d(1), d(2), d(3), d(4), d(5), d(6), d(7)));
  }
  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  // Four vectors with a row in each 128-bit lane: out[j] gets the 32-bit columns j, in each lane four rows.
  static void turn_lanes(const __m256i* in, __m256i* out) {
    const __m256i low01 = _mm256_unpacklo_epi32(in[0], in[1]), low23 = _mm256_unpacklo_epi32(in[2], in[3]);
    const __m256i high01 = _mm256_unpackhi_epi32(in[0], in[1]), high23 = _mm256_unpackhi_epi32(in[2], in[3]);
    out[0] = _mm256_unpacklo_epi64(low01, low23);
    out[1] = _mm256_unpackhi_epi64(low01, low23);
    out[2] = _mm256_unpacklo_epi64(high01, high23);
    out[3] = _mm256_unpackhi_epi64(high01, high23);
  }
  template <class Rows>
    requires std::is_same_v<typename Rows::Block, BlockQ8_0>
  static Codes<BlockQ8_0> turn(const Rows& w) {
    Codes<BlockQ8_0> codes;
    __m256i halves[2][4];  // rows 0–3, columns 0–3 and 4–7; the same of rows 4–7
    for (int h = 0; h < 2; ++h) {
      __m256i rows[4];
      for (int i = 0; i < 4; ++i) rows[i] = load32(w[4 * h + i].q);
      turn_lanes(rows, halves[h]);
    }
    for (int j = 0; j < 4; ++j) {
      codes.quads[j] = _mm256_permute2x128_si256(halves[0][j], halves[1][j], 0x20);
      codes.quads[j + 4] = _mm256_permute2x128_si256(halves[0][j], halves[1][j], 0x31);
    }
    codes.scale = scales(w);
    return codes;
  }
  template <class Rows>
    requires std::is_same_v<typename Rows::Block, BlockQ4_0>
  static Codes<BlockQ4_0> turn(const Rows& w) {
    Codes<BlockQ4_0> codes;
    __m256i pairs[4], columns[4];
    for (int i = 0; i < 4; ++i) {
      pairs[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(w[i].q)), load16(w[i + 4].q), 1);
    }
    turn_lanes(pairs, columns);
    const __m256i nibble = _mm256_set1_epi8(15);
    for (int j = 0; j < 4; ++j) {
      codes.quads[j] = _mm256_and_si256(columns[j], nibble);
      codes.quads[j + 4] = _mm256_and_si256(_mm256_srli_epi16(columns[j], 4), nibble);
    }
    codes.scale = scales(w);
    return codes;
  }
  static __m256i quad_of(const QuantizedBlock& x, int j) {
    int32_t quad;
    std::memcpy(&quad, x.q + 4 * j, 4);
    return _mm256_set1_epi32(quad);
  }
  // |w| · (x with w's sign): sums of two products stay below 2 · 128 · 127, inside 16 bits.
  static F dots(const Codes<BlockQ8_0>& w, const QuantizedBlock& x) {
    __m256i sum = _mm256_setzero_si256();
    for (int j = 0; j < 8; ++j) {
      const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w.quads[j]), _mm256_sign_epi8(quad_of(x, j), w.quads[j]));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    return _mm256_cvtepi32_ps(sum);
  }
  // Sums of sixteen products of 4 bits by 8 stay below 16 · 15 · 127, inside 16 bits too.
  static F dots(const Codes<BlockQ4_0>& w, const QuantizedBlock& x) {
    __m256i pairs = _mm256_setzero_si256();
    for (int j = 0; j < 8; ++j) pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w.quads[j], quad_of(x, j)));
    const __m256i sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(sum, _mm256_set1_epi32(x.start)));
  }
};

}  // namespace owlet::cpu
