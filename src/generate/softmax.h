// Probabilities of candidates: weights exp(score − best score), in double, added up in the list's order.
#pragma once

#include <span>
#include <vector>

#include "generate/candidate_rules.h"

namespace owlet {

// exp(x) for x ≤ 0, right to about the last bit; 0 below −708, where it would not be a normal number. Our own, since it then is the same on
// every machine, and since compilers turn loops over it into vector instructions: a draw goes through the whole vocabulary.
double exp_of_negative(double x);

class Softmax {
 public:
  // Of at least one candidate, all with finite scores.
  explicit Softmax(std::span<const Candidate> candidates);
  double total() const { return total_; }
  double weight(const Candidate& c) const { return exp_of_negative(static_cast<double>(c.score) - best_); }
  double probability(const Candidate& c) const { return weight(c) / total_; }
  double log_probability(const Candidate& c) const { return static_cast<double>(c.score) - best_ - log_total_; }
  double log_of_sum() const { return best_ + log_total_; }  // log Σ exp(score)
  // Where u in [0, 1) of the total falls, going through these same candidates.
  const Candidate& at(double u) const;

 private:
  std::span<const Candidate> candidates_;
  double best_;
  double total_ = 0;
  double log_total_ = 0;
  std::vector<double> before_;  // the sums before each block of candidates
};

}  // namespace owlet
