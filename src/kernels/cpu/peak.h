// Loops that do nothing but arithmetic: each instruction set runs its widest, `rounds` times, and says how many operations that was.
#pragma once

#include <cstdint>

namespace owlet::cpu {

struct PeakLoops {
  double (*fp32)(int64_t rounds);
  double (*bf16)(int64_t rounds);
  double (*int8)(int64_t rounds);
};

// S::fma on enough independent sums to fill the pipes.
template <class S>
double run_fp32(int64_t rounds) {
  typename S::F sum[12];
  for (auto& s : sum) s = S::set1(1.0f);
  const auto a = S::set1(1.0f + static_cast<float>(rounds & 1) * 1e-7f), b = S::set1(1e-9f);
  for (int64_t r = 0; r < rounds; ++r) {
    for (auto& s : sum) s = S::fma(s, a, b);
  }
  float total = 0;
  for (auto& s : sum) total += S::sum(s);
  volatile float keep = total;
  static_cast<void>(keep);
  return static_cast<double>(rounds) * 12 * 2 * S::kLanes;
}

PeakLoops generic_peak();
PeakLoops avx2_peak();
PeakLoops avxvnni_peak();
PeakLoops avx512_peak();
PeakLoops neon_peak();

}  // namespace owlet::cpu
