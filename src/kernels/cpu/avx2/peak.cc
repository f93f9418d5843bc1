#include "kernels/cpu/peak.h"
#include "kernels/cpu/avx2/simd.h"

namespace owlet::cpu {
namespace {

double run_int8(int64_t rounds) {
  __m256i sum[12];
  for (auto& s : sum) s = _mm256_setzero_si256();
  const __m256i a = _mm256_set1_epi8(static_cast<char>(rounds & 3)), b = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  for (int64_t r = 0; r < rounds; ++r) {
    for (auto& s : sum) s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_add_epi8(b, s)), ones));
  }
  volatile int keep = 0;
  for (auto& s : sum) keep = keep + _mm256_extract_epi32(s, 0);
  return static_cast<double>(rounds) * 12 * 2 * 32;
}

}  // namespace
PeakLoops avx2_peak() { return {run_fp32<Avx2>, run_fp32<Avx2>, run_int8}; }
}  // namespace owlet::cpu
