// Which instruction sets this processor has, and the choice among them.
#include <fmt/ranges.h>

#include <cstdlib>

#include "kernels/backend.h"
#include "kernels/cpu/instruction_sets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace owlet {
namespace {

struct InstructionSet {
  std::string_view name;
  bool (*supported)();
  std::unique_ptr<Ops> (*make)(ThreadPool&);
};

#if defined(OWLET_HAS_AVX512)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
}
#endif
#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif
#if defined(OWLET_HAS_AVXVNNI)
// Leaf 7, part 1, bit 4 of EAX; not all compilers that know the instructions know the name.
bool has_avxvnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1) != 0;
}
#endif
#if defined(__aarch64__)
bool has_dot_product() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return true;  // every Apple processor of this architecture that runs macOS
#endif
}
bool has_matrix_products() {
#if defined(__linux__)
  constexpr unsigned long kBoth = HWCAP2_I8MM | HWCAP2_BF16;
  return (getauxval(AT_HWCAP2) & kBoth) == kBoth;
#else
  const auto has = [](const char* name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
  };
  return has("hw.optional.arm.FEAT_I8MM") && has("hw.optional.arm.FEAT_BF16");
#endif
}
#endif

constexpr InstructionSet kSets[] = {
#if defined(OWLET_HAS_AVX512)
    {"avx512", has_avx512, cpu::make_avx512_ops},
#endif
#if defined(OWLET_HAS_AVXVNNI)
    {"avxvnni", has_avxvnni, cpu::make_avxvnni_ops},
#endif
#if defined(__x86_64__)
    {"avx2", has_avx2, cpu::make_avx2_ops},
#elif defined(__aarch64__)
    {"neonmm", has_matrix_products, cpu::make_neonmm_ops},
    {"neon", has_dot_product, cpu::make_neon_ops},
#endif
#if defined(__wasm_simd128__)
    {"relaxed", [] { return cpu::make_relaxed_ops != nullptr; }, cpu::make_relaxed_ops},
    {"wasm", [] { return true; }, cpu::make_wasm_ops},  // to the bit what "generic" is
#else
    {"generic", [] { return true; }, cpu::make_generic_ops},
#endif
};

}  // namespace

std::vector<std::string_view> cpu_isas() {
  std::vector<std::string_view> names;
  for (const InstructionSet& set : kSets) {
    if (set.supported()) names.push_back(set.name);
  }
  return names;
}

Result<std::unique_ptr<Ops>> make_cpu_ops(ThreadPool& pool, std::string_view isa) {
  const char* forced = std::getenv("OWLET_ISA");
  if (isa.empty() && forced) isa = forced;
  for (const InstructionSet& set : kSets) {
    if (set.supported() && (isa.empty() || isa == set.name)) return set.make(pool);
  }
  return Error{ErrorCode::kUnsupported, fmt::format("this processor or build has no instruction set '{}'", isa),
               fmt::format("choose from: {}", fmt::join(cpu_isas(), ", "))};
}

}  // namespace owlet
