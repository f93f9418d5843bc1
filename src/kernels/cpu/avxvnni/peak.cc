#include "kernels/cpu/peak.h"
#include "kernels/cpu/avxvnni/simd.h"

namespace owlet::cpu {
namespace {

double run_int8(int64_t rounds) {
  __m256i sum[12];
  for (auto& s : sum) s = _mm256_setzero_si256();
  const __m256i a = _mm256_set1_epi8(static_cast<char>(rounds & 3)), b = _mm256_set1_epi8(1);
  for (int64_t r = 0; r < rounds; ++r) {
    for (auto& s : sum) s = AvxVnni::add_dots(s, a, b);
  }
  volatile int keep = 0;
  for (auto& s : sum) keep = keep + _mm256_extract_epi32(s, 0);
  return static_cast<double>(rounds) * 12 * 2 * 32;
}

}  // namespace
PeakLoops avxvnni_peak() { return {run_fp32<AvxVnni>, run_fp32<AvxVnni>, run_int8}; }
}  // namespace owlet::cpu
