// AVX2 with the dot products of AVX-VNNI (Alder Lake and later, Zen 5 and later), where there is no AVX-512.
#pragma once

#include "kernels/cpu/avx2/simd.h"

namespace owlet::cpu {

struct AvxVnni : Avx2 {
  static constexpr const char* kName = "avxvnni";
  static constexpr int32_t kSignedOffset = 128;
  static constexpr bool kSumsPairs = false;

  static Quad from_signed(Quad codes) { return _mm256_xor_si256(codes, _mm256_set1_epi8(-128)); }
  // sums + four products of unsigned by signed bytes in each lane.
  static __m256i add_dots(__m256i sums, __m256i codes, __m256i x) { return _mm256_dpbusd_avx_epi32(sums, codes, x); }

  // out[r][g] = Σ q_w q_x over a run, exact, of R rows of activations and G groups of weights; one sixteen after the other, since both
  // are worth different scales.
  template <class Codes, class Panel, int64_t R, int64_t G>
  [[gnu::always_inline]] static void products(const Panel (&w)[G], const QuantizedBlock* x, int64_t stride, F (&out)[R][G]) {
    constexpr bool kStarts = Codes::kKind == CodeKind::kSigned || Codes::kOffset > 0;
    __m256i total[R][G];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m256i sum[R][G];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
#pragma GCC unroll 16
        for (int64_t r = 0; r < R; ++r) {
          const __m256i four = four_of(x[r * stride], 4 * half + j);
#pragma GCC unroll 4
          for (int64_t g = 0; g < G; ++g) {
            if (j == 0) sum[r][g] = half == 1 && !kInHalves<Codes> ? total[r][g] : _mm256_set1_epi32(kStarts ? x[r * stride].starts[half] : 0);
            sum[r][g] = add_dots(sum[r][g], w[g].quads[4 * half + j], four);
          }
        }
      }
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
        for (int64_t g = 0; g < G; ++g) {
          if constexpr (kInHalves<Codes>) sum[r][g] = _mm256_mullo_epi32(sum[r][g], _mm256_srai_epi32(w[g].worth.scales[half], 16));
          total[r][g] = kInHalves<Codes> && half == 1 ? _mm256_add_epi32(total[r][g], sum[r][g]) : sum[r][g];
        }
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g) out[r][g] = _mm256_cvtepi32_ps(total[r][g]);
    }
  }
};

}  // namespace owlet::cpu
