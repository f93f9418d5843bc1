#include "core/cores.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <fmt/format.h>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace owlet {
namespace fs = std::filesystem;
namespace {

// "0-3,8" as the kernel writes sets of processors; empty where there is no such file.
std::set<int> list_in(const fs::path& file) {
  std::set<int> out;
  std::ifstream in(file);
  constexpr int kMost = 1 << 16;
  for (int first = 0; in >> first;) {
    int last = first;
    if (in.peek() == '-') in.get(), in >> last;
    for (int cpu = first; cpu <= std::min(last, kMost); ++cpu) out.insert(cpu);
    if (in.peek() == ',') in.get();
  }
  return out;
}

// Processors' worth of time that the control group is granted; 0: no limit.
int granted(const fs::path& root) {
  std::ifstream in(root / "sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  return in >> quota >> period && period > 0 ? std::max(1, static_cast<int>(std::ceil(quota / period))) : 0;
}

}  // namespace

int count_cores(const std::vector<int>& logical, const fs::path& root) {
  const std::set<int> fast = list_in(root / "sys/devices/cpu_core/cpus");
  const bool any_fast = std::any_of(logical.begin(), logical.end(), [&](int cpu) { return fast.contains(cpu); });
  std::set<int> cores;
  for (const int cpu : logical) {
    if (any_fast && !fast.contains(cpu)) continue;
    const std::set<int> siblings = list_in(root / fmt::format("sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    cores.insert(siblings.empty() ? cpu : *siblings.begin());
  }
  const int most = granted(root), n = std::max(1, static_cast<int>(cores.size()));
  return most > 0 ? std::min(n, most) : n;
}

int usable_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    std::vector<int> logical;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) logical.push_back(cpu);
    }
    return count_cores(logical);
  }
#elif defined(__APPLE__)
  int cores = 0;
  size_t size = sizeof cores;
  if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &size, nullptr, 0) == 0 && cores > 0) return cores;
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace owlet
