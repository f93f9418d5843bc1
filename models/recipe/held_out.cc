#include "held_out.h"

#include <algorithm>

#include "phrasing.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr Sv kCapital[] = {"My homework asks for the capital of {x}. What should I write?",
                           "Remind me what {x} has as its capital city.",
                           "I keep forgetting: which city is {x}'s capital?",
                           "For a crossword I need the capital of {x}.",
                           "I must learn the capital of {x} by heart. Which city do I learn?",
                           "If somebody asks you about {x}, which capital do you name?",
                           "Would you happen to know the capital city of {x}?",
                           "On a map of {x}, which city is marked as the capital?",
                           "Let's practise geography. {x}: which capital?",
                           "My friend says you know the capital of {x}. Do you?",
                           "When people speak of the capital of {x}, which city do they mean?",
                           "Of {x}, which city is the capital?",
                           "Can you help me recall the capital that belongs to {x}?",
                           "We fly to the capital of {x}. What city is that?"};
constexpr Sv kSymbol[] = {
    "Which symbol do chemists write for {x}?", "My homework asks for the symbol of {x}.",
    "I keep forgetting the chemical symbol of {x}.", "On the periodic table, how is {x} abbreviated?",
    "For a crossword I need the chemical symbol for {x}."};
constexpr Sv kName[] = {"My homework says {x}. Which element has that symbol?",
                        "On the periodic table I see {x}. Which element is this?",
                        "I keep forgetting which element has the symbol {x}."};
constexpr Sv kNumber[] = {"I must learn the atomic number of {x} by heart. Which number do I learn?",
                          "Remind me what atomic number {x} has.",
                          "On the periodic table, which number stands beside {x}?"};

// The `n` best known of a list, by weight.
template <class Item>
std::vector<const Item*> best_known(const std::vector<Item>& items, size_t n) {
  std::vector<const Item*> sorted;
  for (const Item& item : items) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [&](const Item* a, const Item* b) {
    return a->weight != b->weight ? a->weight > b->weight : a < b;  // of equals the earlier in the list
  });
  sorted.resize(std::min(n, sorted.size()));
  return sorted;
}

}  // namespace

std::vector<ExamQuestion> exam(const Facts& facts) {
  std::vector<ExamQuestion> questions;
  const auto add = [&](std::string topic, Words patterns, std::string_view subject,
                       std::vector<std::string> answers) {
    const size_t i = questions.size();
    for (std::string& answer : answers) answer = lower(answer);
    questions.push_back({topic + "-" + std::to_string(i),
                         fill(patterns[i % patterns.size()], {{'x', subject}}), std::move(answers)});
  };
  // Every second of the 130 best known countries, so that not only the easiest are asked.
  const auto countries = best_known(facts.countries, 130);
  for (size_t i = 0; i < countries.size() && questions.size() < 60; i += 2) {
    if (countries[i]->capitals.size() != 1) continue;
    const std::string& capital = countries[i]->capitals[0];
    add("capital", kCapital, countries[i]->name, {capital, without_accents(capital)});
  }
  const auto elements = best_known(facts.elements, 90);
  for (size_t i = 0; i < elements.size(); i += 2) {
    const Element& e = *elements[i];
    switch (i / 2 % 3) {
      case 0:
        add("symbol", kSymbol, e.name, {e.symbol});
        break;
      case 1:
        add("element", kName, e.symbol, {e.name});
        break;
      default:
        add("number", kNumber, e.name, {std::to_string(e.number)});
        break;
    }
  }
  return questions;
}

std::unordered_set<std::string> held_out_forms(const Facts& facts) {
  std::unordered_set<std::string> forms;
  const auto add = [&](Words patterns, std::string_view subject) {
    for (const Sv pattern : patterns) forms.insert(normalized(fill(pattern, {{'x', subject}})));
  };
  for (const Country& country : facts.countries) {
    for (const std::string& alias : country.aliases) add(kCapital, alias);
  }
  for (const Element& element : facts.elements) {
    for (const std::string& alias : element.aliases) {
      add(kSymbol, alias);
      add(kNumber, alias);
    }
    add(kName, element.symbol);
  }
  return forms;
}

}  // namespace owlet::recipe
