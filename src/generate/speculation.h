// Speculation without a second model: what came before may come again, so the tokens that followed an earlier occurrence of a text's end
// are drafted and computed along with its next token (prompt lookup decoding, Saxena 2023). A draft counts only as far as the sampler
// chooses the same tokens from the rows' logits, so answers are what they would be without, to the bit; and only as long as it pays.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace owlet {

// At most max_tokens that followed the latest of the longest earlier occurrences of the text's end, of two tokens or more; where they
// come to the end themselves, they go on with what was drafted.
std::vector<int32_t> draft_by_lookup(std::span<const int32_t> text, int64_t max_tokens);

// How often drafted tokens came true lately: of one sequence, or, learning more slowly, of all.
class Acceptance {
 public:
  static constexpr double kUnknown = 0.5, kQuick = 0.2, kSlow = 0.02;
  explicit Acceptance(double rate = kUnknown, double learning = kQuick) : rate_(rate), learning_(learning) {}
  double rate() const { return rate_; }
  // Of a draft, the first n_accepted tokens came true.
  void drafted(int64_t n_tokens, int64_t n_accepted);
  // Nothing was drafted, so nothing was learnt: slowly forgets what it knew.
  void passed();

 private:
  double rate_;
  double learning_;
};

// What one more row of a step costs, measured: a straight line through the seconds of recent steps that had answers only. The first rows
// cost little where a step is a pass over the weights, as much as any other where it is arithmetic.
class RowCost {
 public:
  void measured(int64_t n_rows, double seconds);
  // Seconds of one more row, in units of what a token costs in a step of n_rows answers. Before there is anything to tell: a guess.
  double of_one_more(int64_t n_rows) const;

 private:
  // Sums over steps, older ones fading: of 1, rows, rows², seconds, rows · seconds.
  double n_ = 0, rows_ = 0, rows_squared_ = 0, seconds_ = 0, product_ = 0;
};

// Tokens worth drafting: the i-th comes true with probability rateⁱ, and saves a token's cost when it does.
int64_t draft_length(double acceptance_rate, double cost_of_row);

}  // namespace owlet
