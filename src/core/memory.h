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

// Bytes of memory that this process takes up now; 0 where the system does not tell.
int64_t resident_bytes();

// Gives the system back what was freed and is kept for later, in all threads' heaps. Takes the time of a few system calls.
void release_unused_memory();

// A hint that these bytes are not needed soon: what is mapped from a file leaves memory and is read again if it is.
void expect_no_use(const void* data, int64_t bytes);

}  // namespace owlet
