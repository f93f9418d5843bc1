#include "texts.h"

#include <algorithm>
#include <unordered_set>

#include "core/json.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

constexpr size_t kArticleBytes = 1000;
constexpr size_t kStoryBytes = 3000;
constexpr double kOtherArticles = 0.5;
constexpr double kDullArticles = 0.03;
constexpr int kFactTexts = 16000;
constexpr int kStoryTexts = 1500;

constexpr Sv kCruel[] = {"sex",      "rape",     "murder",  "suicide",  "porn",     "prostitut",
                         "genocide", "supremac", "Nazi",    "terroris", "massacre", "penis",
                         "vagina",   "pimp",     "torture", "pedophil", "slut"};
constexpr Sv kDull[] = {" born ",     "footballer", "commune",    "municipality",      " album",
                        " film ",     "actor",      "actress",    "television series", "politician",
                        "hockey",     "baseball",   "basketball", "wrestler",          "season",
                        "singer",     "rapper",     " band ",     "asteroid",          "census",
                        "(19",        "district",   "NHL",        "airport",           "railway station",
                        "Grand Prix", "manuscript"};

bool mentions(Sv text, Words words) {
  return std::any_of(words.begin(), words.end(), [&](Sv word) { return text.find(word) != Sv::npos; });
}

// The text up to `limit` bytes and the end of a sentence; empty where no sentence ends before.
std::string beginning(Sv text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  const size_t end = text.substr(0, limit).find_last_of(".!?");
  return end == Sv::npos ? std::string() : std::string(text.substr(0, end + 1));
}

Status write_text(Sv text, AtomicFile& to) { return to.write(dump_json({{"text", text}}) + "\n"); }

std::unordered_set<std::string> wanted_titles(const World& world) {
  std::unordered_set<std::string> titles;
  for (const WordSense& sense : world.words) titles.insert(sense.word);
  for (const Element& element : world.facts.elements) titles.insert(element.name);
  for (const Country& country : world.facts.countries) {
    for (const std::string& alias : country.aliases) titles.insert(lower(alias));
    for (const std::string& capital : country.capitals) titles.insert(lower(capital));
  }
  return titles;
}

template <class OnRow>
Status each_text(const std::filesystem::path& path, OnRow&& on_row) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(path));
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return {};
    OWLET_ASSIGN(const Json json, parse_json(line));
    OWLET_ASSIGN(const std::string text, get_string(json, "text"));
    OWLET_TRY(on_row(json, text));
  }
}

}  // namespace

Status write_articles(const World& world, const std::filesystem::path& wiki, Random random, AtomicFile& to) {
  const auto wanted = wanted_titles(world);
  return each_text(wiki, [&](const Json& json, const std::string& text) -> Status {
    const bool on_subject = wanted.contains(lower(json.value("title", "")));
    const std::string kept = beginning(text, kArticleBytes);
    if (kept.size() < 250 || mentions(kept, kCruel)) return {};
    const double share = on_subject                                 ? 1
                         : mentions(Sv(kept).substr(0, 300), kDull) ? kDullArticles
                                                                    : kOtherArticles;
    if (!chance(random, share)) return {};
    return write_text(kept, to);
  });
}

Status write_picture_stories(const std::filesystem::path& stories, AtomicFile& to) {
  return each_text(stories, [&](const Json& json, const std::string& text) -> Status {
    if (json.value("source", "") != "asb") return {};
    const std::string kept = beginning(text, kStoryBytes);
    return kept.empty() ? Status() : write_text(kept, to);
  });
}

Status write_fact_texts(const World& world, Random random, AtomicFile& to) {
  static constexpr CountryFact kCountryFacts[] = {
      CountryFact::kCapital,  CountryFact::kCapital,          CountryFact::kContinent, CountryFact::kCurrency,
      CountryFact::kLanguage, CountryFact::kCountryOfCapital, CountryFact::kDemonym};
  static constexpr ElementFact kElementFacts[] = {ElementFact::kSymbol,       ElementFact::kNumber,
                                                  ElementFact::kCategory,     ElementFact::kPhase,
                                                  ElementFact::kNameOfSymbol, ElementFact::kNameOfNumber};
  for (int i = 0; i < kFactTexts; ++i) {
    std::string text;
    const double kind = random.uniform();
    for (int j = 0; j < 5; ++j) {
      if (!text.empty()) text += ' ';
      if (kind < 0.5)
        text += country_answer(world.country(random), kCountryFacts[random.below(std::size(kCountryFacts))]);
      else if (kind < 0.85)
        text += element_answer(world.element(random), kElementFacts[random.below(std::size(kElementFacts))]);
      else
        text += world.word(random).explanation;
    }
    OWLET_TRY(write_text(text, to));
  }
  for (int i = 0; i < kStoryTexts; ++i) OWLET_TRY(write_text(story_text(random), to));
  return {};
}

}  // namespace owlet::recipe
