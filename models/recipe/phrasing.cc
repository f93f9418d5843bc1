#include "phrasing.h"

#include <array>
#include <cctype>

namespace owlet::recipe {
namespace {

struct Frame {
  std::string_view pattern;  // {t} is the thing asked for
  char mark;                 // '?', '.', or 0 for none
};

constexpr Frame kFrames[] = {
    {"what is {t}", '?'},
    {"what is {t}", '?'},
    {"what is {t}", '?'},
    {"what's {t}", '?'},
    {"whats {t}", '?'},
    {"tell me {t}", '.'},
    {"tell me what {t} is", '.'},
    {"do you know {t}", '?'},
    {"do you know what {t} is", '?'},
    {"can you tell me {t}", '?'},
    {"could you tell me {t}", '?'},
    {"can you tell me what {t} is", '?'},
    {"could you please tell me what {t} is", '?'},
    {"would you tell me {t}", '?'},
    {"i need {t}", '.'},
    {"i need to know {t}", '.'},
    {"i want to know {t}", '.'},
    {"i would like to know {t}", '.'},
    {"i'd like to know what {t} is", '.'},
    {"i forgot {t}", '.'},
    {"i forgot what {t} is", '.'},
    {"i can't remember {t}", '.'},
    {"i don't know {t}", '.'},
    {"give me {t}", '.'},
    {"please give me {t}", '.'},
    {"please tell me {t}", '.'},
    {"{t}", '?'},
    {"{t}", 0},
    {"{t} is", 0},
    {"{t} is what", '?'},
    {"{t}, what is it", '?'},
    {"do you remember {t}", '?'},
    {"name {t}", '.'},
    {"can you name {t}", '?'},
    {"any idea what {t} is", '?'},
    {"i wonder what {t} is", '.'},
    {"remind me of {t}", '.'},
    {"remind me what {t} is", '.'},
    {"what do you know about {t}", '?'},
    {"help me with {t}", '.'},
    {"i am looking for {t}", '.'},
    {"let me know {t}", '.'},
    {"my friend asked me about {t}", '.'},
    {"people ask me about {t}", '.'},
    {"what was {t} again", '?'},
    {"say {t}", '.'},
};

constexpr std::string_view kOpeners[] = {
    "hi, ",
    "hello, ",
    "hey, ",
    "please, ",
    "quick question: ",
    "excuse me, ",
    "so, ",
    "ok, ",
    "hey owlet, ",
    "owlet, ",
    "sorry, ",
    "well, ",
    "one more: ",
    "next: ",
    "quiz: ",
    "question: ",
    "for my homework: ",
    "a question: ",
    "hi! ",
    "hello! ",
    "hello owlet! ",
    "good morning, ",
    "another question: ",
    "now, ",
    "just curious: ",
    "tell me: ",
    "i have a question. ",
    "answer this: ",
    "and ",
    "i have a test tomorrow. ",
    "my sister asks: ",
    "we had this at school. ",
    "let me see what you know. ",
    "here is one for you: ",
    "i am doing a puzzle. ",
    "you may know this. ",
    "be quick: ",
    "i bet you know this: ",
    "i am learning. ",
    "i was just wondering, ",
    "if you do not mind, ",
};

constexpr std::string_view kClosers[] = {
    " please",
    ", please",
    " thanks",
    ", thank you",
    " for me",
    " again",
    ", owlet",
    ", do you know",
    ", if you know",
    " in short",
    ", it is for school",
    ", i have forgotten it",
    ", just the answer",
    ", my friend",
};

// One slip of the finger in a longer word of the pattern, before names are filled in.
std::string with_typo(Random& random, std::string text) {
  std::vector<size_t> places;
  for (size_t i = 1; i + 2 < text.size(); ++i) {
    const auto letter = [&](size_t at) { return std::islower(static_cast<unsigned char>(text[at])) != 0; };
    if (letter(i - 1) && letter(i) && letter(i + 1) && letter(i + 2)) places.push_back(i);
  }
  if (places.empty()) return text;
  const size_t at = places[random.below(places.size())];
  if (chance(random, 0.5)) {
    std::swap(text[at], text[at + 1]);
  } else {
    text.erase(at, 1);
  }
  return text;
}

// The last step: letters and marks as people of different patience type them.
std::string careless(Random& random, std::string sentence, char mark) {
  const double r = random.uniform();
  if (r < 0.62) {
    sentence = capitalized(sentence);
    if (mark) sentence += mark;
  } else if (r < 0.80) {
    sentence = lower(sentence);
  } else if (r < 0.90) {
    sentence = lower(sentence);
    if (mark == '?') sentence += mark;
  } else if (r < 0.97) {
    sentence = capitalized(sentence);
  } else {
    for (char& c : sentence) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (mark == '?') sentence += mark;
  }
  return sentence;
}

}  // namespace

std::string_view pick(Random& random, Words words) { return words[random.below(words.size())]; }

bool chance(Random& random, double probability) { return random.uniform() < probability; }

std::string fill(std::string_view pattern, std::initializer_list<std::pair<char, std::string_view>> values) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    bool filled = false;
    if (pattern[i] == '{' && i + 2 < pattern.size() && pattern[i + 2] == '}') {
      for (const auto& [name, value] : values) {
        if (name != pattern[i + 1]) continue;
        out += value;
        filled = true;
      }
    }
    if (filled) {
      i += 2;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

std::string ask(Random& random, const Wording& wording, std::string_view subject, std::string_view other) {
  const double r = random.uniform();
  std::string pattern;
  char mark = '?';
  if (!wording.things.empty() && (r < 0.55 || (wording.questions.empty() && wording.orders.empty()))) {
    const Frame& frame = kFrames[random.below(std::size(kFrames))];
    pattern = fill(frame.pattern, {{'t', pick(random, wording.things)}});
    mark = frame.mark;
  } else if (!wording.questions.empty() && (r < 0.88 || wording.orders.empty())) {
    pattern = pick(random, wording.questions);
  } else {
    pattern = pick(random, wording.orders);
    mark = '.';
  }
  if (chance(random, 0.03)) pattern = with_typo(random, std::move(pattern));
  return dress(random, fill(pattern, {{'x', subject}, {'y', other}}), mark);
}

std::string dress(Random& random, std::string_view sentence, char mark) {
  std::string text(sentence);
  if (chance(random, 0.10)) text += pick(random, kClosers);
  if (chance(random, 0.22)) text = std::string(pick(random, kOpeners)) + text;
  return careless(random, std::move(text), mark);
}

std::string capitalized(std::string_view text) {
  std::string out(text);
  if (out.empty()) return out;
  const auto first = static_cast<unsigned char>(out[0]);
  if (first < 0x80) {
    out[0] = static_cast<char>(std::toupper(first));
  } else if (first == 0xC3 && out.size() > 1 && static_cast<unsigned char>(out[1]) >= 0xA0) {
    out[1] = static_cast<char>(static_cast<unsigned char>(out[1]) - 0x20);  // à … þ → À … Þ
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x80)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string without_accents(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 28> kPlain = {{
      {"á", "a"}, {"à", "a"}, {"ã", "a"}, {"å", "a"}, {"ā", "a"}, {"ä", "a"}, {"é", "e"},
      {"è", "e"}, {"ē", "e"}, {"ë", "e"}, {"í", "i"}, {"ñ", "n"}, {"ó", "o"}, {"ô", "o"},
      {"ö", "o"}, {"ú", "u"}, {"ü", "u"}, {"ç", "c"}, {"ș", "s"}, {"ă", "a"}, {"ł", "l"},
      {"đ", "d"}, {"ồ", "o"}, {"Å", "A"}, {"ö", "o"}, {"É", "E"}, {"ʻ", "'"}, {"î", "i"},
  }};
  std::string out;
  for (size_t i = 0; i < text.size();) {
    bool replaced = false;
    for (const auto& [from, to] : kPlain) {
      if (text.substr(i, from.size()) != from) continue;
      out += to;
      i += from.size();
      replaced = true;
      break;
    }
    if (!replaced) out += text[i++];
  }
  return out;
}

std::string list_of(std::span<const std::string> items) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += i + 1 == items.size() ? " and " : ", ";
    out += items[i];
  }
  return out;
}

std::string normalized(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte)) {
      out += static_cast<char>(byte < 0x80 ? std::tolower(byte) : byte);
    } else if (c != '\'' && !out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace owlet::recipe
