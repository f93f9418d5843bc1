#include "generate/logit_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace owlet {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

float& score_of(std::span<float> scores_V, int32_t id) { return scores_V[static_cast<size_t>(id)]; }

// The tokens so far end in all of `sequence` but its last token.
bool waits_for_last(std::span<const int32_t> history, const TokenIds& sequence) {
  if (sequence.empty() || sequence.size() > history.size() + (sequence.size() == 1)) return false;
  return std::equal(sequence.begin(), sequence.end() - 1, history.end() - static_cast<ptrdiff_t>(sequence.size() - 1));
}

// For each i > 0, how many tokens of `s` from i on are the same as those from its beginning: the Z algorithm (Gusfield 1997), linear.
std::vector<int64_t> common_prefixes(std::span<const int32_t> s) {
  const int64_t n = static_cast<int64_t>(s.size());
  std::vector<int64_t> z(s.size(), 0);
  for (int64_t i = 1, left = 0, right = 0; i < n; ++i) {
    int64_t& length = z[static_cast<size_t>(i)];
    if (i < right) length = std::min(right - i, z[static_cast<size_t>(i - left)]);
    while (i + length < n && s[static_cast<size_t>(length)] == s[static_cast<size_t>(i + length)]) ++length;
    if (i + length > right) left = i, right = i + length;
  }
  return z;
}

}  // namespace

void penalize_repetition(std::span<float> scores_V, std::span<const int32_t> seen, double penalty) {
  const float p = static_cast<float>(penalty);
  for (const int32_t id : seen) {
    float& score = score_of(scores_V, id);
    score = score < 0 ? score * p : score / p;
  }
}

void penalize_presence_and_frequency(std::span<float> scores_V, const std::unordered_map<int32_t, int64_t>& counts,
                                     double presence, double frequency) {
  for (const auto& [id, count] : counts) {
    score_of(scores_V, id) -= static_cast<float>(presence + frequency * static_cast<double>(count));
  }
}

void add_bias(std::span<float> scores_V, std::span<const std::pair<int32_t, float>> bias) {
  for (const auto& [id, value] : bias) score_of(scores_V, id) += value;
}

void add_sequence_bias(std::span<float> scores_V, std::span<const int32_t> history,
                       std::span<const std::pair<TokenIds, float>> biases) {
  for (const auto& [sequence, bias] : biases) {
    if (waits_for_last(history, sequence)) score_of(scores_V, sequence.back()) += bias;
  }
}

void forbid_repeated_ngrams(std::span<float> scores_V, std::span<const int32_t> history, int64_t n) {
  const auto size = static_cast<int64_t>(history.size());
  if (n <= 0 || size < n) return;
  const auto end = history.subspan(static_cast<size_t>(size - (n - 1)));
  for (int64_t i = 0; i + n <= size; ++i) {
    const auto begin = history.begin() + i;
    if (std::equal(end.begin(), end.end(), begin)) score_of(scores_V, begin[n - 1]) = kForbidden;
  }
}

void forbid_words(std::span<float> scores_V, std::span<const int32_t> history, std::span<const TokenIds> words) {
  for (const TokenIds& word : words) {
    if (waits_for_last(history, word)) score_of(scores_V, word.back()) = kForbidden;
  }
}

void forbid(std::span<float> scores_V, std::span<const int32_t> ids) {
  for (const int32_t id : ids) score_of(scores_V, id) = kForbidden;
}

void allow_only(std::span<float> scores_V, std::span<const int32_t> ids) {
  std::vector<std::pair<int32_t, float>> kept;
  for (const int32_t id : ids) kept.emplace_back(id, score_of(scores_V, id));
  std::fill(scores_V.begin(), scores_V.end(), kForbidden);
  for (const auto& [id, score] : kept) score_of(scores_V, id) = score;
}

void force(std::span<float> scores_V, int32_t id) {
  std::fill(scores_V.begin(), scores_V.end(), kForbidden);
  score_of(scores_V, id) = 0;
}

void decay_length(std::span<float> scores_V, std::span<const int32_t> end_ids, int64_t n_past_start, double factor) {
  if (n_past_start <= 0) return;
  const double growth = std::pow(factor, static_cast<double>(n_past_start)) - 1;
  for (const int32_t id : end_ids) {
    float& score = score_of(scores_V, id);
    score += static_cast<float>(std::abs(static_cast<double>(score)) * growth);
  }
}

void penalize_dry(std::span<float> scores_V, std::span<const int32_t> history, const DryParams& params) {
  if (params.multiplier == 0) return;
  if (params.window >= 0 && params.window < static_cast<int64_t>(history.size())) {
    history = history.subspan(history.size() - static_cast<size_t>(params.window));
  }
  // Backwards, a repetition is a common prefix; it ends where the newest breaker stands.
  const TokenIds reversed(history.rbegin(), history.rend());
  const auto breaker = std::find_if(reversed.begin(), reversed.end(), [&](int32_t id) { return params.breakers.count(id) > 0; });
  const int64_t longest = breaker - reversed.begin();
  const std::vector<int64_t> common = common_prefixes(reversed);
  std::unordered_map<int32_t, int64_t> repeated;  // token → the longest repetition that it would go on with
  for (size_t i = 1; i < reversed.size(); ++i) {
    const int64_t length = std::min(common[i], longest);
    if (length < params.allowed_length || length == 0 || params.breakers.count(reversed[i - 1])) continue;
    int64_t& best = repeated[reversed[i - 1]];
    best = std::max(best, length);
  }
  for (const auto& [id, length] : repeated) {
    const double penalty = params.multiplier * std::pow(params.base, static_cast<double>(length - params.allowed_length));
    score_of(scores_V, id) -= static_cast<float>(std::min(penalty, 1e30));
  }
}

}  // namespace owlet
