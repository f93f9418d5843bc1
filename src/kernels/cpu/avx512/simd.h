// AVX-512 with VNNI and BF16 (Zen 4 and later, Sapphire Rapids and later) as the skeletons see it.
#pragma once

#include <immintrin.h>

#include <cstdint>

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

  // A block of 32 codes, unsigned, against 32 signed ones; their offset is taken out through the activations' own sums.
  using Codes = __m256i;
  using Sum = __m256;
  static Sum no_sum() { return _mm256_setzero_ps(); }
  static Codes codes(const BlockQ8_0& block) {
    return _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(block.q)), _mm256_set1_epi8(-128));
  }
  static Codes codes(const BlockQ4_0& block) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.q));
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
  }
  template <int kOffset>
  static Sum dot_block(Sum sum, Codes w, const QuantizedBlock& x, float scale) {
    const __m256i offset = _mm256_mullo_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x.sums)),
                                              _mm256_set1_epi32(-kOffset));
    const __m256i dot = _mm256_dpbusd_epi32(offset, w, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x.q)));
    return _mm256_fmadd_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(dot), sum);
  }
  static float total(Sum x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
};

}  // namespace owlet::cpu
