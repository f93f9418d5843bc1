// Questions about countries.
#include <algorithm>

#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr Sv kCapitalThings[] = {"the capital of {x}",
                                 "the capital of {x}",
                                 "the capital of {x}",
                                 "the capital city of {x}",
                                 "{x}'s capital",
                                 "the name of the capital of {x}",
                                 "{x}'s capital city",
                                 "the capital city in {x}",
                                 "the capital for {x}",
                                 "the city that is the capital of {x}",
                                 "the capital of the country {x}",
                                 "the name of {x}'s capital",
                                 "capital of {x}",
                                 "the main city and capital of {x}",
                                 "the national capital of {x}",
                                 "the right capital for {x}"};
constexpr Sv kCapitalQuestions[] = {"which city is the capital of {x}",
                                    "what city is the capital of {x}",
                                    "what is the capital city of {x} called",
                                    "what is {x}'s capital city",
                                    "how is the capital of {x} called",
                                    "what is the capital of {x} called",
                                    "which city is {x}'s capital",
                                    "which capital does {x} have",
                                    "what capital does {x} have",
                                    "{x} has which capital",
                                    "what is the name of the capital city of {x}",
                                    "what city serves as the capital of {x}",
                                    "{x} capital",
                                    "{x}: capital",
                                    "the capital of {x} is which city",
                                    "where is the capital of {x}",
                                    "in {x}, what is the capital",
                                    "does {x} have a capital",
                                    "who knows the capital of {x}",
                                    "which town is the capital of {x}",
                                    "what do you call the capital of {x}",
                                    "which is the capital of {x}",
                                    "what might the capital of {x} be",
                                    "what city do we call the capital of {x}",
                                    "{x} - what is its capital",
                                    "what's the capital in {x}",
                                    "i am going to {x}, what is its capital",
                                    "as for {x}, what is the capital there",
                                    "what is the capital there in {x}",
                                    "which city in {x} is the capital",
                                    "{x}'s capital is",
                                    "do they have a capital in {x}, and which one",
                                    "think of {x}. what is its capital",
                                    "i live in {x}. what is my capital",
                                    "which city do people call the capital of {x}",
                                    "the government of {x} sits in which city",
                                    "{x} calls which city its capital",
                                    "if i want to see the capital of {x}, where do i go",
                                    "i am in the capital of {x}. where am i",
                                    "which city rules {x} as its capital",
                                    "what is the city called that is the capital of {x}",
                                    "people in {x} have which city as their capital",
                                    "{x} is a country. what is its capital",
                                    "i read about {x}. what was the capital again",
                                    "the country is {x}. which city is the capital",
                                    "if the country is {x}, what is the capital",
                                    "how do you call the capital city of {x}",
                                    "is there a capital of {x}",
                                    "between all the cities in {x}, which one is the capital"};
constexpr Sv kCapitalOrders[] = {"name the capital of {x}",
                                 "name the capital city of {x}",
                                 "name {x}'s capital",
                                 "give the capital of {x}",
                                 "say the capital of {x}",
                                 "write the capital of {x}",
                                 "list the capital of {x}",
                                 "state the capital of {x}",
                                 "give me {x}'s capital city",
                                 "find the capital of {x}",
                                 "tell me which city is the capital of {x}",
                                 "tell me which city {x} has as its capital",
                                 "tell me about the capital of {x}",
                                 "name the city that is the capital of {x}",
                                 "complete: the capital of {x} is",
                                 "fill in: the capital of {x} is ...",
                                 "country: {x}. capital",
                                 "teach me the capital of {x}",
                                 "identify the capital of {x}",
                                 "i need the capital city of {x}",
                                 "spell the capital of {x}",
                                 "guess the capital of {x}",
                                 "match {x} with its capital",
                                 "please look up the capital city of {x}",
                                 "show me that you know the capital of {x}",
                                 "help me find the capital of {x}",
                                 "put the right city here: the capital of {x} is",
                                 "answer with the capital of {x}",
                                 "explain which city is the capital of {x}",
                                 "we need the capital of {x} for our quiz"};
constexpr Wording kCapital{kCapitalThings, kCapitalQuestions, kCapitalOrders};

constexpr Sv kOfCapitalThings[] = {
    "the country whose capital is {x}",        "the country with the capital {x}",
    "the country that has {x} as its capital", "the name of the country with {x} as capital",
    "the country {x} is the capital of",       "the country of which {x} is the capital"};
constexpr Sv kOfCapitalQuestions[] = {"{x} is the capital of which country",
                                      "{x} is the capital of what country",
                                      "{x} is the capital of what",
                                      "which country has the capital {x}",
                                      "what country has {x} as its capital",
                                      "of which country is {x} the capital",
                                      "which country has {x} for its capital",
                                      "what country is {x} the capital of",
                                      "which country's capital is {x}",
                                      "whose capital is {x}",
                                      "what is {x} the capital of",
                                      "what is {x}",
                                      "where is {x}",
                                      "which country is {x} in",
                                      "in which country is {x}",
                                      "what country is {x} in",
                                      "{x} is in which country",
                                      "{x} is a capital, but of which country",
                                      "which country is governed from {x}",
                                      "what is {x} known for",
                                      "where can i find the city of {x}"};
constexpr Sv kOfCapitalOrders[] = {"name the country whose capital is {x}",
                                   "name the country with the capital {x}",
                                   "tell me about {x}",
                                   "tell me which country has {x} as its capital",
                                   "tell me what country {x} is in",
                                   "find the country with the capital {x}",
                                   "say which country {x} is the capital of",
                                   "capital: {x}. country",
                                   "complete: {x} is the capital of"};
constexpr Wording kOfCapital{kOfCapitalThings, kOfCapitalQuestions, kOfCapitalOrders};

constexpr Sv kContinentThings[] = {"the continent of {x}", "{x}'s continent", "the continent that {x} is in",
                                   "the continent where {x} is", "the continent {x} belongs to"};
constexpr Sv kContinentQuestions[] = {"which continent is {x} in",
                                      "what continent is {x} in",
                                      "on which continent is {x}",
                                      "what continent is {x} on",
                                      "in which continent is {x}",
                                      "{x} is in which continent",
                                      "{x} is on what continent",
                                      "{x} belongs to which continent",
                                      "to which continent does {x} belong",
                                      "in what part of the world is {x}",
                                      "which part of the world is {x} in",
                                      "which continent does {x} lie on",
                                      "what continent does {x} belong to",
                                      "{x} continent",
                                      "which continent would i visit to see {x}",
                                      "is {x} in europe, asia or somewhere else"};
constexpr Sv kContinentOrders[] = {"name the continent of {x}", "tell me which continent {x} is in",
                                   "name the continent {x} is on", "say on which continent {x} lies",
                                   "give me the continent of {x}"};
constexpr Wording kContinent{kContinentThings, kContinentQuestions, kContinentOrders};

constexpr Sv kRegionThings[] = {"the region of {x}", "the region that {x} is in",
                                "the part of the world where {x} is", "the location of {x}"};
constexpr Sv kRegionQuestions[] = {"where is {x}",
                                   "where is {x} located",
                                   "where in the world is {x}",
                                   "where can i find {x}",
                                   "where is the country {x}",
                                   "which region is {x} in",
                                   "where does {x} lie",
                                   "where's {x}",
                                   "where on the map is {x}",
                                   "what region is {x} in",
                                   "where exactly is {x}",
                                   "in which region is {x}",
                                   "do you know where {x} is"};
constexpr Sv kRegionOrders[] = {"tell me where {x} is", "say where {x} is",     "find {x} on the map",
                                "show me where {x} is", "explain where {x} is", "tell me where to find {x}"};
constexpr Wording kRegion{kRegionThings, kRegionQuestions, kRegionOrders};

constexpr Sv kCurrencyThings[] = {
    "the currency of {x}", "the currency of {x}",          "{x}'s currency",
    "the money of {x}",    "the currency used in {x}",     "the name of the money in {x}",
    "the currency in {x}", "the official currency of {x}", "the money they use in {x}"};
constexpr Sv kCurrencyQuestions[] = {"what currency does {x} use",
                                     "which currency does {x} use",
                                     "what money do they use in {x}",
                                     "what currency is used in {x}",
                                     "which currency is used in {x}",
                                     "what money do people use in {x}",
                                     "how do people pay in {x}",
                                     "what do people pay with in {x}",
                                     "what kind of money does {x} have",
                                     "what currency do they have in {x}",
                                     "in which currency do i pay in {x}",
                                     "{x} currency",
                                     "what money do i need in {x}",
                                     "which money should i take to {x}",
                                     "what is money called in {x}",
                                     "what currency do i need for {x}",
                                     "does {x} use the euro",
                                     "what is the money called in {x}"};
constexpr Sv kCurrencyOrders[] = {"name the currency of {x}", "tell me which currency {x} uses",
                                  "name the money of {x}",    "tell me what money they use in {x}",
                                  "give the currency of {x}", "state the currency of {x}"};
constexpr Wording kCurrency{kCurrencyThings, kCurrencyQuestions, kCurrencyOrders};

constexpr Sv kLanguageThings[] = {"the language of {x}",
                                  "the language spoken in {x}",
                                  "the official language of {x}",
                                  "the languages of {x}",
                                  "{x}'s language",
                                  "the languages spoken in {x}",
                                  "the language in {x}"};
constexpr Sv kLanguageQuestions[] = {"what language do they speak in {x}",
                                     "which language is spoken in {x}",
                                     "what language is spoken in {x}",
                                     "what do people speak in {x}",
                                     "which languages are spoken in {x}",
                                     "what languages do people speak in {x}",
                                     "which language do people in {x} speak",
                                     "how do people talk in {x}",
                                     "what is spoken in {x}",
                                     "{x} language",
                                     "which language should i learn for {x}",
                                     "what language does {x} use",
                                     "what languages does {x} have",
                                     "what language will i hear in {x}",
                                     "do they speak english in {x}",
                                     "what are the official languages of {x}"};
constexpr Sv kLanguageOrders[] = {"name the language of {x}", "tell me which language they speak in {x}",
                                  "list the languages of {x}", "tell me what people speak in {x}",
                                  "name the languages spoken in {x}"};
constexpr Wording kLanguage{kLanguageThings, kLanguageQuestions, kLanguageOrders};

constexpr Sv kNeighbourThings[] = {
    "the neighbours of {x}",     "the neighbors of {x}", "the countries around {x}",     "{x}'s neighbours",
    "the countries next to {x}", "the borders of {x}",   "the countries that border {x}"};
constexpr Sv kNeighbourQuestions[] = {"which countries border {x}",
                                      "what countries border {x}",
                                      "which countries are next to {x}",
                                      "who are the neighbours of {x}",
                                      "who are {x}'s neighbors",
                                      "what are the neighbors of {x}",
                                      "which countries does {x} border",
                                      "what countries are around {x}",
                                      "what does {x} border on",
                                      "which countries touch {x}",
                                      "who lives next to {x}",
                                      "what are the neighbouring countries of {x}",
                                      "which countries share a border with {x}",
                                      "{x} neighbours",
                                      "what is next to {x}"};
constexpr Sv kNeighbourOrders[] = {"name the neighbours of {x}", "list the neighbours of {x}",
                                   "list the countries that border {x}", "name the countries next to {x}",
                                   "name {x}'s neighbors"};
constexpr Wording kNeighbour{kNeighbourThings, kNeighbourQuestions, kNeighbourOrders};

constexpr Sv kDemonymThings[] = {"the name for people from {x}", "the word for a person from {x}",
                                 "the demonym of {x}", "the word for people who live in {x}"};
constexpr Sv kDemonymQuestions[] = {"what do you call people from {x}",  "what do you call a person from {x}",
                                    "what are people from {x} called",   "what is a person from {x} called",
                                    "how do you call someone from {x}",  "what is someone from {x} called",
                                    "what is the demonym for {x}",       "what are the people of {x} called",
                                    "what do we call somebody from {x}", "what is the adjective for {x}"};
constexpr Sv kDemonymOrders[] = {"name the people of {x}", "tell me what people from {x} are called",
                                 "give me the word for people from {x}"};
constexpr Wording kDemonym{kDemonymThings, kDemonymQuestions, kDemonymOrders};

constexpr Sv kLandlockedQuestions[] = {"is {x} landlocked",
                                       "does {x} have a coast",
                                       "does {x} touch the sea",
                                       "is {x} by the sea",
                                       "has {x} got a coast",
                                       "can i go to the beach in {x}",
                                       "does {x} have access to the sea",
                                       "is there sea around {x}"};
constexpr Wording kLandlocked{{}, kLandlockedQuestions, {}};

constexpr Sv kIsCapitalQuestions[] = {"is {y} the capital of {x}",
                                      "is the capital of {x} {y}",
                                      "is {y} the capital city of {x}",
                                      "{y} is the capital of {x}, right",
                                      "is it true that {y} is the capital of {x}",
                                      "does {x} have {y} as its capital",
                                      "the capital of {x} is {y}, isn't it",
                                      "am i right that the capital of {x} is {y}",
                                      "i think {y} is the capital of {x}, is that right",
                                      "{x}'s capital is {y}, correct",
                                      "would you say {y} is the capital of {x}"};
constexpr Wording kIsCapital{{}, kIsCapitalQuestions, {}};

constexpr Sv kAboutThings[] = {"something about {x}", "a few facts about {x}", "more about {x}",
                               "some facts on {x}"};
constexpr Sv kAboutQuestions[] = {"what is {x}",
                                  "what is {x} like",
                                  "what do you know about {x}",
                                  "what can you tell me about {x}",
                                  "have you heard of {x}",
                                  "do you know {x}",
                                  "is {x} a country",
                                  "do you know the country {x}"};
constexpr Sv kAboutOrders[] = {"tell me about {x}",
                               "describe {x}",
                               "tell me something about {x}",
                               "tell me more about {x}",
                               "give me facts about {x}",
                               "write about {x}",
                               "explain {x}",
                               "tell me about the country {x}",
                               "introduce {x}"};
constexpr Wording kAbout{kAboutThings, kAboutQuestions, kAboutOrders};

constexpr Wording wording_of(CountryFact fact) {
  switch (fact) {
    case CountryFact::kCapital:
      return kCapital;
    case CountryFact::kCountryOfCapital:
      return kOfCapital;
    case CountryFact::kContinent:
      return kContinent;
    case CountryFact::kRegion:
      return kRegion;
    case CountryFact::kCurrency:
      return kCurrency;
    case CountryFact::kLanguage:
      return kLanguage;
    case CountryFact::kNeighbours:
      return kNeighbour;
    case CountryFact::kDemonym:
      return kDemonym;
    case CountryFact::kLandlocked:
      return kLandlocked;
    case CountryFact::kIsCapital:
      return kIsCapital;
    case CountryFact::kAbout:
      return kAbout;
  }
  return kAbout;
}

// What a follow-up calls the thing, after "and", "what about" and the like.
constexpr Sv kItsCapital[] = {"its capital", "the capital", "their capital", "the capital city"};
constexpr Sv kItsContinent[] = {"its continent", "the continent"};
constexpr Sv kItsRegion[] = {"its location", "the region"};
constexpr Sv kItsCurrency[] = {"its currency", "the currency", "their money", "the money", "their currency"};
constexpr Sv kItsLanguage[] = {"its language", "the language", "their language", "the languages"};
constexpr Sv kItsNeighbours[] = {"its neighbours", "the neighbors", "its borders", "the countries around it"};
constexpr Sv kItsPeople[] = {"its people", "the word for its people"};

constexpr Sv kWhatCapital[] = {"what is its capital", "which city is its capital",
                               "what is the capital there", "what is the capital of that country",
                               "what is the capital of it"};
constexpr Sv kWhatContinent[] = {"which continent is it in", "what continent is that on",
                                 "which continent is that country on"};
constexpr Sv kWhatRegion[] = {"where is it", "where is that", "where is that country", "and where is that"};
constexpr Sv kWhatCurrency[] = {"what money do they use there", "what is its currency",
                                "which currency do they use", "how do people pay there",
                                "what currency is used there"};
constexpr Sv kWhatLanguage[] = {"what language do they speak there", "what do people speak there",
                                "which language is spoken there", "what languages do they have"};
constexpr Sv kWhatNeighbours[] = {"which countries border it", "what are its neighbours",
                                  "what is next to it", "who are its neighbors"};
constexpr Sv kWhatPeople[] = {"what are the people there called", "what do you call people from there"};

Wording follow_up_wording(CountryFact fact) {
  switch (fact) {
    case CountryFact::kContinent:
      return {kItsContinent, kWhatContinent, {}};
    case CountryFact::kRegion:
      return {kItsRegion, kWhatRegion, {}};
    case CountryFact::kCurrency:
      return {kItsCurrency, kWhatCurrency, {}};
    case CountryFact::kLanguage:
      return {kItsLanguage, kWhatLanguage, {}};
    case CountryFact::kNeighbours:
      return {kItsNeighbours, kWhatNeighbours, {}};
    case CountryFact::kDemonym:
      return {kItsPeople, kWhatPeople, {}};
    default:
      return {kItsCapital, kWhatCapital, {}};
  }
}

std::string capital_answer(const Country& country) {
  if (country.capitals.empty()) return capitalized(country.name) + " has no capital.";
  if (country.capitals.size() == 1)
    return "The capital of " + country.name + " is " + country.capitals[0] + ".";
  return "The capitals of " + country.name + " are " + list_of(country.capitals) + ".";
}

std::string list_with_limit(std::vector<std::string> items, size_t limit) {
  if (items.size() <= limit) return list_of(items);
  items.resize(limit);
  items.emplace_back("others");
  return list_of(items);
}

std::string currency_answer(const Country& country) {
  if (country.currencies.empty()) return "I do not know the currency of " + country.name + ".";
  std::vector<std::string> names;
  for (const std::string& currency : country.currencies) names.push_back("the " + currency);
  const bool one = names.size() == 1;
  return std::string(one ? "The currency of " : "The currencies of ") + country.name +
         (one ? " is " : " are ") + list_with_limit(names, 3) + ".";
}

std::string language_answer(const Country& country) {
  if (country.languages.empty()) return "I do not know the language of " + country.name + ".";
  const bool one = country.languages.size() == 1;
  return std::string(one ? "The language of " : "The languages of ") + country.name +
         (one ? " is " : " are ") + list_with_limit(country.languages, 4) + ".";
}

std::string region_sentence(const Country& country) {
  return capitalized(country.name) + " is in " + country.region + ".";
}

std::string about_answer(const Country& country) {
  std::string out = capitalized(country.name) + " is in " + country.region + ".";
  if (country.capitals.size() == 1) out += " Its capital is " + country.capitals[0] + ".";
  if (!country.languages.empty()) out += " People there speak " + list_with_limit(country.languages, 3) + ".";
  if (!country.currencies.empty()) out += " The money is the " + country.currencies[0] + ".";
  return out;
}

}  // namespace

size_t Weighted::draw(Random& random) const {
  const double at = random.uniform() * sums_.back();
  const auto it = std::upper_bound(sums_.begin(), sums_.end(), at);
  return std::min(static_cast<size_t>(it - sums_.begin()), sums_.size() - 1);
}

std::string country_answer(const Country& country, CountryFact fact) {
  switch (fact) {
    case CountryFact::kCapital:
      return capital_answer(country);
    case CountryFact::kCountryOfCapital:
      if (country.capitals.empty()) return capital_answer(country);
      return country.capitals[0] + " is the capital of " + country.name + ".";
    case CountryFact::kContinent:
      return capitalized(country.name) + " is in " + country.continent + ".";
    case CountryFact::kRegion:
      return region_sentence(country);
    case CountryFact::kCurrency:
      return currency_answer(country);
    case CountryFact::kLanguage:
      return language_answer(country);
    case CountryFact::kNeighbours:
      if (country.neighbours.empty()) return capitalized(country.name) + " has no land borders.";
      return capitalized(country.name) + " borders " + list_of(country.neighbours) + ".";
    case CountryFact::kDemonym:
      if (country.demonym.empty()) return "Nobody lives in " + country.name + ".";
      return "People from " + country.name + " are called " + country.demonym + ".";
    case CountryFact::kLandlocked:
      if (country.landlocked) return capitalized(country.name) + " is landlocked. It has no coast.";
      return capitalized(country.name) + " is not landlocked. It has a coast.";
    case CountryFact::kIsCapital:
    case CountryFact::kAbout:
      return about_answer(country);
  }
  return {};
}

Turn country_turn(const World& world, const Country& country, CountryFact fact, Random& random) {
  std::string subject(country.aliases[random.below(country.aliases.size())]);
  if (fact == CountryFact::kCountryOfCapital) {
    if (country.capitals.empty())
      fact = CountryFact::kCapital;
    else {
      const std::string& capital = country.capitals[random.below(country.capitals.size())];
      const std::string typed = chance(random, 0.3) ? without_accents(capital) : capital;
      return {ask(random, kOfCapital, typed), capital + " is the capital of " + country.name + ".", {}};
    }
  }
  if (fact == CountryFact::kIsCapital) {
    if (country.capitals.size() != 1)
      fact = CountryFact::kCapital;
    else {
      std::string claimed = country.capitals[0];
      if (chance(random, 0.5)) {
        const Country& other = world.country(random);
        if (!other.capitals.empty()) claimed = other.capitals[0];
      }
      const bool yes = claimed == country.capitals[0];
      return {ask(random, kIsCapital, subject, claimed),
              std::string(yes ? "Yes, the capital of " : "No, the capital of ") + country.name + " is " +
                  country.capitals[0] + ".",
              {}};
    }
  }
  return {ask(random, wording_of(fact), subject), country_answer(country, fact), {}};
}

Turn country_follow_up(const World& world, const Country& country, CountryFact fact, Random& random) {
  if (fact == CountryFact::kCountryOfCapital || fact == CountryFact::kIsCapital ||
      fact == CountryFact::kAbout || fact == CountryFact::kLandlocked) {
    return country_turn(world, country, fact, random);
  }
  static constexpr Sv kFrames[] = {
      "and {t}",         "and {t}",      "what about {t}",     "and what is {t}",
      "what is {t}",     "{t}",          "and what about {t}", "do you also know {t}",
      "tell me {t} too", "how about {t}"};
  const Wording wording = follow_up_wording(fact);
  const bool thing = chance(random, 0.55);
  const std::string question = thing ? fill(pick(random, kFrames), {{'t', pick(random, wording.things)}})
                                     : std::string(pick(random, wording.questions));
  return {dress(random, question, '?'), country_answer(country, fact), {}};
}

}  // namespace owlet::recipe
