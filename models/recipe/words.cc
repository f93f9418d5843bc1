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
    "the",   "and",   "was",   "are",  "for",   "has",   "had",   "its",   "his",    "her",   "she",   "him",   "who",
    "not",   "but",   "all",   "one",  "two",   "three", "can",   "may",   "does",   "did",   "been",  "have",  "were",
    "with",  "that",  "this",  "from", "they",  "their", "them",  "then",  "than",   "there", "these", "those", "which",
    "when",  "what",  "where", "will", "would", "could", "should", "also", "other",  "some",  "such",  "most",  "more",
    "many",  "much",  "very",  "into", "only",  "about", "after", "before", "between", "during", "being", "because",
    "however", "while", "well", "often", "usually", "sometimes", "later", "until", "since", "four", "five", "six",
    "seven", "eight", "nine",  "ten",  "sex",   "sexual", "rape", "penis", "vagina", "anal", "porn", "gay", "lesbian",
    "naked", "nude",  "breast", "suicide", "murder", "kill", "nazi", "negro", "slut", "whore", "bitch", "intercourse",
    "orgasm", "prostitute", "erotic", "pornography", "genocide", "incest", "genital", "per", "non", "mid", "isn", "doesn",
    "didn", "don", "dominant", "semen", "sperm", "anus", "masturbation", "condom", "terrorist", "you", "your", "our", "out",
    "how", "now", "any", "off", "own", "few", "yet", "nor", "via", "first", "second", "third", "last", "same", "another",
    "both", "each", "every", "either", "neither", "over", "under", "near", "still", "even", "just", "again", "once", "both",
    "not", "even", "like", "around", "together", "along", "across", "against", "without", "within", "through"};

bool left_out(Sv word) { return std::find(std::begin(kLeftOut), std::end(kLeftOut), word) != std::end(kLeftOut); }

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
  while (!definition.empty() && (definition.back() == ' ' || definition.back() == ':')) definition.pop_back();
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
      const bool simple = word.size() >= 3 && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::islower(c); });
      if (simple && !left_out(word)) entries[word].senses.push_back({pos == "s" ? 'a' : pos[0], definition, rank, has_examples});
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
  return rest.starts_with(" is a") || rest.starts_with(" is the") || rest.starts_with(" is ") || rest.starts_with(" means ") ||
         rest.starts_with("s are ") || rest.starts_with(" are ");
}

constexpr Sv kDated[] = {"Wikipedia", "album", "song", "film", "band", "television", "video game", "born", "commune", "1", "2"};

Status read_wiki(const std::filesystem::path& path, Dictionary& entries, std::unordered_map<std::string, int64_t>& counts) {
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
      const bool dated = std::any_of(std::begin(kDated), std::end(kDated), [&](Sv w) { return sentence.find(w) != std::string::npos; });
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
double company_score(const Entry& entry, const Sense& sense, const std::unordered_map<std::string, int64_t>& counts) {
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

const Sense& best_sense(const Entry& entry, const std::unordered_map<std::string, int64_t>& counts) {
  const Sense* best = &entry.senses[0];
  double best_score = -1e9;
  for (const Sense& sense : entry.senses) {
    double score = company_score(entry, sense, counts);
    score -= 0.35 * static_cast<double>(sense.rank);
    score += sense.has_examples ? 0.3 : 0.0;
    score += sense.pos == 'n' ? 0.3 : 0.0;
    if (sense.definition.find("slang") != std::string::npos || sense.definition.find("informal") != std::string::npos) score -= 3;
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
    const bool ends = c == '.' && depth == 0 && (i + 1 >= text.size() || text[i + 1] == ' ' || text[i + 1] == '\n');
    if (ends && out.size() >= 25) {
      const bool odd = out.find_first_of("\";:*_[]") != std::string::npos || out.find(" ,") != std::string::npos;
      return odd ? std::string() : out;
    }
  }
  return {};
}

Result<std::vector<WordSense>> load_words(const std::filesystem::path& wiki, const std::filesystem::path& dictionary,
                                          const std::vector<std::string>& skip, size_t count) {
  OWLET_ASSIGN(Dictionary entries, read_dictionary(dictionary));
  for (const std::string& word : skip) entries.erase(word);
  std::unordered_map<std::string, int64_t> counts;
  OWLET_TRY(read_wiki(wiki, entries, counts));
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [word, entry] : entries) order.emplace_back(-entry.count, word);
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), count));
  std::vector<WordSense> words;
  for (const auto& [negative_count, word] : order) {
    const Entry& entry = entries[word];
    const Sense& sense = best_sense(entry, counts);
    const double weight = words.size() < 800 ? 3 : words.size() < 1800 ? 2 : 1;
    words.push_back({word, entry.article.empty() ? sense.pos : 'n',
                     entry.article.empty() ? sentence_of(word, sense) : entry.article, weight});
  }
  return words;
}

}  // namespace owlet::recipe
