#include "generate/speculation.h"

#include <algorithm>
#include <cmath>

namespace owlet {
namespace {

constexpr int64_t kShortestMatch = 2, kLongestMatch = 8;
constexpr int64_t kLongestDraft = 8;
constexpr double kUnknownCost = 0.2;
constexpr double kFading = 0.98;      // of a step's weight in the line, from step to step
constexpr double kForgetting = 0.01;  // of an acceptance rate, from token to token

// How many tokens before `end` are those before the text's end.
int64_t match_length(std::span<const int32_t> text, int64_t end) {
  const int64_t size = static_cast<int64_t>(text.size());
  int64_t n = 0;
  while (n < std::min(end, kLongestMatch) && text[static_cast<size_t>(end - 1 - n)] == text[static_cast<size_t>(size - 1 - n)]) ++n;
  return n;
}

}  // namespace

std::vector<int32_t> draft_by_lookup(std::span<const int32_t> text, int64_t max_tokens) {
  int64_t longest = kShortestMatch - 1, from = 0;
  for (int64_t end = static_cast<int64_t>(text.size()) - 1; end > 0 && longest < kLongestMatch; --end) {
    const int64_t n = match_length(text, end);
    if (n > longest) longest = n, from = end;
  }
  std::vector<int32_t> draft;
  if (from == 0) return draft;
  for (size_t i = static_cast<size_t>(from); static_cast<int64_t>(draft.size()) < max_tokens; ++i) {
    draft.push_back(i < text.size() ? text[i] : draft[i - text.size()]);
  }
  return draft;
}

void Acceptance::drafted(int64_t n_tokens, int64_t n_accepted) {
  for (int64_t i = 0; i < n_accepted; ++i) rate_ += learning_ * (1 - rate_);
  if (n_accepted < n_tokens) rate_ -= learning_ * rate_;
}

void Acceptance::passed() { rate_ += kForgetting * (kUnknown - rate_); }

void RowCost::measured(int64_t n_rows, double seconds) {
  const auto rows = static_cast<double>(n_rows);
  const auto add = [](double& sum, double x) { sum = kFading * sum + x; };
  add(n_, 1);
  add(rows_, rows);
  add(rows_squared_, rows * rows);
  add(seconds_, seconds);
  add(product_, rows * seconds);
}

double RowCost::of_one_more(int64_t n_rows) const {
  const double spread = n_ * rows_squared_ - rows_ * rows_;
  if (spread <= 0.1 * n_) return kUnknownCost;
  const double slope = (n_ * product_ - rows_ * seconds_) / spread;
  const double intercept = (seconds_ - slope * rows_) / n_;
  const double per_token = (intercept + slope * static_cast<double>(n_rows)) / static_cast<double>(n_rows);
  return per_token > 0 ? std::clamp(slope / per_token, 0.01, 1.0) : 1.0;
}

int64_t draft_length(double acceptance_rate, double cost_of_row) {
  int64_t n = 0;
  for (double p = acceptance_rate; n < kLongestDraft && p > cost_of_row; p *= acceptance_rate) ++n;
  return n;
}

}  // namespace owlet
