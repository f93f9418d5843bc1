// How fast a tokenizer is trained and encodes here, beside what this machine's memory can do.
#pragma once

#include <string>

#include "core/result.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

struct TokenizerBenchOptions {
  std::string file;        // texts, as `owlet tokenizer train` reads them
  int vocab_size = 8192;   // of the vocabulary that is trained
  int repeats = 5;         // of each measurement; the median counts
  int threads = 0;         // 0: one per core
};

// Prints megabytes of text a second. Without `tokenizer`, what was trained is what encodes.
Status bench_tokenizer(const TokenizerBenchOptions& options, const Tokenizer* tokenizer);

}  // namespace owlet
