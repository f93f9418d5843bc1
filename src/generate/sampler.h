// From logits to the next token. Each rule is one small function on the scores; Sampler applies them in the
// order that SamplingParams documents. Nothing here depends on what else is in the batch.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "generate/engine.h"

namespace owlet {

struct Candidate {
  int32_t id = 0;
  float score = 0;
};

// Tokens that may still be drawn. Rules shrink the list and may reorder it; draw() puts it in order of ids.
using Candidates = std::vector<Candidate>;

// ---- Rules on the scores of the whole vocabulary
// -----------------------------------------------------------------

// Divides positive scores of the tokens seen (each listed once) by the penalty and multiplies negative ones
// by it (Keskar et al. 2019).
void penalize_repetition(std::span<float> scores_V, std::span<const int32_t> seen, double penalty);
// score − presence − frequency · count, for tokens that were said count > 0 times.
void penalize_presence_and_frequency(std::span<float> scores_V,
                                     const std::unordered_map<int32_t, int64_t>& counts, double presence,
                                     double frequency);
void add_bias(std::span<float> scores_V, std::span<const std::pair<int32_t, float>> bias);

// ---- Rules on the list of candidates; each leaves at least one
// ---------------------------------------------------

void scale_by_temperature(Candidates& candidates, double temperature);
// The k best, and whatever is equal to the k-th (as in Hugging Face's).
void keep_top_k(Candidates& candidates, int64_t k);
// The most likely tokens until their probability reaches p (Holtzman et al. 2020), the lowest id first among
// equals.
void keep_top_p(Candidates& candidates, double p);
// Tokens at least p times as likely as the best (Nguyen et al. 2024).
void keep_min_p(Candidates& candidates, double p);

// The candidate at u in [0, 1) of their cumulative probability, in order of ids.
int32_t draw(Candidates& candidates, double u);

// The highest score, the lowest id among equals; NaN never wins.
int32_t most_likely(std::span<const float> scores_V);

// Log-softmax of the raw logits: of `id`, and of the n best in descending order.
struct Logprobs {
  float of_token = 0;
  std::vector<std::pair<int32_t, float>> best;
};
Logprobs log_probabilities(std::span<const float> logits_V, int32_t id, int n);

// One request's sampler: its parameters and what it has seen so far.
class Sampler {
 public:
  Sampler(SamplingParams params, std::span<const int32_t> prompt);
  // Chooses the next token and remembers it. `scratch` is working memory that callers may share between
  // samplers.
  struct Scratch {
    std::vector<float> scores;
    Candidates candidates;
  };
  int32_t next(std::span<const float> logits_V, Scratch& scratch);

 private:
  bool changes_scores() const;
  void remember(int32_t id);

  SamplingParams params_;
  std::vector<int32_t> seen_;  // distinct tokens of prompt and answer, while a penalty wants them
  std::unordered_map<int32_t, int64_t> said_;  // how often each token stands in the answer
  std::unordered_set<int32_t> is_seen_;
  uint64_t n_drawn_ = 0;
};

}  // namespace owlet
