#include "eval/multiple_choice.h"

#include <algorithm>
#include <cmath>

#include "core/file.h"

namespace owlet {
namespace {

// What stands before an empty context: the harness uses the end-of-text token.
int32_t first_token(const Tokenizer& tokenizer) {
  if (tokenizer.bos() >= 0) return tokenizer.bos();
  return std::max(0, tokenizer.eos());
}

int64_t count_characters(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

// Tokenizes both sides together and cuts where the context alone would end, so that a space between them goes where the tokenizer
// puts it. Spaces at the end of the context belong to the continuation.
ChoiceQuestion::Choice tokenize_pair(std::string context, std::string continuation, int64_t characters,
                                     const Tokenizer& tokenizer) {
  const size_t kept = context.find_last_not_of(" \t\n\r") + 1;
  continuation = context.substr(kept) + continuation;
  context.resize(kept);
  ChoiceQuestion::Choice choice;
  choice.characters = std::max<int64_t>(1, characters);
  if (context.empty()) {
    choice.context = {first_token(tokenizer)};
    choice.continuation = tokenizer.encode(continuation, {.add_special = false});
  } else {
    choice.context = tokenizer.encode(context);
    const auto whole = tokenizer.encode(context + continuation);
    const size_t cut = std::min(choice.context.size(), whole.size());
    choice.continuation.assign(whole.begin() + static_cast<std::ptrdiff_t>(cut), whole.end());
  }
  return choice;
}

ScoredSequence to_sequence(const ChoiceQuestion::Choice& choice, size_t max_tokens) {
  ScoredSequence sequence{choice.context, choice.context.size()};
  sequence.tokens.insert(sequence.tokens.end(), choice.continuation.begin(), choice.continuation.end());
  const size_t excess = sequence.tokens.size() > max_tokens + 1 ? sequence.tokens.size() - max_tokens - 1 : 0;
  const size_t cut = std::min(excess, choice.context.size() - 1);
  sequence.tokens.erase(sequence.tokens.begin(), sequence.tokens.begin() + static_cast<std::ptrdiff_t>(cut));
  sequence.from -= cut;
  return sequence;
}

// The one underscore of a question that stands by itself: "___" to be named and "CO_{2}" are text.
size_t find_blank(std::string_view query) {
  const size_t at = query.find('_');
  if (at == std::string_view::npos || query.find('_', at + 1) != std::string_view::npos) return std::string_view::npos;
  const auto is_word = [&](size_t i) {
    const char c = i < query.size() ? query[i] : ' ';
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '{';
  };
  const bool is_part = is_word(at + 1) || (at > 0 && is_word(at - 1));
  return is_part ? std::string_view::npos : at;
}

template <class Key>
size_t argmax(size_t n, const Key& key) {
  size_t best = 0;
  for (size_t i = 1; i < n; ++i) {
    if (key(i) > key(best)) best = i;
  }
  return best;
}

}  // namespace

Result<std::vector<ChoiceScore>> score_choices(Scorer& scorer, const std::vector<ChoiceQuestion>& questions) {
  std::vector<ScoredSequence> sequences;
  for (const ChoiceQuestion& question : questions) {
    for (const ChoiceQuestion::Choice& choice : question.choices) {
      sequences.push_back(to_sequence(choice, static_cast<size_t>(scorer.max_tokens())));
    }
  }
  OWLET_ASSIGN(const auto token_scores, scorer.score(sequences));
  std::vector<ChoiceScore> scores;
  size_t next = 0;
  for (const ChoiceQuestion& question : questions) {
    ChoiceScore score;
    for (size_t i = 0; i < question.choices.size(); ++i) {
      double sum = 0;
      bool greedy = true;
      for (const TokenScore& token : token_scores[next++]) {
        sum += token.logprob;
        greedy = greedy && token.greedy;
      }
      score.logprobs.push_back(sum);
      score.greedy.push_back(greedy);
    }
    const size_t n = question.choices.size();
    score.best = argmax(n, [&](size_t i) { return score.logprobs[i]; });
    score.best_norm = argmax(n, [&](size_t i) {
      return score.logprobs[i] / static_cast<double>(question.choices[i].characters);
    });
    scores.push_back(std::move(score));
  }
  return scores;
}

Accuracy accuracy(int64_t right, int64_t n) {
  if (n == 0) return {};
  const double p = static_cast<double>(right) / static_cast<double>(n);
  return {p, n > 1 ? std::sqrt(p * (1 - p) / static_cast<double>(n - 1)) : 0.0};
}

ChoiceReport summarize(const std::vector<ChoiceQuestion>& questions, const std::vector<ChoiceScore>& scores) {
  int64_t right = 0, right_norm = 0;
  for (size_t i = 0; i < questions.size(); ++i) {
    const bool single = questions[i].choices.size() == 1;  // right when it is what the model would have said
    right += single ? scores[i].greedy[0] : scores[i].best == questions[i].gold;
    right_norm += single ? scores[i].greedy[0] : scores[i].best_norm == questions[i].gold;
  }
  const auto n = static_cast<int64_t>(questions.size());
  return {n, accuracy(right, n), accuracy(right_norm, n)};
}

Result<ChoiceQuestion> tokenize_question(const Json& line, const Tokenizer& tokenizer) {
  ChoiceQuestion question;
  if (line.contains("continuation")) {
    OWLET_ASSIGN(const std::string context, get_string(line, "context"));
    OWLET_ASSIGN(const std::string continuation, get_string(line, "continuation"));
    question.choices.push_back(tokenize_pair(context, continuation, count_characters(continuation), tokenizer));
  } else {
    OWLET_ASSIGN(const std::string query, get_string(line, "query"));
    OWLET_ASSIGN(const int64_t gold, get_int(line, "gold"));
    if (!line.contains("choices") || !line["choices"].is_array()) {
      return make_error(ErrorCode::kInvalidArgument, "'choices' must be a list");
    }
    const Json& choices = line["choices"];
    if (gold < 0 || gold >= static_cast<int64_t>(choices.size())) {
      return make_error(ErrorCode::kInvalidArgument, "'gold' is {}; there are {} choices", gold, choices.size());
    }
    question.gold = static_cast<size_t>(gold);
    const size_t blank = find_blank(query);
    for (const Json& choice : choices) {
      if (!choice.is_string()) return make_error(ErrorCode::kInvalidArgument, "'choices' must hold texts");
      const auto text = choice.get<std::string>();
      const int64_t characters = count_characters(text);
      if (blank != std::string::npos) {
        question.choices.push_back(
            tokenize_pair(query.substr(0, blank) + text, query.substr(blank + 1), characters, tokenizer));
      } else {
        const std::string space = query.empty() ? "" : " ";
        question.choices.push_back(tokenize_pair(query, space + text, characters, tokenizer));
      }
    }
  }
  for (const auto& choice : question.choices) {
    if (choice.continuation.empty()) return make_error(ErrorCode::kInvalidArgument, "a choice is empty");
  }
  return question;
}

Result<std::vector<ChoiceQuestion>> load_questions(const std::filesystem::path& file, const Tokenizer& tokenizer, int64_t limit) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  std::vector<ChoiceQuestion> questions;
  std::string text;
  for (int64_t line = 1; limit == 0 || static_cast<int64_t>(questions.size()) < limit; ++line) {
    OWLET_ASSIGN(const bool more, reader.next(text));
    if (!more) break;
    if (text.empty()) continue;
    const auto at = [&](Error error) { return std::move(error).in(fmt::format("{}:{}", file.string(), line)); };
    const auto parsed = parse_json(text);
    if (!parsed.ok()) return at(parsed.error());
    auto question = tokenize_question(*parsed, tokenizer);
    if (!question.ok()) return at(std::move(question).error());
    questions.push_back(std::move(*question));
  }
  if (questions.empty()) return make_error(ErrorCode::kInvalidArgument, "{} holds no questions", file.string());
  return questions;
}

}  // namespace owlet
