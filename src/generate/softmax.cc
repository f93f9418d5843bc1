#include "generate/softmax.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "core/bit_cast.h"

namespace owlet {
namespace {

constexpr size_t kBlock = 256;

// 2^k · exp(r) with x = k · ln 2 + r, |r| ≤ ln 2 / 2, and exp(r) by its power series.
inline double exponential(double x) {
  constexpr double kLog2E = 0x1.71547652b82fep0, kLn2High = 0x1.62e42fefa38p-1, kLn2Low = 0x1.ef35793c7673p-45;
  constexpr double kRound = 0x1.8p52;  // added to a small number, leaves its nearest integer in the lowest bits
  const double shifted = x * kLog2E + kRound;
  const double k = shifted - kRound;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0 / 6227020800;
  for (const double factorial : {479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0}) {
    sum = sum * r + 1.0 / factorial;
  }
  const uint64_t scaled = bit_cast<uint64_t>(sum) + (bit_cast<uint64_t>(shifted) << 52);
  return x < -708 ? 0.0 : bit_cast<double>(scaled);
}

}  // namespace

double exp_of_negative(double x) { return exponential(x); }

Softmax::Softmax(std::span<const Candidate> candidates) : candidates_(candidates), best_(static_cast<double>(best_score(candidates))) {
  std::array<double, kBlock> weights;
  before_.reserve(candidates.size() / kBlock + 1);
  for (size_t begin = 0; begin < candidates.size(); begin += kBlock) {
    const size_t n = std::min(kBlock, candidates.size() - begin);
    for (size_t i = 0; i < n; ++i) weights[i] = exponential(static_cast<double>(candidates[begin + i].score) - best_);
    before_.push_back(total_);
    for (size_t i = 0; i < n; ++i) total_ += weights[i];
  }
  log_total_ = std::log(total_);
}

const Candidate& Softmax::at(double u) const {
  const double target = u * total_;
  const auto block = static_cast<size_t>(std::upper_bound(before_.begin(), before_.end(), target) - before_.begin()) - 1;
  double mass = before_[block];
  for (size_t i = block * kBlock; i < candidates_.size(); ++i) {
    mass += weight(candidates_[i]);
    if (target < mass) return candidates_[i];
  }
  // Rounding can leave the target at the very end: the last candidate that has any probability.
  return *std::find_if(candidates_.rbegin(), candidates_.rend(), [&](const Candidate& c) { return weight(c) > 0; });
}

}  // namespace owlet
