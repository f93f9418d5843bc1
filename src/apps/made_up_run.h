// A model driven with made-up tokens: what they are does not matter for speed.
#pragma once

#include <span>
#include <vector>

#include "kernels/machine_limits.h"
#include "model/model.h"

namespace owlet {

class MadeUpRun {
 public:
  // Sequences of at most so many tokens, `rows` of which are computed in a step.
  MadeUpRun(Context context, const Model& model, std::span<const int64_t> lengths, int64_t rows);

  // The first `n` sequences advance by `rows` tokens each from `position`; what stands before is whatever the cache holds. Seconds.
  double step(int64_t n, int64_t position, int64_t rows);

 private:
  int64_t vocab_;
  KvCache cache_;
  Runner runner_;
  std::vector<std::vector<int32_t>> pages_;
};

// What such a step takes at least on a machine with these limits: weights and the keys and values before are read once, every product is
// computed at the machine's best rate.
double least_seconds(const Model& model, const MachineLimits& limits, int64_t n, int64_t position, int64_t rows);

}  // namespace owlet
