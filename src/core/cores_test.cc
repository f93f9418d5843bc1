#include "core/cores.h"

#include <gtest/gtest.h>
#include <hwloc.h>

#include "core/test_root.h"

namespace owlet {
namespace {

// A machine that does not exist, in hwloc's words.
struct MadeUpMachine {
  hwloc_topology_t topology = nullptr;

  explicit MadeUpMachine(const char* description) {
    EXPECT_EQ(hwloc_topology_init(&topology), 0);
    EXPECT_EQ(hwloc_topology_set_synthetic(topology, description), 0);
    EXPECT_EQ(hwloc_topology_load(topology), 0);
  }
  ~MadeUpMachine() { hwloc_topology_destroy(topology); }

  // Logical processors first … last are cores of this efficiency, told by `name`.
  void kind(unsigned first, int last, int efficiency, const char* name = "CoreType") {
    char value[] = "some";
    std::string key = name;
    hwloc_info_s info{key.data(), value};
    const hwloc_bitmap_t set = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(set, first, last);
    EXPECT_EQ(hwloc_cpukinds_register(topology, set, efficiency, 1, &info, 0), 0);
    hwloc_bitmap_free(set);
  }
  // Of this machine only these logical processors may be used.
  void only(unsigned first, int last) {
    const hwloc_bitmap_t set = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(set, first, last);
    EXPECT_EQ(hwloc_topology_restrict(topology, set, 0), 0);
    hwloc_bitmap_free(set);
  }
};

TEST(Cores, TwoLogicalProcessorsAreOne) {
  MadeUpMachine machine("pack:1 core:4 pu:2");
  EXPECT_EQ(count_cores(machine.topology), 4);
  machine.only(3, 5);
  EXPECT_EQ(count_cores(machine.topology), 2) << "of those that may be used";
}

TEST(Cores, OnlyTheFastOnesOfUnequalCores) {
  MadeUpMachine machine("pack:1 core:12 pu:1");
  machine.kind(0, 3, 1);
  machine.kind(4, 11, 0);
  EXPECT_EQ(count_cores(machine.topology), 4);
  machine.only(5, 7);
  EXPECT_EQ(count_cores(machine.topology), 3) << "where no fast one may be used";
}

TEST(Cores, TheNextOnesTooWhereOneIsTheFastest) {
  MadeUpMachine machine("pack:1 core:8 pu:1");
  machine.kind(0, 2, 0, "LinuxCapacity");
  machine.kind(3, 6, 1, "LinuxCapacity");
  machine.kind(7, 7, 2, "LinuxCapacity");
  EXPECT_EQ(count_cores(machine.topology), 5);
}

TEST(Cores, HigherClocksAreNoOtherKind) {
  MadeUpMachine machine("pack:1 core:8 pu:1");
  machine.kind(0, 5, 0, "FrequencyMaxMHz");
  machine.kind(6, 7, 1, "FrequencyMaxMHz");
  EXPECT_EQ(count_cores(machine.topology), 8);
}

TEST(Cores, NoMoreThanAContainerIsGranted) {
  const TestRoot root("cores");
  EXPECT_EQ(granted_cores(root.path), 0);
  for (const auto& [written, granted] : {std::pair("150000 100000\n", 2), {"max 100000\n", 0}, {"nonsense", 0}, {"1 100000", 1}}) {
    root.put("sys/fs/cgroup/cpu.max", written);
    EXPECT_EQ(granted_cores(root.path), granted) << written;
  }
}

TEST(Cores, ThisMachineHasOne) {
  EXPECT_GE(usable_cores(), 1);
  stay_on_fast_cores();
  EXPECT_GE(usable_cores(), 1);
}

}  // namespace
}  // namespace owlet
