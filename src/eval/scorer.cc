#include "eval/scorer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace owlet {
namespace {

// log softmax of one row at `target`, summed in float64.
TokenScore score_row(const float* logits, int64_t vocab_size, int32_t target) {
  const float best = *std::max_element(logits, logits + vocab_size);
  double sum = 0;
  for (int64_t i = 0; i < vocab_size; ++i) sum += std::exp(static_cast<double>(logits[i]) - best);
  return {static_cast<double>(logits[target]) - best - std::log(sum), logits[target] == best};
}

}  // namespace

Scorer::Scorer(Context context, const Model& model, int64_t max_tokens)
    : vocab_size_(model.config.vocab_size), max_tokens_(std::min(max_tokens, model.config.max_positions)),
      pages_each_((max_tokens_ + KvCache::kPageLen - 1) / KvCache::kPageLen),
      cache_(model.config, kSequences * pages_each_), runner_(context, model, kRows), pages_(kSequences) {
  for (size_t i = 0; i < pages_.size(); ++i) {
    pages_[i].resize(static_cast<size_t>(pages_each_));
    std::iota(pages_[i].begin(), pages_[i].end(), static_cast<int32_t>(i) * static_cast<int32_t>(pages_each_));
  }
}

Result<std::vector<std::vector<TokenScore>>> Scorer::score(const std::vector<ScoredSequence>& sequences) {
  for (const ScoredSequence& sequence : sequences) {
    // The last token is only a target, never an input.
    const auto inputs = static_cast<int64_t>(sequence.tokens.size()) - 1;
    if (sequence.from < 1 || inputs < 1 || sequence.from >= sequence.tokens.size()) {
      return make_error(ErrorCode::kInvalidArgument, "nothing to score in a text of {} tokens", sequence.tokens.size());
    }
    if (inputs > max_tokens_) {
      return make_error(ErrorCode::kTooLarge, "a text of {} tokens does not fit in the context of {}", inputs, max_tokens_);
    }
    for (int32_t id : sequence.tokens) {
      if (id < 0 || id >= vocab_size_) {
        return make_error(ErrorCode::kInvalidArgument, "token {} is outside the vocabulary of {}", id, vocab_size_);
      }
    }
  }
  std::vector<std::vector<TokenScore>> scores(sequences.size());
  for (size_t begin = 0; begin < sequences.size(); begin += kSequences) {
    score_group(sequences, begin, std::min(sequences.size(), begin + kSequences), scores);
  }
  return scores;
}

void Scorer::score_group(const std::vector<ScoredSequence>& sequences, size_t begin, size_t end,
                         std::vector<std::vector<TokenScore>>& scores) {
  RaggedBatch batch;
  std::vector<std::pair<size_t, int32_t>> wanted;  // (sequence, target) of each output row
  const auto flush = [&] {
    if (batch.tokens_N.empty()) return;
    const TensorView logits = runner_.forward(batch, cache_);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const float* row = logits.f32() + static_cast<int64_t>(i) * vocab_size_;
      scores[wanted[i].first].push_back(score_row(row, vocab_size_, wanted[i].second));
    }
    batch = {};
    wanted.clear();
  };
  for (size_t s = begin; s < end; ++s) {
    const ScoredSequence& sequence = sequences[s];
    const size_t n_inputs = sequence.tokens.size() - 1;
    for (size_t t = 0; t < n_inputs;) {
      const auto row = static_cast<int64_t>(batch.tokens_N.size());
      const size_t take = std::min(n_inputs - t, static_cast<size_t>(kRows - row));
      batch.sequences.push_back({row, row + static_cast<int64_t>(take), static_cast<int64_t>(t), pages_[s - begin]});
      batch.reach.push_back(static_cast<int64_t>(n_inputs));
      for (size_t end_t = t + take; t < end_t; ++t) {
        if (t + 1 >= sequence.from) {
          batch.output_rows.push_back(static_cast<int32_t>(batch.tokens_N.size()));
          wanted.emplace_back(s, sequence.tokens[t + 1]);
        }
        batch.tokens_N.push_back(sequence.tokens[t]);
        batch.positions_N.push_back(static_cast<int32_t>(t));
      }
      if (static_cast<int64_t>(batch.tokens_N.size()) == kRows) flush();
    }
  }
  flush();
}

}  // namespace owlet
