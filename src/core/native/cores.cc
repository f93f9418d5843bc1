#include "core/cores.h"

#include <hwloc.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string_view>
#include <thread>

namespace owlet {
namespace {

struct Free {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
  void operator()(hwloc_bitmap_t set) const { hwloc_bitmap_free(set); }
};
using Topology = std::unique_ptr<hwloc_topology, Free>;
using CpuSet = std::unique_ptr<hwloc_bitmap_s, Free>;

int cores_in(hwloc_topology_t machine, hwloc_const_cpuset_t set) {
  const int cores = hwloc_get_nbobjs_inside_cpuset_by_type(machine, set, HWLOC_OBJ_CORE);
  return cores > 0 ? cores : std::max(1, hwloc_bitmap_weight(set));  // where the system does not tell which processors make a core
}

// Whether a kind was told by what its cores are. What only differs in clock speeds can be one core that is allowed a little more.
bool is_told_by_design(unsigned n, const hwloc_info_s* infos) {
  return std::any_of(infos, infos + n, [](const hwloc_info_s& info) {
    const std::string_view name = info.name;
    return name == "CoreType" || name == "LinuxCapacity" || name == "DarwinCompatible";
  });
}

// The processors of the fastest cores, two at least where there are as many; of all cores where they are equal.
CpuSet fast_processors(hwloc_topology_t machine) {
  const hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(machine);
  CpuSet fast(hwloc_bitmap_alloc()), kind(hwloc_bitmap_alloc());
  for (int k = hwloc_cpukinds_get_nr(machine, 0) - 1; k >= 0; --k) {  // the slowest are the first
    int efficiency = -1;
    unsigned n = 0;
    hwloc_info_s* infos = nullptr;
    if (hwloc_cpukinds_get_info(machine, static_cast<unsigned>(k), kind.get(), &efficiency, &n, &infos, 0) != 0) break;
    if (efficiency < 0 || !is_told_by_design(n, infos)) break;
    hwloc_bitmap_and(kind.get(), kind.get(), all);
    hwloc_bitmap_or(fast.get(), fast.get(), kind.get());
    if (!hwloc_bitmap_iszero(fast.get()) && cores_in(machine, fast.get()) >= 2) return fast;
  }
  hwloc_bitmap_copy(fast.get(), all);
  return fast;
}

// What this process may use of the machine it runs on: cores and their logical processors.
Topology this_machine() {
  // Where a container has no /sys it would tell whoever asks for an answer; here that is no error.
  ::setenv("HWLOC_HIDE_ERRORS", "2", 0);
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return nullptr;
  Topology machine(topology);
  hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
  hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING);
  return hwloc_topology_load(topology) == 0 ? std::move(machine) : nullptr;
}

const Topology& shared_machine() {
  static const Topology machine = this_machine();
  return machine;
}

}  // namespace

int count_cores(hwloc_topology* machine) { return cores_in(machine, fast_processors(machine).get()); }

int granted_cores(const std::filesystem::path& root) {
  std::ifstream in(root / "sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  return in >> quota >> period && period > 0 ? std::max(1, static_cast<int>(std::ceil(quota / period))) : 0;
}

int usable_cores() {
  const Topology& machine = shared_machine();
  const int cores = machine ? count_cores(machine.get()) : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int most = granted_cores();
  return most > 0 ? std::min(cores, most) : cores;
}

void stay_on_fast_cores() {
  const Topology& machine = shared_machine();
  if (!machine) return;
  const CpuSet fast = fast_processors(machine.get());
  if (hwloc_bitmap_isequal(fast.get(), hwloc_topology_get_topology_cpuset(machine.get()))) return;
  hwloc_set_cpubind(machine.get(), fast.get(), HWLOC_CPUBIND_THREAD);
}

}  // namespace owlet
