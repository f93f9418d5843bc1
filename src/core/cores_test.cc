#include "core/cores.h"

#include <gtest/gtest.h>

#include "core/test_root.h"

namespace owlet {
namespace {

struct CoresRoot : TestRoot {
  CoresRoot() : TestRoot("cores") {}
  void siblings(int cpu, const std::string& list) const {
    put(fmt::format("sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu), list + "\n");
  }
};

TEST(Cores, TwoLogicalProcessorsAreOne) {
  const CoresRoot root;
  for (int cpu = 0; cpu < 8; ++cpu) root.siblings(cpu, fmt::format("{},{}", cpu % 4, cpu % 4 + 4));
  EXPECT_EQ(count_cores({0, 1, 2, 3, 4, 5, 6, 7}, root.path), 4);
  EXPECT_EQ(count_cores({1, 5, 6}, root.path), 2) << "of those that may be used";
}

TEST(Cores, OnlyTheFastOnesOfUnequalCores) {
  const CoresRoot root;
  for (int cpu = 0; cpu < 4; ++cpu) root.siblings(cpu, cpu < 2 ? "0-1" : "2-3");
  for (int cpu = 4; cpu < 12; ++cpu) root.siblings(cpu, std::to_string(cpu));
  root.put("sys/devices/cpu_core/cpus", "0-3\n");
  EXPECT_EQ(count_cores({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, root.path), 2);
  EXPECT_EQ(count_cores({4, 5, 6}, root.path), 3) << "where no fast one may be used";
}

TEST(Cores, NoMoreThanAContainerIsGranted) {
  const CoresRoot root;
  root.put("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(count_cores({0, 1, 2, 3}, root.path), 2);
  root.put("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(count_cores({0, 1, 2, 3}, root.path), 4);
}

TEST(Cores, DamagedListsAreNone) {
  const CoresRoot root;
  root.siblings(0, "nonsense");
  root.siblings(1, "-5--3");
  root.put("sys/devices/cpu_core/cpus", "0-99999999999999999999");
  EXPECT_GE(count_cores({0, 1}, root.path), 1);
  EXPECT_GE(usable_cores(), 1);
}

}  // namespace
}  // namespace owlet
