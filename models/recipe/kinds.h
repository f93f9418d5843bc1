// The kinds of chats the recipe writes, one function each. Every call draws one new chat.
#pragma once

#include "facts.h"
#include "phrasing.h"
#include "words.h"

namespace owlet::recipe {

// Draws an index in proportion to weights, by binary search over their running sum.
class Weighted {
 public:
  template <class Items>
  explicit Weighted(const Items& items) {
    for (const auto& item : items) sums_.push_back((sums_.empty() ? 0 : sums_.back()) + item.weight);
  }
  size_t draw(Random& random) const;

 private:
  std::vector<double> sums_;
};

// Everything that chats are about, loaded once.
struct World {
  Facts facts;
  std::vector<WordSense> words;
  Weighted countries;
  Weighted elements;
  Weighted word_draw;

  World(Facts loaded, std::vector<WordSense> senses)
      : facts(std::move(loaded)),
        words(std::move(senses)),
        countries(facts.countries),
        elements(facts.elements),
        word_draw(words) {}
  const Country& country(Random& random) const { return facts.countries[countries.draw(random)]; }
  const Element& element(Random& random) const { return facts.elements[elements.draw(random)]; }
  const WordSense& word(Random& random) const { return words[word_draw.draw(random)]; }
};

enum class CountryFact {
  kCapital,
  kCountryOfCapital,
  kContinent,
  kRegion,
  kCurrency,
  kLanguage,
  kNeighbours,
  kDemonym,
  kLandlocked,
  kIsCapital,
  kAbout
};
enum class ElementFact {
  kSymbol,
  kNameOfSymbol,
  kNumber,
  kNameOfNumber,
  kCategory,
  kPhase,
  kDiscoverer,
  kPosition,
  kAbout
};

// One question and answer about a country. A fact that the country lacks (no borders, no capital) is answered
// so.
Turn country_turn(const World& world, const Country& country, CountryFact fact, Random& random);
Turn element_turn(const Element& element, ElementFact fact, Random& random);
// Follow-ups that lean on the turn before: "and its currency?".
Turn country_follow_up(const World& world, const Country& country, CountryFact fact, Random& random);
Turn element_follow_up(const Element& element, ElementFact fact, Random& random);
// Plain answers, the same in chats and in text for pretraining.
std::string country_answer(const Country& country, CountryFact fact);
std::string element_answer(const Element& element, ElementFact fact);

Turn word_turn(const World& world, Random& random);
Turn sum_turn(Random& random);
Turn story_turn(Random& random);
std::string story_text(Random& random);
Turn unknown_turn(const World& world, Random& random);
Turn small_talk_turn(Random& random);
Turn greeting_turn(Random& random);
Turn thanks_turn(Random& random);
Turn goodbye_turn(Random& random);
// Several turns: greeting, facts with follow-ups, thanks, goodbye.
Chat long_chat(const World& world, Random& random);

// One chat of the training mix.
Chat draw_chat(const World& world, Random& random);

// The working that `thinking` shows, digit by digit from the right: "4 7 + 2 5: 7 + 5 = 1 2, write 2 carry 1.
// …".
std::string sum_thought(int a, int b);         // a + b, 0 ≤ a, b ≤ 99
std::string difference_thought(int a, int b);  // a − b, 0 ≤ a, b ≤ 99

}  // namespace owlet::recipe
