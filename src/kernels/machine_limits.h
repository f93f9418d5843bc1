// What this machine can do at all, measured: the yardstick of every speed that the program reports.
#pragma once

#include "core/thread_pool.h"

namespace owlet {

struct MachineLimits {
  double read_gb_s = 0;     // memory read by all threads together, 10^9 bytes a second
  double fp32_gflops = 0;   // fused multiply-adds, two operations each
  double bf16_gflops = 0;   // bfloat16 products with float32 sums; fp32's where there are none
  double int8_gops = 0;     // 8-bit products with 32-bit sums; fp32's where there are none
};

// Runs each on all threads of the pool for about a quarter of `seconds`, on the best instruction set there is.
MachineLimits measure_limits(ThreadPool& pool, double seconds);

}  // namespace owlet
