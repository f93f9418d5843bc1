// Rules on the scores of the whole vocabulary, applied before a sampler picks its candidates. Every one is a function of the
// scores and of the tokens so far (prompt and answer), equal to the logit processor of the same name in transformers where
// there is one. A forbidden token scores −infinity.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace owlet {

using TokenIds = std::vector<int32_t>;

// Divides positive scores of the tokens seen (each listed once) by the penalty and multiplies negative ones
// by it (Keskar et al. 2019).
void penalize_repetition(std::span<float> scores_V, std::span<const int32_t> seen, double penalty);
// score − presence − frequency · count, for tokens that were said count > 0 times.
void penalize_presence_and_frequency(std::span<float> scores_V, const std::unordered_map<int32_t, int64_t>& counts,
                                     double presence, double frequency);
void add_bias(std::span<float> scores_V, std::span<const std::pair<int32_t, float>> bias);
// Adds each sequence's bias to its last token where the tokens so far end in the rest of it.
void add_sequence_bias(std::span<float> scores_V, std::span<const int32_t> history,
                       std::span<const std::pair<TokenIds, float>> biases);

// Forbids what would complete a sequence of n tokens that the history has already (Paulus et al. 2017).
void forbid_repeated_ngrams(std::span<float> scores_V, std::span<const int32_t> history, int64_t n);
// Forbids the last token of every word whose beginning the history ends in.
void forbid_words(std::span<float> scores_V, std::span<const int32_t> history, std::span<const TokenIds> words);
void forbid(std::span<float> scores_V, std::span<const int32_t> ids);
// Forbids all tokens but these.
void allow_only(std::span<float> scores_V, std::span<const int32_t> ids);
// Nothing but this token: it scores 0.
void force(std::span<float> scores_V, int32_t id);
// Raises the score s of each end token by |s| · (factor^n − 1), n tokens past the start of the decay.
void decay_length(std::span<float> scores_V, std::span<const int32_t> end_ids, int64_t n_past_start, double factor);

// "Don't repeat yourself": a token that would lengthen a repetition of n ≥ allowed_length tokens loses
// multiplier · base^(n − allowed_length). A breaker stands in no repetition.
struct DryParams {
  double multiplier = 0;  // 0: off
  double base = 1.75;
  int64_t allowed_length = 2;
  int64_t window = -1;    // tokens that are looked at; −1: all
  std::unordered_set<int32_t> breakers = {};
};
void penalize_dry(std::span<float> scores_V, std::span<const int32_t> history, const DryParams& params);

}  // namespace owlet
