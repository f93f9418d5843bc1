#include "facts.h"

#include <algorithm>
#include <array>

#include "core/file.h"
#include "core/json.h"
#include "phrasing.h"

namespace owlet::recipe {
namespace {

using namespace std::literals;

// Asked about three times as often as the rest.
constexpr std::string_view kWellKnown[] = {
    "Afghanistan",    "Algeria",       "Argentina",    "Australia",   "Austria",  "Bangladesh",
    "Belgium",        "Bolivia",       "Brazil",       "Bulgaria",    "Cambodia", "Canada",
    "Chile",          "China",         "Colombia",     "Croatia",     "Cuba",     "Czechia",
    "Denmark",        "Ecuador",       "Egypt",        "Estonia",     "Ethiopia", "Finland",
    "France",         "Germany",       "Ghana",        "Greece",      "Hungary",  "Iceland",
    "India",          "Indonesia",     "Iran",         "Iraq",        "Ireland",  "Israel",
    "Italy",          "Jamaica",       "Japan",        "Jordan",      "Kenya",    "Latvia",
    "Lebanon",        "Libya",         "Lithuania",    "Malaysia",    "Mexico",   "Mongolia",
    "Morocco",        "Nepal",         "Netherlands",  "New Zealand", "Nigeria",  "North Korea",
    "Norway",         "Pakistan",      "Peru",         "Philippines", "Poland",   "Portugal",
    "Romania",        "Russia",        "Saudi Arabia", "Senegal",     "Serbia",   "Singapore",
    "Slovakia",       "Slovenia",      "South Africa", "South Korea", "Spain",    "Sri Lanka",
    "Sudan",          "Sweden",        "Switzerland",  "Syria",       "Taiwan",   "Tanzania",
    "Thailand",       "Tunisia",       "Türkiye",      "Uganda",      "Ukraine",  "United Arab Emirates",
    "United Kingdom", "United States", "Uruguay",      "Venezuela",   "Vietnam",  "Zimbabwe",
};

constexpr std::string_view kWithArticle[] = {
    "United Arab Emirates",
    "Bahamas",
    "Central African Republic",
    "Cocos (Keeling) Islands",
    "DR Congo",
    "Cook Islands",
    "Cayman Islands",
    "Dominican Republic",
    "Falkland Islands",
    "Faroe Islands",
    "United Kingdom",
    "Gambia",
    "Isle of Man",
    "British Indian Ocean Territory",
    "Maldives",
    "Marshall Islands",
    "Northern Mariana Islands",
    "Netherlands",
    "Philippines",
    "Pitcairn Islands",
    "Solomon Islands",
    "Turks and Caicos Islands",
    "Caribbean Netherlands",
    "United States Minor Outlying Islands",
    "United States",
    "British Virgin Islands",
    "United States Virgin Islands",
    "Åland Islands",
    "Comoros",
    "Seychelles",
    "French Southern and Antarctic Lands",
};

// What people say, beside the name itself.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"United States", "the USA"},
    {"United States", "USA"},
    {"United States", "the US"},
    {"United States", "America"},
    {"United States", "the United States of America"},
    {"United Kingdom", "the UK"},
    {"United Kingdom", "UK"},
    {"United Kingdom", "Great Britain"},
    {"United Kingdom", "Britain"},
    {"Netherlands", "Holland"},
    {"Türkiye", "Turkey"},
    {"Türkiye", "Turkey"},
    {"Türkiye", "Turkey"},
    {"Czechia", "the Czech Republic"},
    {"Myanmar", "Burma"},
    {"Ivory Coast", "Côte d'Ivoire"},
    {"Eswatini", "Swaziland"},
    {"DR Congo", "the Democratic Republic of the Congo"},
    {"DR Congo", "Congo-Kinshasa"},
    {"Congo", "the Republic of the Congo"},
    {"Congo", "Congo-Brazzaville"},
    {"Timor-Leste", "East Timor"},
    {"Cape Verde", "Cabo Verde"},
    {"United Arab Emirates", "the UAE"},
    {"Russia", "the Russian Federation"},
    {"China", "the People's Republic of China"},
    {"North Macedonia", "Macedonia"},
    {"Vatican City", "the Vatican"},
    {"South Korea", "the Republic of Korea"},
    {"Bosnia and Herzegovina", "Bosnia"},
    {"Macau", "Macao"},
    {"Ireland", "the Republic of Ireland"},
    {"Saint Kitts and Nevis", "St. Kitts and Nevis"},
    {"Saint Lucia", "St. Lucia"},
    {"Trinidad and Tobago", "Trinidad"},
    {"Micronesia", "the Federated States of Micronesia"},
};

constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
    {"aluminium", "aluminum"}, {"sulfur", "sulphur"}, {"cesium", "caesium"}};

constexpr std::string_view kWellKnownElements[] = {
    "hydrogen",  "helium",    "lithium",   "carbon",   "nitrogen",   "oxygen",  "fluorine", "neon",
    "sodium",    "magnesium", "aluminium", "silicon",  "phosphorus", "sulfur",  "chlorine", "argon",
    "potassium", "calcium",   "titanium",  "chromium", "iron",       "cobalt",  "nickel",   "copper",
    "zinc",      "silver",    "tin",       "iodine",   "platinum",   "gold",    "mercury",  "lead",
    "uranium",   "plutonium", "radium",    "tungsten", "bromine",    "krypton", "xenon",    "radon"};

template <size_t N>
bool contains(const std::string_view (&list)[N], std::string_view what) {
  return std::find(std::begin(list), std::end(list), what) != std::end(list);
}

std::string sentence_name(std::string_view name) {
  return contains(kWithArticle, name) ? "the " + std::string(name) : std::string(name);
}

std::vector<std::string> strings(const Json& object, const char* key) {
  std::vector<std::string> out;
  if (const auto it = object.find(key); it != object.end() && it->is_array()) {
    for (const Json& item : *it) {
      if (item.is_string()) out.push_back(item.get<std::string>());
    }
  }
  return out;
}

std::string text(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::string continent_of(std::string_view region, std::string_view subregion) {
  if (region == "Antarctic") return "Antarctica";
  if (region != "Americas") return std::string(region);
  return subregion == "South America" ? "South America" : "North America";
}

std::string currency_in_sentence(std::string name) {
  for (const std::string_view word : {"Euro"sv, "Pound sterling"sv, "Dalasi"sv}) {
    if (name == word) return lower(name);
  }
  return name;
}

Country read_country(const Json& row) {
  Country country;
  const std::string plain = text(row, "name");
  country.name = sentence_name(plain);
  country.aliases = {plain, plain, country.name, country.name, without_accents(plain)};
  for (const auto& [name, alias] : kAliases) {
    if (name == plain) country.aliases.emplace_back(alias);
  }
  country.capitals = strings(row, "capital");
  country.continent = continent_of(text(row, "region"), text(row, "subregion"));
  country.region = text(row, "subregion");
  if (country.region.empty()) country.region = country.continent;
  if (country.region == "Caribbean") country.region = "the Caribbean";
  if (country.region == "Southeast Europe") country.region = "Southeastern Europe";
  if (country.region == "South-Eastern Asia") country.region = "Southeast Asia";
  if (country.region == "Australia and New Zealand") country.region = "Oceania";
  country.languages = strings(row, "languages");
  for (std::string& name : strings(row, "currencies"))
    country.currencies.push_back(currency_in_sentence(name));
  country.demonym = text(row, "demonym");
  country.landlocked = row.value("landlocked", false);
  country.weight = contains(kWellKnown, plain) ? 3 : 1;
  return country;
}

std::string category_with_article(std::string category) {
  bool probably = false;
  for (const std::string_view prefix :
       {"unknown, probably "sv, "unknown, predicted to be "sv, "unknown, but predicted to be an "sv}) {
    if (!category.starts_with(prefix)) continue;
    category = category.substr(prefix.size());
    probably = true;
  }
  if (category.ends_with("nonmetal")) category = "nonmetal";
  const bool vowel = std::string_view("aeiou").find(category[0]) != std::string_view::npos;
  return std::string(probably ? "probably " : "") + (vowel ? "an " : "a ") + category;
}

// The field mixes people with ages and places; for those nobody is known.
std::string person(const std::string& discoverer) {
  for (const std::string_view place :
       {"Ancient"sv, "BC"sv, "Middle East"sv, "India"sv, "Bronze Age"sv, "unknown"sv}) {
    if (discoverer.find(place) != std::string::npos) return {};
  }
  return discoverer.substr(0, discoverer.find(" ("));
}

Element read_element(const Json& row) {
  Element element;
  element.name = lower(text(row, "name"));
  element.aliases = {element.name, element.name, capitalized(element.name)};
  for (const auto& [name, spelling] : kSpellings) {
    if (name == element.name) element.aliases.emplace_back(spelling);
  }
  element.symbol = text(row, "symbol");
  element.number = row.value("number", 0);
  element.period = row.value("period", 0);
  element.group = row.value("group", 0);
  element.category = category_with_article(text(row, "category"));
  element.phase = lower(text(row, "phase"));
  element.discoverer =
      element.name == "aluminium" ? "Hans Christian Ørsted" : person(text(row, "discovered_by"));
  element.weight = contains(kWellKnownElements, element.name) ? 2 : 1;
  return element;
}

// Calls row(json) for every line of a JSONL file.
template <class Row>
Status each_row(const std::filesystem::path& path, Row&& row) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(path));
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return {};
    OWLET_ASSIGN(Json json, parse_json(line));
    row(json);
  }
}

}  // namespace

Result<Facts> load_facts(const std::filesystem::path& folder) {
  Facts facts;
  std::map<std::string, std::string> name_of_code;
  std::vector<std::vector<std::string>> border_codes;
  OWLET_TRY(each_row(folder / "countries.jsonl.zst", [&](const Json& row) {
    facts.countries.push_back(read_country(row));
    name_of_code[text(row, "code")] = facts.countries.back().name;
    border_codes.push_back(strings(row, "borders"));
  }));
  for (size_t i = 0; i < facts.countries.size(); ++i) {
    for (const std::string& code : border_codes[i]) {
      if (const auto it = name_of_code.find(code); it != name_of_code.end()) {
        facts.countries[i].neighbours.push_back(it->second);
      }
    }
  }
  OWLET_TRY(each_row(folder / "elements.jsonl.zst", [&](const Json& row) {
    // Number 119 has not been made yet: it belongs to what is not known.
    if (row.value("number", 0) <= 118) facts.elements.push_back(read_element(row));
  }));
  return facts;
}

}  // namespace owlet::recipe
