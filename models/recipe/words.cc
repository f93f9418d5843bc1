#include "words.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "core/file.h"
#include "core/json.h"
#include "kinds.h"

namespace owlet::recipe {
namespace {

using Sv = std::string_view;

// Too plain to explain, or not for this assistant to explain.
constexpr Sv kLeftOut[] = {
    "the",          "and",     "was",         "are",      "for",        "has",      "had",
    "its",          "his",     "her",         "she",      "him",        "who",      "not",
    "but",          "all",     "one",         "two",      "three",      "can",      "may",
    "does",         "did",     "been",        "have",     "were",       "with",     "that",
    "this",         "from",    "they",        "their",    "them",       "then",     "than",
    "there",        "these",   "those",       "which",    "when",       "what",     "where",
    "will",         "would",   "could",       "should",   "also",       "other",    "some",
    "such",         "most",    "more",        "many",     "much",       "very",     "into",
    "only",         "about",   "after",       "before",   "between",    "during",   "being",
    "because",      "however", "while",       "well",     "often",      "usually",  "sometimes",
    "later",        "until",   "since",       "four",     "five",       "six",      "seven",
    "eight",        "nine",    "ten",         "sex",      "sexual",     "rape",     "penis",
    "vagina",       "anal",    "porn",        "gay",      "lesbian",    "naked",    "nude",
    "breast",       "suicide", "murder",      "kill",     "nazi",       "negro",    "slut",
    "whore",        "bitch",   "intercourse", "orgasm",   "prostitute", "erotic",   "pornography",
    "genocide",     "incest",  "genital",     "per",      "non",        "mid",      "isn",
    "doesn",        "didn",    "don",         "dominant", "semen",      "sperm",    "anus",
    "masturbation", "condom",  "terrorist",   "you",      "your",       "our",      "out",
    "how",          "now",     "any",         "off",      "own",        "few",      "yet",
    "nor",          "via",     "first",       "second",   "third",      "last",     "same",
    "another",      "both",    "each",        "every",    "either",     "neither",  "over",
    "under",        "near",    "still",       "even",     "just",       "again",    "once",
    "both",         "not",     "even",        "like",     "around",     "together", "along",
    "across",       "against", "without",     "within",   "through",    "behind",   "less",
    "below",        "above",   "million",     "billion",  "hundred",    "thousand", "unknown",
    "whole",        "upon",    "toward",      "towards",  "among",      "instead",  "whether",
    "although",     "though",  "never",       "always",   "ever",       "done",     "made",
    "went",         "got",     "gave",        "took",     "came",       "left",     "born"};

bool left_out(Sv word) {
  return std::find(std::begin(kLeftOut), std::end(kLeftOut), word) != std::end(kLeftOut);
}

// Where neither article nor dictionary puts the everyday meaning first.
constexpr std::pair<Sv, Sv> kPlain[] = {
    {"water", "Water is a clear liquid that people, animals and plants need to live."},
    {"cat", "A cat is a small animal with soft fur that many people keep at home."},
    {"dog", "A dog is an animal that many people keep at home as a friend."},
    {"happy", "Happy means feeling good and full of joy."},
    {"sad", "Sad means feeling unhappy."},
    {"good", "Good means nice, right or well done."},
    {"bad", "Bad means not good."},
    {"big", "Big means large in size."},
    {"small", "Small means not big."},
    {"old", "Old means having lived or been there for a long time."},
    {"new", "New means made or found a short time ago."},
    {"hot", "Hot means very warm."},
    {"cold", "Cold means not warm."},
    {"fast", "Fast means moving with high speed."},
    {"slow", "Slow means taking a long time."},
    {"paper", "Paper is a thin material, made from wood, that people write on."},
    {"letter", "A letter is a sign of the alphabet, or a message written on paper."},
    {"building", "A building is a thing with walls and a roof, like a house or a school."},
    {"table", "A table is a piece of furniture with a flat top and legs."},
    {"chair", "A chair is a piece of furniture for one person to sit on."},
    {"money", "Money is what people use to pay for things."},
    {"thing", "A thing is an object or an idea without a special name."},
    {"friend", "A friend is a person whom you know well and like."},
    {"sun", "The Sun is the star that gives light and heat to the Earth."},
    {"rain", "Rain is water that falls from clouds in drops."},
    {"image", "An image is a picture of something."},
    {"bird", "A bird is an animal with feathers and wings."},
    {"animal", "An animal is a living thing that can move and that eats to live."},
    {"run", "To run means to move fast on foot."},
    {"eat", "To eat means to take food into the mouth and swallow it."},
    {"drink", "To drink means to take water or another liquid into the mouth and swallow it."},
    {"go", "To go means to move from one place to another."},
    {"sit", "To sit means to rest on your bottom, as on a chair."},
    {"sleep", "Sleep is the rest of body and mind at night."},
    {"home", "Home is the place where a person lives."},
    {"side", "A side is one of the surfaces or edges of a thing."},
    {"string", "A string is a long thin piece of twisted thread."},
    {"meter", "A meter is a unit of length, about as long as a big step."},
    {"dish", "A dish is a plate, or the food that is on it."},
    {"play", "To play means to do something for fun."},
    {"work", "Work is what people do to make something or to earn money."},
    {"word", "A word is a sound or a group of letters that means something."},
    {"name", "A name is the word by which somebody or something is called."},
    {"day", "A day is the time of 24 hours, or the part of it when it is light."},
    {"night", "Night is the dark part of the day."},
    {"year", "A year is the time of twelve months."},
    {"country", "A country is a land with its own government."},
    {"capital", "A capital is the city where the government of a country is."},
    {"drive", "To drive means to steer a car or another vehicle."},
    {"read", "To read means to look at written words and understand them."},
    {"write", "To write means to put words on paper."},
    {"child", "A child is a young person."},
    {"man", "A man is a grown-up male person."},
    {"woman", "A woman is a grown-up female person."},
    {"eye", "An eye is the part of the body that sees."},
    {"hand", "A hand is the part of the body at the end of the arm."},
    {"beautiful", "Beautiful means very nice to look at or to hear."},
    {"easy", "Easy means not hard to do."},
    {"hard", "Hard means not soft, or not easy to do."},
    {"light", "Light is what lets us see things."},
    {"color", "A color is what the eye sees of light: red, green or blue, for example."},
    {"owl", "An owl is a bird with big eyes that hunts at night."},
};

Sv plain_explanation(Sv word) {
  for (const auto& [known, explanation] : kPlain) {
    if (known == word) return explanation;
  }
  return {};
}

// Calls word(w) for every run of ASCII lower-case letters that is a word of its own.
template <class OnWord>
void each_word(Sv text, OnWord&& on_word) {
  size_t begin = 0;
  bool clean = true;
  for (size_t i = 0; i <= text.size(); ++i) {
    const auto c = static_cast<unsigned char>(i < text.size() ? text[i] : ' ');
    if (std::isalnum(c) || c >= 0x80 || c == '-') {
      clean = clean && std::islower(c);
      continue;
    }
    if (clean && i > begin) on_word(text.substr(begin, i - begin));
    begin = i + 1;
    clean = true;
  }
}

struct Sense {
  char pos;
  std::string definition;
  size_t rank;  // place of the word in its synonym set
  bool has_examples;
};

struct Entry {
  std::vector<Sense> senses;
  std::string article;  // first sentence of the article of that name
  int64_t count = 0;
  std::unordered_map<std::string, int> company;  // words beside it in one sentence
};

using Dictionary = std::unordered_map<std::string, Entry>;

// "a round object (as a ball); used in games" → "a round object".
std::string plain_definition(std::string definition) {
  definition = definition.substr(0, definition.find(';'));
  for (size_t open; (open = definition.find('(')) != std::string::npos;) {
    const size_t close = definition.find(')', open);
    if (close == std::string::npos) break;
    size_t end = close + 1;
    if (end < definition.size() && definition[end] == ' ') ++end;
    definition.erase(open, end - open);
  }
  while (!definition.empty() && std::string_view(" :.,").find(definition.back()) != std::string_view::npos)
    definition.pop_back();
  return definition;
}

Result<Dictionary> read_dictionary(const std::filesystem::path& path) {
  Dictionary entries;
  OWLET_ASSIGN(LineReader reader, LineReader::open(path));
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return entries;
    OWLET_ASSIGN(const Json row, parse_json(line));
    const std::string pos = row.value("pos", "");
    const std::string definition = plain_definition(row.value("definition", ""));
    if (pos.empty() || pos == "r" || definition.size() < 8 || definition.size() > 130) continue;
    const bool has_examples = row.contains("examples") && !row["examples"].empty();
    size_t rank = 0;
    for (const Json& item : row["words"]) {
      const std::string word = item.get<std::string>();
      const bool simple = word.size() >= 3 && std::all_of(word.begin(), word.end(),
                                                          [](unsigned char c) { return std::islower(c); });
      if (simple && !left_out(word))
        entries[word].senses.push_back({pos == "s" ? 'a' : pos[0], definition, rank, has_examples});
      ++rank;
    }
  }
}

// "Cat" fits "A cat is …", "Cats are …", "Water is …".
bool explains(Sv sentence, Sv word) {
  std::string text = lower(sentence.substr(0, 60));
  for (const Sv article : {Sv("a "), Sv("an "), Sv("the ")}) {
    if (text.starts_with(article)) text = text.substr(article.size());
  }
  if (!text.starts_with(word)) return false;
  const Sv rest = Sv(text).substr(word.size());
  return rest.starts_with(" is a") || rest.starts_with(" is the") || rest.starts_with(" is ") ||
         rest.starts_with(" means ") || rest.starts_with("s are ") || rest.starts_with(" are ");
}

constexpr Sv kDated[] = {"Wikipedia",  "album", "song",    "film", "band", "television",
                         "video game", "born",  "commune", "1",    "2"};

Status read_wiki(const std::filesystem::path& path, Dictionary& entries,
                 std::unordered_map<std::string, int64_t>& counts) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(path));
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return {};
    OWLET_ASSIGN(const Json row, parse_json(line));
    const std::string text = row.value("text", "");
    const std::string title = lower(row.value("title", ""));
    if (const auto it = entries.find(title); it != entries.end() && it->second.article.empty()) {
      const std::string sentence = first_sentence(text, 170);
      const bool dated = std::any_of(std::begin(kDated), std::end(kDated),
                                     [&](Sv w) { return sentence.find(w) != std::string::npos; });
      if (!sentence.empty() && !dated && explains(sentence, title)) it->second.article = sentence;
    }
    // The beginning of an article is its plainest part.
    std::vector<std::string> words;
    const Sv head = Sv(text).substr(0, 1500);
    for (size_t begin = 0; begin < head.size();) {
      const size_t end = std::min(head.find(". ", begin), head.size());
      words.clear();
      each_word(head.substr(begin, end - begin), [&](Sv word) { words.emplace_back(word); });
      for (const std::string& word : words) {
        ++counts[word];
        const auto it = entries.find(word);
        if (it == entries.end()) continue;
        ++it->second.count;
        if (it->second.count > 400) continue;
        for (const std::string& other : words) {
          if (other != word && other.size() > 2 && !left_out(other)) ++it->second.company[other];
        }
      }
      begin = end + 1;
    }
  }
}

// How well a definition's words keep company with the word, against how common they are anyway.
double company_score(const Entry& entry, const Sense& sense,
                     const std::unordered_map<std::string, int64_t>& counts) {
  double sum = 0;
  int n = 0;
  each_word(sense.definition, [&](Sv word) {
    if (word.size() < 3 || left_out(word)) return;
    ++n;
    const std::string key(word);
    const auto beside = entry.company.find(key);
    const auto total = counts.find(key);
    if (beside == entry.company.end() || total == counts.end()) return;
    sum += std::log1p(1e4 * beside->second / (static_cast<double>(total->second) + 200.0));
  });
  return n == 0 ? 0 : sum / n;
}

// "parts", "looking", "bigger": forms of another word of the dictionary, which explains them better.
bool is_inflected(const Dictionary& entries, const std::string& word) {
  if (plain_explanation(word) != Sv() || !entries.at(word).article.empty()) return false;
  const auto known = [&](const std::string& base, bool adjective) {
    const auto it = entries.find(base);
    if (it == entries.end() || it->second.count == 0) return false;
    const auto& senses = it->second.senses;
    return !adjective ||
           std::any_of(senses.begin(), senses.end(), [](const Sense& sense) { return sense.pos == 'a'; });
  };
  for (const Sv ending : {Sv("s"), Sv("es"), Sv("ies"), Sv("ed"), Sv("ied"), Sv("ing"), Sv("er"), Sv("ier"),
                          Sv("est"), Sv("ly")}) {
    if (!word.ends_with(ending) || word.size() < ending.size() + 3) continue;
    const bool adjective =
        ending == "er" || ending == "ier" || ending == "est" || ending == "ly";  // "paper" is no comparative
    const std::string base = word.substr(0, word.size() - ending.size());
    if (known(base, adjective) || known(base + "e", adjective) || known(base + "y", adjective)) return true;
    const bool doubled = base.size() > 3 && base.back() == base[base.size() - 2];
    if (doubled && known(base.substr(0, base.size() - 1), adjective)) return true;
  }
  return false;
}

const Sense& best_sense(const Entry& entry, const std::unordered_map<std::string, int64_t>& counts) {
  const Sense* best = &entry.senses[0];
  double best_score = -1e9;
  for (const Sense& sense : entry.senses) {
    double score = company_score(entry, sense, counts);
    score -= 0.35 * static_cast<double>(sense.rank);
    score += sense.has_examples ? 0.3 : 0.0;
    score += sense.pos == 'n' ? 0.3 : 0.0;
    if (sense.definition.find("slang") != std::string::npos ||
        sense.definition.find("informal") != std::string::npos)
      score -= 3;
    if (score <= best_score) continue;
    best_score = score;
    best = &sense;
  }
  return *best;
}

std::string sentence_of(Sv word, const Sense& sense) {
  const std::string subject = sense.pos == 'v' ? "To " + std::string(word) : capitalized(word);
  return subject + (sense.pos == 'v' ? " means to " : " means ") + sense.definition + ".";
}

}  // namespace

std::string first_sentence(std::string_view text, size_t max_bytes) {
  std::string out;
  int depth = 0;
  for (size_t i = 0; i < text.size() && text[i] != '\n'; ++i) {
    const char c = text[i];
    if (c == '(') {
      ++depth;
      if (!out.empty() && out.back() == ' ') out.pop_back();
    }
    if (depth == 0) out += c;
    if (c == ')' && depth > 0) --depth;
    if (out.size() > max_bytes) return {};
    const bool ends =
        c == '.' && depth == 0 && (i + 1 >= text.size() || text[i + 1] == ' ' || text[i + 1] == '\n');
    if (ends && out.size() >= 25) {
      const bool odd =
          out.find_first_of("\";:*_[]") != std::string::npos || out.find(" ,") != std::string::npos;
      return odd ? std::string() : out;
    }
  }
  return {};
}

Result<std::vector<WordSense>> load_words(const std::filesystem::path& wiki,
                                          const std::filesystem::path& dictionary,
                                          const std::vector<std::string>& skip, size_t count) {
  OWLET_ASSIGN(Dictionary entries, read_dictionary(dictionary));
  for (const std::string& word : skip) entries.erase(word);
  std::unordered_map<std::string, int64_t> counts;
  OWLET_TRY(read_wiki(wiki, entries, counts));
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [word, entry] : entries) {
    if (!is_inflected(entries, word)) order.emplace_back(-entry.count, word);
  }
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), count));
  std::vector<WordSense> words;
  for (const auto& [negative_count, word] : order) {
    const Entry& entry = entries[word];
    const double weight = words.size() < 800 ? 3 : words.size() < 1800 ? 2 : 1;
    const Sense& sense = best_sense(entry, counts);
    WordSense known{word, sense.pos, sentence_of(word, sense), weight};
    if (!entry.article.empty()) known = {word, 'n', entry.article, weight};
    if (const Sv plain = plain_explanation(word); !plain.empty()) {
      const bool noun = plain.find(" is ") != Sv::npos;
      known = {word, noun ? 'n' : plain.starts_with("To ") ? 'v' : 'a', std::string(plain), weight};
    }
    words.push_back(std::move(known));
  }
  return words;
}

}  // namespace owlet::recipe
