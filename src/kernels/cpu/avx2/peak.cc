#include "kernels/cpu/peak.h"
#include "kernels/cpu/avx2/simd.h"

namespace owlet::cpu {
namespace {

// Pairs of products summed in 16 bits, as codes of four bits allow; wider ones cannot do as much.
double run_int8(int64_t rounds) {
  const __m256i a = _mm256_set1_epi8(static_cast<char>(rounds & 3));
  return run_sums(rounds, 2 * 32, [](int k) { return _mm256_set1_epi32(k); }, [&](__m256i s) { return _mm256_add_epi16(s, _mm256_maddubs_epi16(a, s)); },
                  [](__m256i s) { return _mm256_extract_epi32(s, 0); });
}

}  // namespace
PeakLoops avx2_peak() { return {run_fp32<Avx2>, run_fp32<Avx2>, run_int8}; }
}  // namespace owlet::cpu
