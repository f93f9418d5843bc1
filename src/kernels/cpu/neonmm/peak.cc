#include "kernels/cpu/peak.h"
#include "kernels/cpu/neonmm/simd.h"

namespace owlet::cpu {
namespace {

double run_bf16(int64_t rounds) {
  const bfloat16x8_t a = vreinterpretq_bf16_u16(vdupq_n_u16(static_cast<uint16_t>(0x3f80 + (rounds & 1)))), b = vreinterpretq_bf16_u16(vdupq_n_u16(0x3080));
  return run_sums(rounds, 2 * 16, [](int k) { return vdupq_n_f32(static_cast<float>(k)); }, [&](float32x4_t s) { return vbfmmlaq_f32(s, a, b); },
                  [](float32x4_t s) { return vaddvq_f32(s); });
}

double run_int8(int64_t rounds) {
  const int8x16_t a = vdupq_n_s8(static_cast<int8_t>(rounds & 3)), b = vdupq_n_s8(1);
  return run_sums(rounds, 2 * 32, [](int k) { return vdupq_n_s32(k); }, [&](int32x4_t s) { return vmmlaq_s32(s, a, b); }, [](int32x4_t s) { return vaddvq_s32(s); });
}

}  // namespace
PeakLoops neonmm_peak() { return {run_fp32<NeonMm>, run_bf16, run_int8}; }
}  // namespace owlet::cpu
