#include "kernels/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/peak.h"

namespace owlet {
namespace {

using Clock = std::chrono::steady_clock;

cpu::PeakLoops best_loops() {
  const std::string_view best = cpu_isas().front();
#if defined(OWLET_HAS_AVX512)
  if (best == "avx512") return cpu::avx512_peak();
#endif
#if defined(OWLET_HAS_AVXVNNI)
  if (best == "avxvnni") return cpu::avxvnni_peak();
#endif
#if defined(__x86_64__)
  if (best == "avx2") return cpu::avx2_peak();
#elif defined(__aarch64__)
  if (best == "neonmm") return cpu::neonmm_peak();
  if (best == "neon") return cpu::neon_peak();
#endif
  static_cast<void>(best);
  return cpu::generic_peak();
}

// Work per second of body(thread) → amount, on all threads at once; the best of the rounds that fit in the time.
template <class Body>
double best_rate(ThreadPool& pool, double seconds, const Body& body) {
  double best = 0;
  const auto begin = Clock::now();
  do {
    std::vector<double> done(static_cast<size_t>(pool.size()));
    const auto start = Clock::now();
    pool.run([&](int thread, int) { done[static_cast<size_t>(thread)] = body(thread); });
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    double total = 0;
    for (double amount : done) total += amount;
    best = std::max(best, total / took);
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
  return best;
}

double read_all(const std::vector<uint64_t>& memory) {
  uint64_t sum[8] = {};
  for (size_t i = 0; i + 8 <= memory.size(); i += 8) {
    for (size_t j = 0; j < 8; ++j) sum[j] += memory[i + j];
  }
  volatile uint64_t keep = 0;
  for (uint64_t s : sum) keep = keep + s;
  return static_cast<double>(memory.size() * sizeof(uint64_t));
}

}  // namespace

MachineLimits measure_limits(ThreadPool& pool, double seconds) {
  constexpr int64_t kRounds = 1 << 18;
  constexpr size_t kWords = size_t{8} << 20;  // 64 MB a thread: beyond the caches of most machines
  const cpu::PeakLoops loops = best_loops();
  const double each = seconds / 4;
  MachineLimits limits;
  limits.fp32_gflops = best_rate(pool, each, [&](int) { return loops.fp32(kRounds); }) / 1e9;
  limits.bf16_gflops = best_rate(pool, each, [&](int) { return loops.bf16(kRounds); }) / 1e9;
  limits.int8_gops = best_rate(pool, each, [&](int) { return loops.int8(kRounds); }) / 1e9;
  std::vector<std::vector<uint64_t>> memory(static_cast<size_t>(pool.size()));
  pool.run([&](int thread, int) { memory[static_cast<size_t>(thread)].assign(kWords, 1); });
  limits.read_gb_s = best_rate(pool, each, [&](int thread) { return read_all(memory[static_cast<size_t>(thread)]); }) / 1e9;
  return limits;
}

}  // namespace owlet
