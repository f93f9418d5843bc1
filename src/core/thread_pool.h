// A fixed set of threads that run one function together and meet at its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace owlet {

// Who calls run() works too: a pool of n threads starts n − 1. Not reentrant: one run() at a time, never from inside one.
// Work is divided by index only, so what is computed never depends on how many threads compute it.
class ThreadPool {
 public:
  // n_threads < 1: usable_cores(), and their threads stay on these cores, the one that makes the pool too.
  explicit ThreadPool(int n_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls body(thread, n_threads) once on every thread and returns when all have finished.
  void run(const std::function<void(int thread, int n_threads)>& body);

  // Splits [0, n) into one contiguous range a thread, each a multiple of `grain` but the last, and calls body(begin, end).
  template <class Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) {
    if (n <= 0) return;
    const int64_t chunks = (n + grain - 1) / grain;
    if (chunks == 1 || size_ == 1) return body(int64_t{0}, n);
    run([&](int thread, int n_threads) {
      const int64_t begin = chunks * thread / n_threads * grain;
      const int64_t end = std::min(n, chunks * (thread + 1) / n_threads * grain);
      if (begin < end) body(begin, end);
    });
  }

 private:
  void work(int thread);

  int size_;
  const std::function<void(int, int)>* body_ = nullptr;
  std::atomic<uint64_t> generation_{0};  // raised by one for every run()
  std::atomic<int> running_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace owlet
