// The facts behind the templated chats: countries and elements, read from facts/*.jsonl.zst.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet::recipe {

struct Country {
  std::string name;                  // as answers say it inside a sentence: "the Netherlands"
  std::vector<std::string> aliases;  // what people type: "netherlands", "Holland"
  std::vector<std::string> capitals;
  std::string continent;  // "Europe"; empty where there is none to name
  std::string region;     // "Western Europe"; may equal the continent
  std::vector<std::string> languages;
  std::vector<std::string> currencies;  // as inside a sentence: "euro", "Swiss franc"
  std::vector<std::string> neighbours;  // names, as inside a sentence
  std::string demonym;
  bool landlocked = false;
  double weight = 1;  // how often it is asked about
};

struct Element {
  std::string name;                  // lower case: "iron"
  std::vector<std::string> aliases;  // other spellings: "aluminum"
  std::string symbol;
  int number = 0;
  int period = 0;
  int group = 0;
  std::string category;    // with its article: "a transition metal"
  std::string phase;       // "solid", "liquid", "gas"
  std::string discoverer;  // empty: known since ancient times
  double weight = 1;
};

struct Facts {
  std::vector<Country> countries;
  std::vector<Element> elements;
};

// Reads countries.jsonl.zst and elements.jsonl.zst from `folder`.
Result<Facts> load_facts(const std::filesystem::path& folder);

}  // namespace owlet::recipe
