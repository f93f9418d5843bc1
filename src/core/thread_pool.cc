#include "core/thread_pool.h"

#include "core/cores.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace owlet {
namespace {

// Between two ops of a step there are microseconds: a short spin avoids the price of a sleep and a wake-up,
// and the park after it leaves the processor to others while nothing runs.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) : size_(n_threads < 1 ? usable_cores() : n_threads) {
  const bool on_fast_cores = n_threads < 1;  // who asks for a number of threads may want more of them than there are fast cores
  if (on_fast_cores) stay_on_fast_cores();
  for (int i = 1; i < size_; ++i) {
    threads_.emplace_back([this, i, on_fast_cores] {
      if (on_fast_cores) stay_on_fast_cores();
      work(i);
    });
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(const std::function<void(int, int)>& body) {
  if (size_ == 1) return body(0, 1);
  body_ = &body;
  running_.store(size_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  body(0, size_);
  for (int spins = 0;; ++spins) {
    const int left = running_.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spins < kSpins) {
      pause();
    } else {
      running_.wait(left, std::memory_order_acquire);
    }
  }
}

void ThreadPool::work(int thread) {
  uint64_t seen = 0;
  for (;;) {
    for (int spins = 0; generation_.load(std::memory_order_acquire) == seen; ++spins) {
      if (spins < kSpins) {
        pause();
      } else {
        generation_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (stop_) return;
    (*body_)(thread, size_);
    if (running_.fetch_sub(1, std::memory_order_release) == 1) running_.notify_one();
  }
}

}  // namespace owlet
