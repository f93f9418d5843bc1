// From logits to the next token: the rules of logit_rules.h and candidate_rules.h in the order that SamplingParams documents.
// Nothing here depends on what else is in the batch.
#pragma once

#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "generate/candidate_rules.h"
#include "generate/sampling_params.h"

namespace owlet {

// The tokens that can be drawn: a finite score as it is, a broken model's infinity as the largest number; NaN and −infinity are
// no candidates. Never empty: token 0 where nothing else is left.
void collect(std::span<const float> scores_V, Candidates& candidates);

// The candidate at u in [0, 1) of their cumulative probability, in order of ids.
int32_t draw(Candidates& candidates, double u);

// The highest score, the lowest id among equals; NaN never wins.
int32_t most_likely(std::span<const float> scores_V);

// Log-softmax of the raw logits: of `id`, and of the n best in descending order.
struct Logprobs {
  float of_token = 0;
  int64_t rank = 1;  // of the token: 1 + how many are likelier
  std::vector<std::pair<int32_t, float>> best;
};
Logprobs log_probabilities(std::span<const float> logits_V, int32_t id, int n);

// One request's sampler: its parameters and what it has seen so far.
class Sampler {
 public:
  // An answer of max_new_tokens is cut by its length; stop_ids end it before.
  Sampler(SamplingParams params, std::span<const int32_t> prompt, TokenIds stop_ids = {}, int64_t max_new_tokens = INT64_MAX);
  // Working memory that callers may share between samplers.
  struct Scratch {
    std::vector<float> scores;
    Candidates candidates;
  };
  // Chooses the token after `history` (the prompt and the answer so far) and remembers it.
  int32_t next(std::span<const float> logits_V, std::span<const int32_t> history, Scratch& scratch);

 private:
  bool changes_scores() const;
  void change_scores(std::span<float> scores_V, std::span<const int32_t> history) const;
  void shrink(Candidates& candidates) const;
  int32_t draw_with_surprise(Candidates& candidates, double u);
  void remember(int32_t id);
  // A thought has used up its tokens: the next one ends it.
  bool ends_thought() const { return params_.thinking_budget >= 0 && in_thought_ && n_thought_ >= params_.thinking_budget; }
  bool remembers_all() const { return params_.repetition_penalty != 1.0 && params_.repetition_window < 0; }

  SamplingParams params_;
  TokenIds stop_ids_;
  int64_t max_new_tokens_;
  std::vector<int32_t> seen_;  // distinct tokens of prompt and answer, while a penalty wants them
  std::unordered_map<int32_t, int64_t> said_;  // how often each token stands in the answer
  std::unordered_set<int32_t> is_seen_;
  int64_t n_drawn_ = 0;
  bool in_thought_ = false;
  int64_t n_thought_ = 0;  // tokens of the thought that is going on
  double surprise_limit_;  // mirostat's state
};

}  // namespace owlet
