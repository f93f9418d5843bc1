// How a question can be said: cores × frames × openers × closers × carelessness. A tiny model learns a fact
// only when it meets it in many coats, so every question that the recipe writes goes through here.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/random.h"

namespace owlet::recipe {

struct Turn {
  std::string question;
  std::string answer;
  std::string thinking;  // empty: answered without thinking
};

struct Chat {
  std::vector<Turn> turns;
  std::string kind;  // "capital", "sum" …: only for the table of shares
};

using Words = std::span<const std::string_view>;

std::string_view pick(Random& random, Words words);
bool chance(Random& random, double probability);

// "the capital of {x}" with {x} filled in. Unknown braces stay as they are.
std::string fill(std::string_view pattern, std::initializer_list<std::pair<char, std::string_view>> values);

// The ways to ask for one relation. Patterns are lower-case and carry no final mark.
struct Wording {
  Words things;     // noun phrases, to be framed: "the capital of {x}"
  Words questions;  // whole questions: "which city is the capital of {x}"
  Words orders;     // commands: "name the capital of {x}"
};

// A surface form of the question with {x} → subject (and {y} → other): framed, opened, closed, cased,
// sometimes careless.
std::string ask(Random& random, const Wording& wording, std::string_view subject,
                std::string_view other = {});

// The same coats around a sentence that is already whole ("tell me a story" + mark).
std::string dress(Random& random, std::string_view sentence, char mark);

// Upper case for the first letter (ASCII and the two-byte Latin letters of European names).
std::string capitalized(std::string_view text);
// ASCII lower case; other letters stay.
std::string lower(std::string_view text);
// "Bogotá" → "Bogota": what people type.
std::string without_accents(std::string_view text);
// {"a", "b", "c"} → "a, b and c".
std::string list_of(std::span<const std::string> items);
// Lower case, letters, digits and single spaces only: two questions with the same form count as the same
// question.
std::string normalized(std::string_view text);

}  // namespace owlet::recipe
