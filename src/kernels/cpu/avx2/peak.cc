#include "kernels/cpu/peak.h"
#include "kernels/cpu/avx2/simd.h"

namespace owlet::cpu {
namespace {

// Pairs of products summed in 16 bits, as codes of four bits allow; wider ones cannot do as much.
double run_int8(int64_t rounds) {
  __m256i sum[12];
  // Unrolled everywhere, the sums stay in registers.
#pragma GCC unroll 12
  for (auto& s : sum) s = _mm256_setzero_si256();
  const __m256i a = _mm256_set1_epi8(static_cast<char>(rounds & 3));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      s = _mm256_add_epi16(s, _mm256_maddubs_epi16(a, s));
      Avx2::now(s);
    }
  }
  volatile int keep = 0;
#pragma GCC unroll 12
  for (auto& s : sum) keep = keep + _mm256_extract_epi32(s, 0);
  return static_cast<double>(rounds) * 12 * 2 * 32;
}

}  // namespace
PeakLoops avx2_peak() { return {run_fp32<Avx2>, run_fp32<Avx2>, run_int8}; }
}  // namespace owlet::cpu
