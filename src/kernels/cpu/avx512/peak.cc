#include "kernels/cpu/peak.h"
#include "kernels/cpu/avx512/simd.h"

namespace owlet::cpu {
namespace {

double run_bf16(int64_t rounds) {
  __m512 sum[12];
  for (auto& s : sum) s = _mm512_setzero_ps();
  const auto a = _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(0x3f803f80 + (rounds & 1))));
  const auto b = _mm512_castsi512_ps(_mm512_set1_epi32(0x30803080));
  for (int64_t r = 0; r < rounds; ++r) {
    for (auto& s : sum) s = Avx512::dot_pairs(a, b, s);
  }
  volatile float keep = 0;
  for (auto& s : sum) keep = keep + _mm512_reduce_add_ps(s);
  return static_cast<double>(rounds) * 12 * 2 * 32;
}

double run_int8(int64_t rounds) {
  __m512i sum[12];
  for (auto& s : sum) s = _mm512_setzero_si512();
  const auto a = _mm512_set1_epi8(static_cast<char>(rounds & 3)), b = _mm512_set1_epi8(1);
  for (int64_t r = 0; r < rounds; ++r) {
    for (auto& s : sum) s = _mm512_dpbusd_epi32(s, a, b);
  }
  volatile int keep = 0;
  for (auto& s : sum) keep = keep + _mm512_reduce_add_epi32(s);
  return static_cast<double>(rounds) * 12 * 2 * 64;
}

}  // namespace
PeakLoops avx512_peak() { return {run_fp32<Avx512>, run_bf16, run_int8}; }
}  // namespace owlet::cpu
