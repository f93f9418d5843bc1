// Multiple choice as lm-evaluation-harness scores it: the choice with the greatest log-probability after the question.
#pragma once

#include <filesystem>
#include <string>

#include "core/json.h"
#include "eval/scorer.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// One question in tokens.
struct ChoiceQuestion {
  struct Choice {
    std::vector<int32_t> context;       // at least one token
    std::vector<int32_t> continuation;  // what is scored; at least one token
    int64_t characters = 1;             // of the choice's text: what acc_norm divides by
  };
  std::vector<Choice> choices;
  size_t gold = 0;
};

struct ChoiceScore {
  std::vector<double> logprobs;     // summed, per choice
  std::vector<bool> greedy;         // each token the likeliest
  size_t best = 0;                  // argmax of logprobs, the first of equals
  size_t best_norm = 0;             // argmax of logprobs / characters
};

// Contexts that do not fit are cut at their beginning, as the harness does.
Result<std::vector<ChoiceScore>> score_choices(Scorer& scorer, const std::vector<ChoiceQuestion>& questions);

// A share with its standard error √(p(1−p)/(n−1)).
struct Accuracy {
  double value = 0;
  double stderr_ = 0;
};
Accuracy accuracy(int64_t right, int64_t n);

struct ChoiceReport {
  int64_t n = 0;
  Accuracy acc;
  Accuracy acc_norm;
};
ChoiceReport summarize(const std::vector<ChoiceQuestion>& questions, const std::vector<ChoiceScore>& scores);

// Questions from a JSON line: {"query","choices","gold"}, where a single "_" by itself in the query is a blank that each choice fills (the
// words after it are scored, as the harness does for WinoGrande), or {"context","continuation"}, one choice that is right when
// it is the model's own.
Result<ChoiceQuestion> tokenize_question(const Json& line, const Tokenizer& tokenizer);

// The first `limit` questions of a file, one a line; 0: all. ".zst" too. Errors name the line.
Result<std::vector<ChoiceQuestion>> load_questions(const std::filesystem::path& file, const Tokenizer& tokenizer, int64_t limit);

}  // namespace owlet
