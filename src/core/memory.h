// How much memory there is.
#pragma once

#include <cstdint>
#include <filesystem>

namespace owlet {

struct MachineMemory {
  int64_t total = 0;      // bytes; the container's, where it has less than the machine
  int64_t available = 0;  // that can be had without pushing anybody else's out
};

// Linux: MemTotal and MemAvailable of /proc/meminfo, and the limits of the control groups (both versions) that the process is in,
// less what their processes use and could not give back. macOS: the kernel's counts of free, inactive and purgeable pages. `root` is the
// file system's, for tests.
MachineMemory machine_memory(const std::filesystem::path& root = "/");

}  // namespace owlet
