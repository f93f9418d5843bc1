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

  // Pairs of bfloat16: 32 products, added two by two to 16 sums.
  static constexpr bool kHasBF16 = true;
  using BF16Pairs = __m512i;
  static BF16Pairs load_pairs(const uint32_t* p) { return _mm512_loadu_si512(p); }
  static BF16Pairs broadcast_pair(uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static F dot_pairs(BF16Pairs a, BF16Pairs b, F c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }

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
