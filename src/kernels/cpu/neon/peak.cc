#include "kernels/cpu/peak.h"
#include "kernels/cpu/neon/simd.h"

namespace owlet::cpu {
namespace {

double run_int8(int64_t rounds) {
  const int8x16_t a = vdupq_n_s8(static_cast<int8_t>(rounds & 3)), b = vdupq_n_s8(1);
  return run_sums(rounds, 2 * 16, [](int k) { return vdupq_n_s32(k); }, [&](int32x4_t s) { return vdotq_s32(s, a, b); }, [](int32x4_t s) { return vaddvq_s32(s); });
}

}  // namespace
PeakLoops neon_peak() { return {run_fp32<Neon>, run_fp32<Neon>, run_int8}; }
}  // namespace owlet::cpu
