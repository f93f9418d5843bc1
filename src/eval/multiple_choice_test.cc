#include "eval/multiple_choice.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

// Every small letter and a few signs, each a token.
Tokenizer letters() {
  BpeSpec spec;
  for (const char c : std::string("abcdefghijklmnopqrstuvwxyz_{}")) spec.vocab.emplace_back(1, c);
  spec.vocab.emplace_back("Ġ");  // a space, in GPT-2's alphabet
  return Tokenizer::from_spec(std::move(spec)).value();
}

// How each choice of a question is cut into what is given and what is scored.
std::vector<std::string> cuts(const std::string& query) {
  const Tokenizer tokenizer = letters();
  const Json line = {{"query", query}, {"choices", {"cat", "dog"}}, {"gold", 0}};
  const ChoiceQuestion question = tokenize_question(line, tokenizer).value();
  std::vector<std::string> result;
  for (const auto& choice : question.choices) {
    result.push_back(tokenizer.decode(choice.context) + "|" + tokenizer.decode(choice.continuation));
  }
  return result;
}

TEST(MultipleChoice, ABlankIsFilledAndWhatFollowsIsScored) {
  EXPECT_EQ(cuts("the _ sat"), (std::vector<std::string>{"the cat| sat", "the dog| sat"}));
}

TEST(MultipleChoice, OtherUnderscoresAreText) {
  for (const std::string query : {"it is", "it is ___", "co_{}", "a_b", "_ or _"}) {
    EXPECT_EQ(cuts(query), (std::vector<std::string>{query + "| cat", query + "| dog"})) << query;
  }
}

}  // namespace
}  // namespace owlet
