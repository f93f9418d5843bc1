// Learns a byte-level BPE vocabulary from text, merge by merge equal to what Hugging Face's BpeTrainer learns with the
// 256 bytes as its initial alphabet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

struct BpeTrainOptions {
  int vocab_size = 8192;                    // specials and bytes included; fewer where the text gives no more pairs
  int64_t min_frequency = 2;                // pairs seen less often are not merged
  std::vector<std::string> special_tokens = {};  // take the first ids, in this order
  std::string pre_tokenizer = "gpt2";
  int threads = 1;                          // that may add texts at once; the result never depends on it
};

class BpeTrainer {
 public:
  // Errors: a vocabulary too small for specials and bytes, a special token named twice, an unknown pre-tokenizer.
  static Result<BpeTrainer> create(BpeTrainOptions options);
  BpeTrainer(BpeTrainer&&) noexcept;
  BpeTrainer& operator=(BpeTrainer&&) noexcept;
  ~BpeTrainer();

  // Counts the pieces of one document of less than 4 GB. Merges never cross documents. Each of several threads that do so at once has a
  // number of its own, below options.threads.
  void add_text(std::string_view text, int thread = 0);
  // Learns from all texts so far.
  BpeSpec train();

 private:
  struct Impl;
  explicit BpeTrainer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
