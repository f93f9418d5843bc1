// Training of byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2), with the choices of Hugging Face's trainer, so that the same
// corpus gives the same merges: special tokens first, then the 256 bytes in the order of their printable characters; the most frequent
// pair is merged next, of equals the one with the smaller ids.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace owlet {

struct BpeTrainOptions {
  int vocab_size = 8192;
  int64_t min_frequency = 2;
  std::vector<std::string> special_tokens;  // take the first ids
  std::string pre_tokenizer = "gpt2";
};

class BpeTrainer {
 public:
  static Result<BpeTrainer> create(BpeTrainOptions options);
  // Counts a text's pieces; memory grows with the number of different pieces only.
  void add_text(std::string_view text);
  // The specification of the tokenizer; special tokens become its added tokens.
  BpeSpec train() const;

 private:
  BpeTrainOptions options_;
  void (*split_)(std::string_view, const std::function<void(std::string_view)>&) = nullptr;
  std::unordered_map<std::string, int64_t> counts_;
};

}  // namespace owlet
