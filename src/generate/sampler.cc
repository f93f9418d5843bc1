#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/random.h"
#include "generate/softmax.h"

namespace owlet {
namespace {

// Streams of random numbers: a rule that draws has one of its own, so that switching it on moves no other draw.
enum Stream : uint64_t { kDraw = 0, kExclude = 1 };

}  // namespace

void collect(std::span<const float> scores_V, Candidates& candidates) {
  candidates.clear();
  for (size_t id = 0; id < scores_V.size(); ++id) {
    const float score = scores_V[id];
    if (!(score >= std::numeric_limits<float>::lowest())) continue;
    candidates.push_back({static_cast<int32_t>(id), std::min(score, std::numeric_limits<float>::max())});
  }
  if (candidates.empty()) candidates.push_back({0, 0.0f});
}

int32_t draw(Candidates& candidates, double u) {
  const auto by_id = [](const Candidate& a, const Candidate& b) { return a.id < b.id; };
  if (!std::is_sorted(candidates.begin(), candidates.end(), by_id))
    std::sort(candidates.begin(), candidates.end(), by_id);
  return Softmax(candidates).at(u).id;
}

int32_t most_likely(std::span<const float> scores_V) {
  size_t best = 0;
  float best_score = -std::numeric_limits<float>::infinity();
  for (size_t id = 0; id < scores_V.size(); ++id) {
    if (scores_V[id] > best_score) {
      best = id;
      best_score = scores_V[id];
    }
  }
  return static_cast<int32_t>(best);
}

Logprobs log_probabilities(std::span<const float> logits_V, int32_t id, int n) {
  Candidates all;
  collect(logits_V, all);
  const double log_total = Softmax(all).log_of_sum();
  const auto logprob = [log_total](float score) {
    return static_cast<float>(static_cast<double>(score) - log_total);
  };

  Logprobs result;
  const float score = logits_V[static_cast<size_t>(id)];
  result.of_token = logprob(score);
  result.rank += std::count_if(all.begin(), all.end(), [score](const Candidate& c) { return c.score > score; });
  const ptrdiff_t n_best = std::min<ptrdiff_t>(n, static_cast<ptrdiff_t>(all.size()));
  if (n_best <= 0) return result;
  std::partial_sort(all.begin(), all.begin() + n_best, all.end(), better);
  for (ptrdiff_t i = 0; i < n_best; ++i) {
    const Candidate& c = all[static_cast<size_t>(i)];
    result.best.emplace_back(c.id, logprob(c.score));
  }
  return result;
}

Sampler::Sampler(SamplingParams params, std::span<const int32_t> prompt, TokenIds stop_ids, int64_t max_new_tokens)
    : params_(std::move(params)), stop_ids_(std::move(stop_ids)), max_new_tokens_(max_new_tokens),
      surprise_limit_(2 * params_.mirostat_tau) {
  for (const int32_t id : prompt) remember(id);
}

bool Sampler::changes_scores() const {
  const SamplingParams& p = params_;
  return p.repetition_penalty != 1.0 || p.presence_penalty != 0 || p.frequency_penalty != 0 || !p.logit_bias.empty() ||
         p.dry.multiplier != 0 || p.no_repeat_ngram_size > 0 || !p.sequence_bias.empty() || !p.bad_words.empty() ||
         !p.suppress_tokens.empty() || !p.allowed_tokens.empty() || n_drawn_ < p.min_tokens || p.decay_factor != 1.0 ||
         ends_thought() || (p.forced_last >= 0 && n_drawn_ + 1 == max_new_tokens_);
}

void Sampler::change_scores(std::span<float> scores_V, std::span<const int32_t> history) const {
  const SamplingParams& p = params_;
  if (p.forced_last >= 0 && n_drawn_ + 1 == max_new_tokens_) return force(scores_V, p.forced_last);
  if (ends_thought()) return force(scores_V, p.thought_end);
  if (p.repetition_penalty != 1.0 && !remembers_all()) {
    const auto window = history.last(std::min(history.size(), static_cast<size_t>(p.repetition_window)));
    const std::unordered_set<int32_t> distinct(window.begin(), window.end());
    penalize_repetition(scores_V, TokenIds(distinct.begin(), distinct.end()), p.repetition_penalty);
  } else {
    penalize_repetition(scores_V, seen_, p.repetition_penalty);
  }
  penalize_presence_and_frequency(scores_V, said_, p.presence_penalty, p.frequency_penalty);
  penalize_dry(scores_V, history, p.dry);
  add_bias(scores_V, p.logit_bias);
  add_sequence_bias(scores_V, history, p.sequence_bias);
  decay_length(scores_V, stop_ids_, n_drawn_ - p.decay_start, p.decay_factor);
  forbid_repeated_ngrams(scores_V, history, p.no_repeat_ngram_size);
  forbid_words(scores_V, history, p.bad_words);
  forbid(scores_V, p.suppress_tokens);
  if (!p.allowed_tokens.empty()) allow_only(scores_V, p.allowed_tokens);
  if (n_drawn_ < p.min_tokens) forbid(scores_V, stop_ids_);
}

void Sampler::shrink(Candidates& candidates) const {
  const SamplingParams& p = params_;
  keep_top_n_sigma(candidates, p.top_n_sigma);
  keep_top_k(candidates, p.top_k);
  keep_top_p(candidates, p.top_p);
  keep_top_h(candidates, p.top_h);
  keep_min_p(candidates, p.min_p);
  keep_typical_p(candidates, p.typical_p);
  if (p.epsilon_cutoff > 0) cut_epsilon(candidates, p.epsilon_cutoff);
  if (p.eta_cutoff > 0) cut_eta(candidates, p.eta_cutoff);
  const auto index = static_cast<uint64_t>(n_drawn_);
  if (p.xtc_probability > 0 && Random{p.seed, kExclude, index}.uniform() < p.xtc_probability) {
    exclude_top_choices(candidates, p.xtc_threshold);
  }
}

// Mirostat 2: the limit moves so that the mean surprise of what is drawn comes to tau.
int32_t Sampler::draw_with_surprise(Candidates& candidates, double u) {
  keep_unsurprising(candidates, surprise_limit_);
  const int32_t id = draw(candidates, u);
  surprise_limit_ -= params_.mirostat_eta * (surprise_of(candidates, id) - params_.mirostat_tau);
  return id;
}

void Sampler::remember(int32_t id) {
  if (id == params_.thought_start || id == params_.thought_end) {
    if (!in_thought_) n_thought_ = 0;
    in_thought_ = id == params_.thought_start;
  } else if (in_thought_) {
    ++n_thought_;
  }
  if (remembers_all() && is_seen_.insert(id).second) seen_.push_back(id);
}

int32_t Sampler::next(std::span<const float> logits_V, std::span<const int32_t> history, Scratch& scratch) {
  std::span<const float> scores_V = logits_V;
  if (changes_scores()) {
    scratch.scores.assign(logits_V.begin(), logits_V.end());
    change_scores(scratch.scores, history);
    scores_V = scratch.scores;
  }

  int32_t id = 0;
  if (params_.temperature == 0) {
    id = most_likely(scores_V);
  } else {
    Candidates& candidates = scratch.candidates;
    collect(scores_V, candidates);
    scale_by_temperature(candidates, params_.temperature);
    const double u = Random{params_.seed, kDraw, static_cast<uint64_t>(n_drawn_)}.uniform();
    if (params_.mirostat_tau > 0) {
      id = draw_with_surprise(candidates, u);
    } else {
      shrink(candidates);
      id = draw(candidates, u);
    }
  }
  ++n_drawn_;
  remember(id);
  ++said_[id];
  return id;
}

}  // namespace owlet
