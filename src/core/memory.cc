#include "core/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#ifdef __APPLE__
#include <mach/mach.h>
#include <sys/sysctl.h>
#endif

namespace owlet {
namespace fs = std::filesystem;
namespace {

// The number behind `key` in lines "KEY[:] NUMBER …"; −1 where there is none.
[[maybe_unused]] int64_t number_after(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string word, rest; in >> word; std::getline(in, rest)) {
    int64_t number = -1;
    if (word == key && in >> number) return number;
  }
  return -1;
}

// A file that holds one number; −1 for "max" and for no file.
[[maybe_unused]] int64_t number_in(const fs::path& file) {
  std::ifstream in(file);
  int64_t number = -1;
  return in >> number ? number : -1;
}

// One control group's memory.
void limit_by(const fs::path& folder, const char* limit_file, const char* usage_file, const std::string& reclaimable, MachineMemory& memory) {
  const int64_t limit = number_in(folder / limit_file), usage = number_in(folder / usage_file);
  if (limit < 0 || usage < 0 || limit >= memory.total) return;  // version 1 writes "no limit" as a very large one
  // Pages of files are dropped before anything fails.
  const int64_t cached = std::max<int64_t>(0, number_after(folder / "memory.stat", reclaimable));
  memory.total = limit;
  memory.available = std::min(memory.available, std::max<int64_t>(0, limit - usage + std::min(usage, cached)));
}

// A group's limit holds for all below it: from the process's own up to the root.
void limit_by_groups(const fs::path& root, MachineMemory& memory) {
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/path", or "7:memory:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v1 = ("," + controllers + ",").find(",memory,") != std::string::npos;
    if (!controllers.empty() && !v1) continue;
    const fs::path base = root / (v1 ? "sys/fs/cgroup/memory" : "sys/fs/cgroup");
    for (fs::path path = fs::path(line.substr(second + 1)).relative_path();; path = path.parent_path()) {
      const fs::path folder = path.empty() ? base : base / path;
      v1 ? limit_by(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache", memory)
         : limit_by(folder, "memory.max", "memory.current", "file", memory);
      if (path.empty()) break;
    }
  }
}

}  // namespace

#ifdef __APPLE__

MachineMemory machine_memory(const fs::path&) {
  MachineMemory memory;
  size_t size = sizeof memory.total;
  sysctlbyname("hw.memsize", &memory.total, &size, nullptr, 0);
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  const auto into = reinterpret_cast<host_info64_t>(&pages);
  if (host_statistics64(mach_host_self(), HOST_VM_INFO64, into, &count) == KERN_SUCCESS) {
    memory.available = static_cast<int64_t>(pages.free_count + pages.inactive_count + pages.purgeable_count) * static_cast<int64_t>(vm_page_size);
  }
  return memory;
}

int64_t resident_bytes() {
  mach_task_basic_info info{};
  mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
  const auto into = reinterpret_cast<task_info_t>(&info);
  return task_info(mach_task_self(), MACH_TASK_BASIC_INFO, into, &count) == KERN_SUCCESS ? static_cast<int64_t>(info.resident_size) : 0;
}

#else

MachineMemory machine_memory(const fs::path& root) {
  const fs::path meminfo = root / "proc/meminfo";
  MachineMemory memory{.total = std::max<int64_t>(0, number_after(meminfo, "MemTotal:")) * 1024,
                       .available = std::max<int64_t>(0, number_after(meminfo, "MemAvailable:")) * 1024};
  limit_by_groups(root, memory);
  return memory;
}

int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  int64_t all = 0, resident = 0;
  return in >> all >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

#endif

void release_unused_memory() {
#if defined(__GLIBC__)
  // malloc_trim() leaves the tops of other threads' heaps, and what a free leaves there grows with the largest block that was ever freed,
  // unless it is told how much that may be.
  constexpr int kKept = 512 << 10;
  [[maybe_unused]] static const bool is_told = mallopt(M_TRIM_THRESHOLD, kKept) != 0 && mallopt(M_MMAP_THRESHOLD, kKept) != 0;
  malloc_trim(0);
#endif
}

void expect_no_use([[maybe_unused]] const void* data, [[maybe_unused]] int64_t bytes) {
#ifdef MADV_PAGEOUT
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(bytes)) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_PAGEOUT);
#endif
}

}  // namespace owlet
