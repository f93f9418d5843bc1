#include "kernels/cpu/peak.h"
#include "kernels/cpu/avxvnni/simd.h"

namespace owlet::cpu {
namespace {

double run_int8(int64_t rounds) {
  const __m256i a = _mm256_set1_epi8(static_cast<char>(rounds & 3)), b = _mm256_set1_epi8(1);
  return run_sums(rounds, 2 * 32, [](int k) { return _mm256_set1_epi32(k); }, [&](__m256i s) { return AvxVnni::add_dots(s, a, b); },
                  [](__m256i s) { return _mm256_extract_epi32(s, 0); });
}

}  // namespace
PeakLoops avxvnni_peak() { return {run_fp32<AvxVnni>, run_fp32<AvxVnni>, run_int8}; }
}  // namespace owlet::cpu
