#include "generate/candidate_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "generate/softmax.h"

namespace owlet {
namespace {

double entropy_of(const Candidates& candidates, const Softmax& softmax) {
  double entropy = 0;
  for (const Candidate& c : candidates) {
    if (const double p = softmax.probability(c); p > 0) entropy -= p * softmax.log_probability(c);
  }
  return entropy;
}

// Drops what is less likely than p, but never the best.
void cut_below(Candidates& candidates, const Softmax& softmax, double p) {
  const float best = best_score(candidates);
  std::erase_if(candidates, [&](const Candidate& c) { return c.score < best && softmax.probability(c) < p; });
}

}  // namespace

float best_score(std::span<const Candidate> candidates) {
  return std::max_element(candidates.begin(), candidates.end(),
                          [](const Candidate& a, const Candidate& b) { return a.score < b.score; })
      ->score;
}

void scale_by_temperature(Candidates& candidates, double temperature) {
  // Differences to the best are what counts; taking them first keeps a tiny temperature from overflowing.
  const double best = static_cast<double>(best_score(candidates));
  constexpr double kLowest = std::numeric_limits<float>::lowest();
  for (Candidate& c : candidates) {
    c.score = static_cast<float>(std::max((static_cast<double>(c.score) - best) / temperature, kLowest));
  }
}

void keep_top_n_sigma(Candidates& candidates, double n) {
  if (n <= 0) return;
  double mean = 0, square = 0;
  const auto count = static_cast<double>(candidates.size());
  for (const Candidate& c : candidates) mean += static_cast<double>(c.score) / count;
  for (const Candidate& c : candidates) {
    const double d = static_cast<double>(c.score) - mean;
    square += d * d / count;
  }
  const double limit = static_cast<double>(best_score(candidates)) - n * std::sqrt(square);
  std::erase_if(candidates, [limit](const Candidate& c) { return static_cast<double>(c.score) < limit; });
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
  const Softmax softmax(candidates);

  // The kept ones are usually few: order 64 of them, then 4 times as many … instead of the whole vocabulary.
  const size_t n = candidates.size();
  double mass = 0;
  size_t sorted = 0;
  for (size_t want = 64; sorted < n; want *= 4) {
    const size_t end = std::min(want, n);
    std::partial_sort(candidates.begin() + static_cast<ptrdiff_t>(sorted),
                      candidates.begin() + static_cast<ptrdiff_t>(end), candidates.end(), better);
    for (; sorted < end; ++sorted) {
      mass += softmax.weight(candidates[sorted]);
      if (mass >= p * softmax.total()) return candidates.resize(sorted + 1);
    }
  }
}

void keep_top_h(Candidates& candidates, double h) {
  if (h >= 1.0) return;
  constexpr size_t kLookedAt = 100;
  const size_t n = std::min(kLookedAt, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(n), candidates.end(), better);
  candidates.resize(n);
  const Softmax softmax(candidates);
  // In float32 like transformers: tokens at the limit are often equal, and a sure best one has no entropy at all.
  const float log_total = std::log(static_cast<float>(softmax.total()));
  std::vector<float> terms(n);
  double entropy = 0;
  for (size_t i = 0; i < n; ++i) {
    const float log_p = candidates[i].score - candidates[0].score - log_total;
    terms[i] = -static_cast<float>(softmax.probability(candidates[i])) * log_p;
    entropy += static_cast<double>(terms[i]);
  }
  const float limit = static_cast<float>(entropy) * static_cast<float>(h);
  double sum = 0;
  for (size_t kept = 0; kept < n; ++kept) {
    sum += static_cast<double>(terms[kept]);
    if (static_cast<float>(sum) > limit) return candidates.resize(std::max<size_t>(kept, 1));
  }
}

void keep_min_p(Candidates& candidates, double p) {
  if (p <= 0) return;
  const double limit = static_cast<double>(best_score(candidates)) + std::log(p);
  std::erase_if(candidates, [limit](const Candidate& c) { return static_cast<double>(c.score) < limit; });
}

void keep_typical_p(Candidates& candidates, double p) {
  if (p >= 1.0) return;
  const Softmax softmax(candidates);
  const double entropy = entropy_of(candidates, softmax);
  // In float32, so that equal scores are equally typical whatever the rounding of a double says.
  const auto distance = [&](const Candidate& c) { return static_cast<float>(std::abs(-softmax.log_probability(c) - entropy)); };
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    return distance(a) != distance(b) ? distance(a) < distance(b) : better(a, b);
  });
  double mass = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    mass += softmax.probability(candidates[i]);
    if (mass < p) continue;
    const float limit = distance(candidates[i]);
    std::erase_if(candidates, [&](const Candidate& c) { return distance(c) > limit; });
    return;
  }
}

void cut_epsilon(Candidates& candidates, double epsilon) { cut_below(candidates, Softmax(candidates), epsilon); }

void cut_eta(Candidates& candidates, double epsilon) {
  const Softmax softmax(candidates);
  cut_below(candidates, softmax, std::min(epsilon, std::sqrt(epsilon) * std::exp(-entropy_of(candidates, softmax))));
}

void exclude_top_choices(Candidates& candidates, double threshold) {
  const Softmax softmax(candidates);
  const Candidate* least = nullptr;
  for (const Candidate& c : candidates) {
    if (softmax.probability(c) >= threshold && (!least || better(*least, c))) least = &c;
  }
  if (!least) return;
  const Candidate kept = *least;
  std::erase_if(candidates, [&](const Candidate& c) { return better(c, kept); });
}

void keep_unsurprising(Candidates& candidates, double surprise) {
  const Softmax softmax(candidates);
  cut_below(candidates, softmax, std::exp2(-surprise));
}

double surprise_of(const Candidates& candidates, int32_t id) {
  const Softmax softmax(candidates);
  const auto it = std::find_if(candidates.begin(), candidates.end(), [id](const Candidate& c) { return c.id == id; });
  return -softmax.log_probability(*it) / std::log(2.0);
}

}  // namespace owlet
