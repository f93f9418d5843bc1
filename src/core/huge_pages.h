// Files' memory in pages of two megabytes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace owlet {

// Moves what of these ranges is mapped read-only from files into huge pages, in place: bytes and addresses stay as they are, also for
// those who read meanwhile. Few file systems give huge pages to files, and a model that is read from end to end for each token spends
// up to a fifth of the time on finding the small ones. Returns the bytes that were moved: 0 where the system grants no huge pages, or where half of
// what memory is left could not hold them, since the system can no longer drop them as it drops a file's.
int64_t move_to_huge_pages(const std::vector<std::span<const std::byte>>& ranges, const std::atomic<bool>& stop = false);

// The same on a thread of its own, which stops where it is when this ends. The ranges must outlive it.
class HugePageMove {
 public:
  explicit HugePageMove(std::vector<std::span<const std::byte>> ranges)
      : thread_([this, ranges = std::move(ranges)] { move_to_huge_pages(ranges, stop_); }) {}
  ~HugePageMove() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace owlet
