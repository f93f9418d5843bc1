#include "kernels/cpu/peak.h"
#include "kernels/cpu/neon/simd.h"

namespace owlet::cpu {
namespace {

double run_int8(int64_t rounds) {
  int32x4_t sum[12];
  for (auto& s : sum) s = vdupq_n_s32(0);
  const int8x16_t a = vdupq_n_s8(static_cast<int8_t>(rounds & 3)), b = vdupq_n_s8(1);
  for (int64_t r = 0; r < rounds; ++r) {
    for (auto& s : sum) s = vdotq_s32(s, a, b);
  }
  volatile int keep = 0;
  for (auto& s : sum) keep = keep + vaddvq_s32(s);
  return static_cast<double>(rounds) * 12 * 2 * 16;
}

}  // namespace
PeakLoops neon_peak() { return {run_fp32<Neon>, run_fp32<Neon>, run_int8}; }
}  // namespace owlet::cpu
