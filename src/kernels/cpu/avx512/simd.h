// AVX-512 with VNNI and BF16 (Zen 4 and later, Sapphire Rapids and later) as the skeletons see it.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

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
  static F load(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static F set1(uint16_t x, HalfTag) { return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<int16_t>(x))); }
  static void store(uint16_t* p, F x, HalfTag) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
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
  static F dot_pairs(__m512i a, uint32_t b, F c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)_mm512_set1_epi32(static_cast<int32_t>(b))); }
  static F as_float(__m512bh x) { return (__m512)x; }
  static __m512bh as_pairs(F x) { return (__m512bh)x; }

  static HalfSums round_to_codes(const float* x, F inverse, int8_t* q) {
    __m128i codes[2];
    for (int half = 0; half < 2; ++half) {
      const F scaled = mul(load(x + half * kLanes), inverse);
      const __mmask16 fits = _mm512_cmp_ps_mask(_mm512_abs_ps(scaled), _mm512_set1_ps(127.5f), _CMP_LT_OQ);
      codes[half] = _mm512_cvtepi32_epi8(_mm512_maskz_cvt_roundps_epi32(fits, scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    const __m256i both = _mm256_set_m128i(codes[1], codes[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), both);
    __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), both);
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4e));
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xb1));
    return {{_mm256_cvtsi256_si32(sums), _mm_cvtsi128_si32(_mm256_extracti128_si256(sums, 1))}};
  }

  // Block formats; see block_codes.h and code_panel.h.
  using Quad = __m512i;
  static constexpr int32_t kSignedOffset = 128;
  static constexpr int64_t kProductRows = 8;
  static constexpr int64_t kProductGroups = 1;
  static constexpr bool kTilesAsRead = true;

  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  // Four vectors with a row in each 128-bit lane: out[j] gets the 32-bit columns j, in each lane four rows.
  [[gnu::always_inline]] static void turn_lanes(const __m512i* in, __m512i* out) {
    const __m512i low01 = _mm512_unpacklo_epi32(in[0], in[1]), low23 = _mm512_unpacklo_epi32(in[2], in[3]);
    const __m512i high01 = _mm512_unpackhi_epi32(in[0], in[1]), high23 = _mm512_unpackhi_epi32(in[2], in[3]);
    out[0] = _mm512_unpacklo_epi64(low01, low23);
    out[1] = _mm512_unpackhi_epi64(low01, low23);
    out[2] = _mm512_unpacklo_epi64(high01, high23);
    out[3] = _mm512_unpackhi_epi64(high01, high23);
  }
  template <class At>
  [[gnu::always_inline]] static void turn16(const At& at, Quad* quads) {
    __m512i fours[4];
    for (int i = 0; i < 4; ++i) {
      fours[i] = _mm512_castsi128_si512(load16(at(i)));
      fours[i] = _mm512_inserti32x4(fours[i], load16(at(i + 4)), 1);
      fours[i] = _mm512_inserti32x4(fours[i], load16(at(i + 8)), 2);
      fours[i] = _mm512_inserti32x4(fours[i], load16(at(i + 12)), 3);
    }
    turn_lanes(fours, quads);
  }
  template <class At>
  [[gnu::always_inline]] static Quad words(const At& at) {
    int32_t word[16];
    for (int i = 0; i < 16; ++i) std::memcpy(&word[i], at(i), 4);
    return _mm512_loadu_si512(word);
  }
  static Quad bits(Quad x, int shift, int mask) {
    return _mm512_and_si512(_mm512_srl_epi16(x, _mm_cvtsi32_si128(shift)), _mm512_set1_epi8(static_cast<char>(mask)));
  }
  template <int kShift>
  static Quad join(Quad low, Quad high) { return _mm512_or_si512(low, _mm512_slli_epi16(high, kShift)); }
  static Quad look_up(const int8_t (&table)[16], Quad x) { return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(load16(table)), x); }
  static Quad from_signed(Quad codes) { return _mm512_xor_si512(codes, _mm512_set1_epi8(-128)); }
  template <int J>
  static Quad spread(Quad words) {
    constexpr int b = J / 2;
    const __m512i its_byte = _mm512_broadcast_i32x4(
        _mm_setr_epi8(b, b, b, b, b + 4, b + 4, b + 4, b + 4, b + 8, b + 8, b + 8, b + 8, b + 12, b + 12, b + 12, b + 12));
    const __m512i its_bit = _mm512_set1_epi32(J % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010));
    return _mm512_maskz_set1_epi8(_mm512_test_epi8_mask(_mm512_shuffle_epi8(words, its_byte), its_bit), 16);
  }
  static Quad byte_at(Quad x, int k) {
    return _mm512_and_si512(_mm512_srl_epi32(x, _mm_cvtsi32_si128(8 * k)), _mm512_set1_epi32(255));
  }
  static Quad signed_byte_at(Quad x, int k) { return _mm512_srai_epi32(_mm512_sll_epi32(x, _mm_cvtsi32_si128(24 - 8 * k)), 24); }
  static Quad plus(Quad ints, int n) { return _mm512_add_epi32(ints, _mm512_set1_epi32(n)); }
  static F floats(Quad ints) { return _mm512_cvtepi32_ps(ints); }

  // Of runs whose sixteens are worth different scales.
  struct Scales {
    __m512i scales[2];  // s of both
    void set_scales(Quad s0, Quad s1) {
      scales[0] = s0;
      scales[1] = s1;
    }
  };
  struct ScalesAndT : Scales {
    __m512i t;  // (t, t) of both in each lane
    void set_t(Quad t0, Quad t1) { t = _mm512_or_si512(_mm512_and_si512(t0, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(t1, 16)); }
    F times_t(const QuantizedBlock& x) const { return _mm512_cvtepi32_ps(_mm512_madd_epi16(t, _mm512_set1_epi32(x.starts[0]))); }
  };

  // out[r] = Σ q_w q_x over a run, exact, of R rows of activations.
  template <class Codes, class Panel, int64_t R>
  [[gnu::always_inline]] static void products(const Panel (&w)[1], const QuantizedBlock* x, int64_t stride, F (&out)[R][1]) {
    constexpr bool kStarts = Codes::kKind == CodeKind::kSigned || Codes::kOffset > 0;
    // The halves' sums are worth different scales; and one row's additions should not all wait for each other.
    constexpr bool kTwoSums = kInHalves<Codes> || R == 1;
    __m512i sum[R], other[R];
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      sum[r] = kStarts ? _mm512_set1_epi32(x[r * stride].starts[0]) : _mm512_setzero_si512();
      other[r] = kStarts && kInHalves<Codes> ? _mm512_set1_epi32(x[r * stride].starts[1]) : _mm512_setzero_si512();
    }
#pragma GCC unroll 16
    for (int j = 0; j < 8; ++j) {
      const __m512i quad = w[0].quads[j];
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, x[r * stride].q + 4 * j, 4);
        __m512i& to = kTwoSums && j >= 4 ? other[r] : sum[r];
        to = _mm512_dpbusd_epi32(to, quad, _mm512_set1_epi32(four));
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
      if constexpr (kInHalves<Codes>) {
        sum[r] = _mm512_mullo_epi32(sum[r], w[0].worth.scales[0]);
        other[r] = _mm512_mullo_epi32(other[r], w[0].worth.scales[1]);
      }
      out[r][0] = _mm512_cvtepi32_ps(kTwoSums ? _mm512_add_epi32(sum[r], other[r]) : sum[r]);
    }
  }
};

}  // namespace owlet::cpu
