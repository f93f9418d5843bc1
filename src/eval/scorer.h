// Log-probabilities that a model gives to text it did not write: what every evaluation is made of.
#pragma once

#include <functional>
#include <vector>

#include "model/model.h"

namespace owlet {

// Tokens whose probabilities are wanted from index `from` on; from ≥ 1, since the first token has nothing before it.
struct ScoredSequence {
  std::vector<int32_t> tokens;
  size_t from = 1;
};

struct TokenScore {
  double logprob = 0;   // natural logarithm
  bool greedy = false;  // no other token was likelier
};

// Runs sequences through a model, many at once. Results do not depend on how they are grouped.
class Scorer {
 public:
  // max_tokens: the longest sequence that score() may be given.
  Scorer(Context context, const Model& model, int64_t max_tokens);
  // One row of scores per sequence, for tokens[from] … tokens.back(). Too long a sequence is an error that names both lengths.
  Result<std::vector<std::vector<TokenScore>>> score(const std::vector<ScoredSequence>& sequences);
  int64_t max_tokens() const { return max_tokens_; }

  static constexpr int64_t kRows = 512;      // per forward pass
  static constexpr int64_t kSequences = 32;  // at once

 private:
  void score_group(const std::vector<ScoredSequence>& sequences, size_t begin, size_t end,
                   std::vector<std::vector<TokenScore>>& scores);

  int64_t vocab_size_;
  int64_t max_tokens_;
  int64_t pages_each_;
  KvCache cache_;
  Runner runner_;
  std::vector<std::vector<int32_t>> pages_;  // [kSequences][pages_each_]
};

}  // namespace owlet
