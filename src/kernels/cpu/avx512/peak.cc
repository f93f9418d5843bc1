#include "kernels/cpu/peak.h"
#include "kernels/cpu/avx512/simd.h"

namespace owlet::cpu {
namespace {

double run_bf16(int64_t rounds) {
  const auto a = _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(0x3f803f80 + (rounds & 1))));
  const auto b = _mm512_castsi512_ps(_mm512_set1_epi32(0x30803080));
  return run_sums(rounds, 2 * 32, [](int k) { return _mm512_set1_ps(static_cast<float>(k)); }, [&](__m512 s) { return Avx512::dot_pairs(a, b, s); },
                  [](__m512 s) { return _mm512_reduce_add_ps(s); });
}

double run_int8(int64_t rounds) {
  const auto a = _mm512_set1_epi8(static_cast<char>(rounds & 3)), b = _mm512_set1_epi8(1);
  return run_sums(rounds, 2 * 64, [](int k) { return _mm512_set1_epi32(k); }, [&](__m512i s) { return _mm512_dpbusd_epi32(s, a, b); },
                  [](__m512i s) { return _mm512_reduce_add_epi32(s); });
}

}  // namespace
PeakLoops avx512_peak() { return {run_fp32<Avx512>, run_bf16, run_int8}; }
}  // namespace owlet::cpu
