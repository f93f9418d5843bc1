// Loops that do nothing but arithmetic: each instruction set runs its widest, `rounds` times, and says how many operations that was.
#pragma once

#include <cstdint>
#include <type_traits>

namespace owlet::cpu {

struct PeakLoops {
  double (*fp32)(int64_t rounds);
  double (*bf16)(int64_t rounds);
  double (*int8)(int64_t rounds);
};

// Compilers move vectors to memory and back even where there are registers enough.
template <class Vector>
[[gnu::always_inline]] inline void stay_in_register(Vector& x) {
#if defined(__x86_64__)
  if constexpr (!std::is_class_v<Vector>) asm volatile("" : "+x"(x));
#elif defined(__aarch64__)
  if constexpr (!std::is_class_v<Vector>) asm volatile("" : "+w"(x));
#endif
}

// `step` on each of twelve sums, which are enough to fill the pipes, `rounds` times; `number` makes one of each at the end. How many operations
// that was, of `operations` a step. All loops over the sums are unrolled: an array that any loop walks stays in memory, and would be measured.
// `start` makes the k-th sum, each another one: of equal sums a compiler computes one for all. Inlined, for what `step` captures would be read from
// memory each time.
template <class Start, class Step, class Number>
[[gnu::always_inline]] inline double run_sums(int64_t rounds, double operations, const Start& start, const Step& step, const Number& number) {
  constexpr int kSums = 12;
  using Sum = decltype(start(0));
  Sum sums[kSums];
#pragma GCC unroll 12
  for (int k = 0; k < kSums; ++k) sums[k] = start(k);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (Sum& s : sums) {
      s = step(s);
      stay_in_register(s);
    }
  }
  volatile float keep = 0;
#pragma GCC unroll 12
  for (Sum& s : sums) keep = keep + static_cast<float>(number(s));
  return static_cast<double>(rounds) * kSums * operations;
}

template <class S>
double run_fp32(int64_t rounds) {
  using F = typename S::F;
  const F a = S::set1(1.0f + static_cast<float>(rounds & 1) * 1e-7f), b = S::set1(1e-9f);
  return run_sums(rounds, 2 * S::kLanes, [](int k) { return S::set1(1.0f + static_cast<float>(k)); }, [&](F s) { return S::fma(s, a, b); }, [](F s) { return S::sum(s); });
}

PeakLoops generic_peak();
PeakLoops avx2_peak();
PeakLoops avxvnni_peak();
PeakLoops avx512_peak();
PeakLoops neon_peak();
PeakLoops neonmm_peak();

}  // namespace owlet::cpu
