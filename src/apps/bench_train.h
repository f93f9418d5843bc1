// How fast a training step is here, beside what this machine's arithmetic allows.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace owlet {

struct TrainBenchOptions {
  int repeats = 5;   // steps of each precision, in turn; the median counts
  int threads = 0;   // 0: one per core
  bool json = false;
  std::vector<std::string> peers = {};  // programs that step the same model: run_train_peer()
};

// Steps a model of 36 M parameters (dim 512, 8 layers, 8 heads, ffn 1,536, vocabulary 8,192) on batches of 8 × 256 made-up tokens, in
// float32 and in bfloat16, and prints GFLOP/s: 6 × matmul parameters × tokens and full attention. Around each step the machine's own
// limit is measured again, and a step counts against the larger of the two.
// "While running" divides by the processor's time instead of the clock's: what other programs on the machine take does not count there.
Status bench_train(const TrainBenchOptions& options);

}  // namespace owlet
