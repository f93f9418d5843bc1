// How many of a pool's threads some work is worth, and which parts of it each of them does.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>

#include "core/thread_pool.h"
#include "kernels/cpu/scratch.h"

namespace owlet::cpu {

// Of so many multiplications: one thread has done a few before another has woken up.
inline int threads_for(const ThreadPool& pool, int64_t products) { return products < (1 << 17) ? 1 : pool.size(); }

// work(thread, n_threads) on the pool, or on this thread alone.
template <class Work>
void run_on(ThreadPool& pool, int threads, const Work& work) {
  threads == 1 ? work(0, 1) : pool.run(work);
}

// Parts of work for threads: each begins with a range of its own, one part behind the other as memory likes it, and helps the others out
// when it is through.
class SharedParts {
 public:
  // work(thread, part) for each part; before that, where there is such a thing, work.begin(part) with the first of each thread's own.
  template <class Work>
  void run(ThreadPool& pool, int threads, int64_t parts, const Work& work) {
    Range* ranges = ranges_.get<Range>(threads);
    for (int t = 0; t < threads; ++t) new (&ranges[t]) Range{parts * t / threads, parts * (t + 1) / threads};
    run_on(pool, threads, [&](int thread, int) {
      if constexpr (requires { work.begin(parts); }) {
        if (const int64_t first = parts * thread / threads; first < ranges[thread].end) work.begin(first);
      }
      for (int i = 0; i < threads; ++i) {
        Range& range = ranges[(thread + i) % threads];
        for (int64_t part; (part = range.next.fetch_add(1, std::memory_order_relaxed)) < range.end;) work(thread, part);
      }
    });
  }

 private:
  struct alignas(64) Range {
    std::atomic<int64_t> next;
    int64_t end;
  };
  Scratch ranges_;
};

}  // namespace owlet::cpu
