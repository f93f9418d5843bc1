// Which of a machine's cores compute.
#pragma once

#include <filesystem>

struct hwloc_topology;

namespace owlet {

// How many threads that compute the same amount each are worth it on this machine, or part of one: one a core, since a core's logical processors
// share its arithmetic; where cores are unequal, one for each of the fast ones, since all wait for the slowest.
int count_cores(hwloc_topology* machine);

// Processors' worth of time that a container is granted (cgroup's cpu.max, under `root`, which is the file system's but in tests); 0: no limit.
int granted_cores(const std::filesystem::path& root = "/");

// The cores of this machine that this process may use and is granted.
int usable_cores();

// Keeps this thread on the fast cores where there are slow ones, and does nothing elsewhere: the system spreads threads over equal cores itself.
void stay_on_fast_cores();

}  // namespace owlet
