// The mix: how often each kind of chat is drawn.
#include "kinds.h"

namespace owlet::recipe {
namespace {

struct Kind {
  const char* name;
  double share;
  Turn (*draw)(const World&, Random&);
};

Turn draw_country(const World& world, Random& random) {
  static constexpr CountryFact kFacts[] = {
      CountryFact::kCountryOfCapital, CountryFact::kContinent, CountryFact::kRegion,
      CountryFact::kCurrency,         CountryFact::kLanguage,  CountryFact::kNeighbours,
      CountryFact::kDemonym,          CountryFact::kIsCapital, CountryFact::kAbout};
  return country_turn(world, world.country(random), kFacts[random.below(std::size(kFacts))], random);
}

Turn draw_element(const World& world, Random& random) {
  static constexpr ElementFact kFacts[] = {
      ElementFact::kSymbol, ElementFact::kSymbol,     ElementFact::kNameOfSymbol, ElementFact::kNameOfSymbol,
      ElementFact::kNumber, ElementFact::kNumber,     ElementFact::kNameOfNumber, ElementFact::kCategory,
      ElementFact::kPhase,  ElementFact::kDiscoverer, ElementFact::kAbout};
  return element_turn(world.element(random), kFacts[random.below(std::size(kFacts))], random);
}

constexpr Kind kKinds[] = {
    {"capital", 0.20,
     [](const World& w, Random& r) { return country_turn(w, w.country(r), CountryFact::kCapital, r); }},
    {"country", 0.13, draw_country},
    {"element", 0.22, draw_element},
    {"word", 0.11, [](const World& w, Random& r) { return word_turn(w, r); }},
    {"sum", 0.10, [](const World&, Random& r) { return sum_turn(r); }},
    {"story", 0.03, [](const World&, Random& r) { return story_turn(r); }},
    {"unknown", 0.10, [](const World& w, Random& r) { return unknown_turn(w, r); }},
    {"small talk", 0.06, [](const World&, Random& r) { return small_talk_turn(r); }},
    {"greeting", 0.02, [](const World&, Random& r) { return greeting_turn(r); }},
};
constexpr double kLongChats = 0.08;
// Turns that have nothing to do with each other: the last question counts, whatever was said before.
constexpr double kMixedChats = 0.15;
constexpr uint64_t kMostMixedTurns = 4;

std::pair<Turn, const char*> draw_turn(const World& world, Random& random) {
  double at = random.uniform();
  for (const Kind& kind : kKinds) {
    at -= kind.share;
    if (at < 0) return {kind.draw(world, random), kind.name};
  }
  return {small_talk_turn(random), "small talk"};
}

}  // namespace

Chat draw_chat(const World& world, Random& random) {
  const double at = random.uniform();
  if (at < kLongChats) return long_chat(world, random);
  if (at < kLongChats + kMixedChats) {
    Chat chat{{}, "mixed"};
    for (uint64_t n = 2 + random.below(kMostMixedTurns - 1); n > 0; --n) chat.turns.push_back(draw_turn(world, random).first);
    return chat;
  }
  auto [turn, kind] = draw_turn(world, random);
  return {{std::move(turn)}, kind};
}

}  // namespace owlet::recipe
