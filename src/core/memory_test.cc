#include "core/memory.h"

#include <gtest/gtest.h>

#include "core/printable.h"
#include "core/test_root.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct MemoryRoot : TestRoot {
  MemoryRoot() : TestRoot("memory") {}
};

constexpr const char* kMeminfo = "MemTotal:       16000 kB\nMemFree:  1000 kB\nMemAvailable:    9000 kB\n";

#ifndef __APPLE__
TEST(MachineMemory, OfTheMachine) {
  const MemoryRoot root;
  root.put("proc/meminfo", kMeminfo);
  EXPECT_EQ(machine_memory(root.path).total, 16000 * 1024);
  EXPECT_EQ(machine_memory(root.path).available, 9000 * 1024);
  EXPECT_EQ(machine_memory(root.path / "nowhere").available, 0);
}

TEST(MachineMemory, OfAControlGroupAndThoseAboveIt) {
  const MemoryRoot root;
  root.put("proc/meminfo", kMeminfo);
  root.put("proc/self/cgroup", "0::/a/b\n");
  root.put("sys/fs/cgroup/a/b/memory.max", "max\n");
  root.put("sys/fs/cgroup/a/b/memory.current", "100\n");
  EXPECT_EQ(machine_memory(root.path).available, 9000 * 1024);
  root.put("sys/fs/cgroup/a/memory.max", "4096000\n");
  root.put("sys/fs/cgroup/a/memory.current", "3000000\n");
  root.put("sys/fs/cgroup/a/memory.stat", "anon 1000000\nfile 2000000\n");
  EXPECT_EQ(machine_memory(root.path).total, 4096000);
  EXPECT_EQ(machine_memory(root.path).available, 3096000);
}

TEST(MachineMemory, OfAControlGroupOfTheFirstVersion) {
  const MemoryRoot root;
  root.put("proc/meminfo", kMeminfo);
  root.put("proc/self/cgroup", "7:cpu,cpuacct:/x\n5:memory:/docker/1\n");
  root.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.put("sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n");
  root.put("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "2000000\n");
  root.put("sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "2500000\n");
  root.put("sys/fs/cgroup/memory/docker/1/memory.stat", "cache 1\ntotal_cache 100\n");
  EXPECT_EQ(machine_memory(root.path).total, 2000000);
  EXPECT_EQ(machine_memory(root.path).available, 0);
}
#endif

TEST(MachineMemory, ThereIsSome) {
  const MachineMemory memory = machine_memory();
  EXPECT_GT(memory.available, 0);
  EXPECT_LE(memory.available, memory.total);
}

TEST(Printable, NothingSteersTheTerminal) {
  EXPECT_EQ(printable("a\x1b[2J\tb\nc\r\x7f"), "a[2J\tb\nc");
  EXPECT_EQ(printable("naïve \xc2\x9b" "31m 東京"), "naïve 31m 東京");
  EXPECT_EQ(printable("x\x9b" "y\xff é\xe2\x82"), "xy é") << "bytes that are no UTF-8";
  EXPECT_EQ(printable("\xe0\x80\x9bz"), "z") << "a control character's long form";
  EXPECT_EQ(printable_line("a\nb", 10), "a b");
  EXPECT_EQ(printable_line("naïve", 3), "na");
}

}  // namespace
}  // namespace owlet
