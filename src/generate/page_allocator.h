// Which pages of the KV cache are free.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "core/result.h"

namespace owlet {

class PageAllocator {
 public:
  explicit PageAllocator(int64_t n_pages) : free_(static_cast<size_t>(n_pages)), n_pages_(n_pages) {
    std::iota(free_.rbegin(), free_.rend(), 0);  // page 0 is taken first
  }

  int64_t n_pages() const { return n_pages_; }
  int64_t n_free() const { return static_cast<int64_t>(free_.size()); }
  int64_t n_used() const { return n_pages_ - n_free(); }

  // n pages; the caller has seen that n_free() ≥ n.
  std::vector<int32_t> take(int64_t n) {
    OWLET_CHECK(n >= 0 && n <= n_free(), "[pages] {} wanted, {} free", n, n_free());
    const auto first = free_.end() - n;
    std::vector<int32_t> pages(first, free_.end());
    free_.erase(first, free_.end());
    return pages;
  }

  void give_back(std::vector<int32_t> pages) {
    free_.insert(free_.end(), pages.begin(), pages.end());
    OWLET_CHECK(n_free() <= n_pages_, "[pages] more given back than taken");
  }

 private:
  std::vector<int32_t> free_;
  int64_t n_pages_;
};

}  // namespace owlet
