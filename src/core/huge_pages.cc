#include "core/huge_pages.h"

#include "core/memory.h"

#if defined(__linux__)
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#else
#include <cstdlib>
#endif

namespace owlet {

#if defined(__linux__)
namespace {

constexpr uintptr_t kHuge = uintptr_t{2} << 20;
constexpr uintptr_t kAtOnce = 32 * kHuge;  // what is held twice for a moment

struct Range {
  uintptr_t begin, end;
};

bool grants_huge_pages() {
  std::string modes;
  std::getline(std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled"), modes);
  return !modes.empty() && modes.find("[never]") == std::string::npos;
}

// Private read-only mappings of files, in the order of their addresses.
std::vector<Range> mapped_files() {
  std::vector<Range> out;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    Range range{};
    char dash = 0;
    std::string rights, offset, device, inode, path;
    words >> std::hex >> range.begin >> dash >> range.end >> rights >> offset >> device >> inode >> path;
    if (words && rights == "r--p" && path.starts_with('/')) out.push_back(range);
  }
  return out;
}

// Whole huge pages that hold a part of the ranges and nothing but a file.
std::vector<Range> whole_pages(const std::vector<std::span<const std::byte>>& ranges) {
  std::vector<Range> wanted;
  for (const auto& range : ranges) {
    const auto begin = reinterpret_cast<uintptr_t>(range.data());
    wanted.push_back({begin / kHuge * kHuge, (begin + range.size() + kHuge - 1) / kHuge * kHuge});
  }
  std::sort(wanted.begin(), wanted.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::vector<Range> out;
  for (const Range& file : mapped_files()) {
    const uintptr_t first = (file.begin + kHuge - 1) / kHuge * kHuge, last = file.end / kHuge * kHuge;
    for (const Range& range : wanted) {
      const uintptr_t begin = std::max({range.begin, first, out.empty() ? 0 : out.back().end}), end = std::min(range.end, last);
      if (begin >= end) continue;
      if (!out.empty() && out.back().end == begin) {
        out.back().end = end;
      } else {
        out.push_back({begin, end});
      }
    }
  }
  return out;
}

// A copy is made elsewhere and takes the place at one stroke.
bool move(uintptr_t begin, size_t bytes) {
  void* room = ::mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return false;
  const auto start = reinterpret_cast<uintptr_t>(room), copy = (start + kHuge - 1) / kHuge * kHuge;
  void* to = reinterpret_cast<void*>(copy);
  void* place = reinterpret_cast<void*>(begin);
  bool moved = ::madvise(to, bytes, MADV_HUGEPAGE) == 0;
  if (moved) {
    std::memcpy(to, place, bytes);
    moved = ::mprotect(to, bytes, PROT_READ) == 0 && ::mremap(to, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED;
  }
  if (copy > start) ::munmap(room, copy - start);
  const uintptr_t behind = moved ? copy + bytes : copy, end = start + bytes + kHuge;
  if (end > behind) ::munmap(reinterpret_cast<void*>(behind), end - behind);
  return moved;
}

}  // namespace

int64_t move_to_huge_pages(const std::vector<std::span<const std::byte>>& ranges) {
  if (!grants_huge_pages()) return 0;
  const std::vector<Range> pages = whole_pages(ranges);
  uintptr_t bytes = 0;
  for (const Range& range : pages) bytes += range.end - range.begin;
  if (static_cast<int64_t>(bytes) > machine_memory().available / 2) return 0;
  int64_t moved = 0;
  for (const Range& range : pages) {
    for (uintptr_t begin = range.begin; begin < range.end; begin += kAtOnce) {
      const size_t here = std::min(kAtOnce, range.end - begin);
      if (!move(begin, here)) return moved;
      moved += static_cast<int64_t>(here);
    }
  }
  return moved;
}

std::shared_ptr<void> allocate_huge_pages(size_t bytes) {
  const size_t room = bytes + kHuge;
  void* memory = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  const auto first = (reinterpret_cast<uintptr_t>(memory) + kHuge - 1) / kHuge * kHuge;
  ::madvise(reinterpret_cast<void*>(first), bytes, MADV_HUGEPAGE);
  return {reinterpret_cast<void*>(first), [memory, room](void*) { ::munmap(memory, room); }};
}

#else

std::shared_ptr<void> allocate_huge_pages(size_t bytes) {
  constexpr uintptr_t kPage = 16 << 10;
  void* memory = std::calloc(bytes + kPage, 1);  // untouched where it comes fresh from the system
  if (!memory) return nullptr;
  return {reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory) + kPage - 1) / kPage * kPage), [memory](void*) { std::free(memory); }};
}

int64_t move_to_huge_pages(const std::vector<std::span<const std::byte>>&) { return 0; }

#endif

}  // namespace owlet
