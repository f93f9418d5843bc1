#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/random.h"

namespace owlet {
namespace {

// Best first, the lowest id first among equals: a total order, so every sort and selection has one result.
bool better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

float best_score(const Candidates& candidates) {
  return std::max_element(candidates.begin(), candidates.end(),
                          [](const Candidate& a, const Candidate& b) { return a.score < b.score; })
      ->score;
}

// A finite score as it is; a broken model's infinity as the largest number. NaN and −infinity are no
// candidates.
void collect(std::span<const float> scores_V, Candidates& candidates) {
  candidates.clear();
  for (size_t id = 0; id < scores_V.size(); ++id) {
    const float score = scores_V[id];
    if (!(score >= std::numeric_limits<float>::lowest())) continue;
    candidates.push_back({static_cast<int32_t>(id), std::min(score, std::numeric_limits<float>::max())});
  }
  if (candidates.empty()) candidates.push_back({0, 0.0f});
}

}  // namespace

void penalize_repetition(std::span<float> scores_V, std::span<const int32_t> seen, double penalty) {
  const float p = static_cast<float>(penalty);
  for (const int32_t id : seen) {
    float& score = scores_V[static_cast<size_t>(id)];
    score = score < 0 ? score * p : score / p;
  }
}

void penalize_presence_and_frequency(std::span<float> scores_V,
                                     const std::unordered_map<int32_t, int64_t>& counts, double presence,
                                     double frequency) {
  for (const auto& [id, count] : counts) {
    scores_V[static_cast<size_t>(id)] -=
        static_cast<float>(presence + frequency * static_cast<double>(count));
  }
}

void add_bias(std::span<float> scores_V, std::span<const std::pair<int32_t, float>> bias) {
  for (const auto& [id, value] : bias) scores_V[static_cast<size_t>(id)] += value;
}

void scale_by_temperature(Candidates& candidates, double temperature) {
  // Differences to the best are what counts; taking them first keeps a tiny temperature from overflowing.
  const double best = static_cast<double>(best_score(candidates));
  constexpr double kLowest = std::numeric_limits<float>::lowest();
  for (Candidate& c : candidates) {
    c.score = static_cast<float>(std::max((static_cast<double>(c.score) - best) / temperature, kLowest));
  }
}

void keep_top_k(Candidates& candidates, int64_t k) {
  if (k <= 0 || k >= static_cast<int64_t>(candidates.size())) return;
  const auto kth = candidates.begin() + (k - 1);
  std::nth_element(candidates.begin(), kth, candidates.end(), better);
  const float limit = kth->score;
  std::erase_if(candidates, [limit](const Candidate& c) { return c.score < limit; });
}

void keep_top_p(Candidates& candidates, double p) {
  if (p >= 1.0) return;
  const double best = static_cast<double>(best_score(candidates));
  const auto weight = [best](const Candidate& c) { return std::exp(static_cast<double>(c.score) - best); };
  double total = 0;
  for (const Candidate& c : candidates) total += weight(c);

  // The kept ones are usually few: order 64 of them, then 4 times as many … instead of the whole vocabulary.
  const size_t n = candidates.size();
  double mass = 0;
  size_t sorted = 0;
  for (size_t want = 64; sorted < n; want *= 4) {
    const size_t end = std::min(want, n);
    std::partial_sort(candidates.begin() + static_cast<ptrdiff_t>(sorted),
                      candidates.begin() + static_cast<ptrdiff_t>(end), candidates.end(), better);
    for (; sorted < end; ++sorted) {
      mass += weight(candidates[sorted]);
      if (mass >= p * total) return candidates.resize(sorted + 1);
    }
  }
}

void keep_min_p(Candidates& candidates, double p) {
  if (p <= 0) return;
  const double limit = static_cast<double>(best_score(candidates)) + std::log(p);
  std::erase_if(candidates, [limit](const Candidate& c) { return static_cast<double>(c.score) < limit; });
}

int32_t draw(Candidates& candidates, double u) {
  const auto by_id = [](const Candidate& a, const Candidate& b) { return a.id < b.id; };
  if (!std::is_sorted(candidates.begin(), candidates.end(), by_id))
    std::sort(candidates.begin(), candidates.end(), by_id);
  const double best = static_cast<double>(best_score(candidates));
  const auto weight = [best](const Candidate& c) { return std::exp(static_cast<double>(c.score) - best); };
  double total = 0;
  for (const Candidate& c : candidates) total += weight(c);
  const double target = u * total;
  double mass = 0;
  for (const Candidate& c : candidates) {
    mass += weight(c);
    if (target < mass) return c.id;
  }
  // Rounding can leave the target at the very end: the last candidate that has any probability.
  const auto last =
      std::find_if(candidates.rbegin(), candidates.rend(), [&](const Candidate& c) { return weight(c) > 0; });
  return last->id;
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
  const double best = static_cast<double>(best_score(all));
  double total = 0;
  for (const Candidate& c : all) total += std::exp(static_cast<double>(c.score) - best);
  const double log_total = best + std::log(total);
  const auto logprob = [log_total](float score) {
    return static_cast<float>(static_cast<double>(score) - log_total);
  };

  Logprobs result;
  result.of_token = logprob(logits_V[static_cast<size_t>(id)]);
  const ptrdiff_t n_best = std::min<ptrdiff_t>(n, static_cast<ptrdiff_t>(all.size()));
  if (n_best <= 0) return result;
  std::partial_sort(all.begin(), all.begin() + n_best, all.end(), better);
  for (ptrdiff_t i = 0; i < n_best; ++i) {
    const Candidate& c = all[static_cast<size_t>(i)];
    result.best.emplace_back(c.id, logprob(c.score));
  }
  return result;
}

Sampler::Sampler(SamplingParams params, std::span<const int32_t> prompt) : params_(std::move(params)) {
  for (const int32_t id : prompt) remember(id);
}

bool Sampler::changes_scores() const {
  return params_.repetition_penalty != 1.0 || params_.presence_penalty != 0 ||
         params_.frequency_penalty != 0 || !params_.logit_bias.empty();
}

void Sampler::remember(int32_t id) {
  if (params_.repetition_penalty != 1.0 && is_seen_.insert(id).second) seen_.push_back(id);
}

int32_t Sampler::next(std::span<const float> logits_V, Scratch& scratch) {
  std::span<const float> scores_V = logits_V;
  if (changes_scores()) {
    scratch.scores.assign(logits_V.begin(), logits_V.end());
    const std::span<float> changed(scratch.scores);
    penalize_repetition(changed, seen_, params_.repetition_penalty);
    penalize_presence_and_frequency(changed, said_, params_.presence_penalty, params_.frequency_penalty);
    add_bias(changed, params_.logit_bias);
    scores_V = changed;
  }

  int32_t id = 0;
  if (params_.temperature == 0) {
    id = most_likely(scores_V);
  } else {
    Candidates& candidates = scratch.candidates;
    collect(scores_V, candidates);
    scale_by_temperature(candidates, params_.temperature);
    keep_top_k(candidates, params_.top_k);
    keep_top_p(candidates, params_.top_p);
    keep_min_p(candidates, params_.min_p);
    id = draw(candidates, Random{params_.seed, /*stream=*/0, /*index=*/n_drawn_}.uniform());
  }
  ++n_drawn_;
  remember(id);
  ++said_[id];
  return id;
}

}  // namespace owlet
