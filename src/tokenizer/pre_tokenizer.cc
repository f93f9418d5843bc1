#include "tokenizer/pre_tokenizer.h"

#include <cstdint>

#include "tokenizer/unicode.h"

namespace owlet {
namespace {
using namespace unicode;

bool at_end(std::string_view text, size_t at) { return at >= text.size(); }

// Past the symbols at `at` that are in one of the classes.
size_t skip(std::string_view text, size_t at, int any_of) {
  while (!at_end(text, at)) {
    const Symbol s = symbol_at(text, at);
    if (!s.is(any_of)) break;
    at += s.length;
  }
  return at;
}

// [^\s\p{L}\p{N}]*
size_t skip_others(std::string_view text, size_t at, int but = kLetter | kNumber | kSpace) {
  while (!at_end(text, at)) {
    const Symbol s = symbol_at(text, at);
    if (s.is(but)) break;
    at += s.length;
  }
  return at;
}

// 's|'t|'re|'ve|'m|'ll|'d: the end of the one at `at`, or `at`. Without case, the long s (U+017F) is an s too.
size_t contraction(std::string_view text, size_t at, bool any_case) {
  if (text[at] != '\'') return at;
  const auto letter = [&](size_t i) -> char {
    if (at_end(text, i)) return 0;
    const char c = text[i];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
  if (first == 'l' && second == 'l') return at + 3;
  if (any_case && text.substr(at + 1, 2) == "\xc5\xbf") return at + 3;
  return at;
}

// \s+(?!\S)|\s+ at a run of spaces: all of it at the end of the text, else all but the last symbol, else that one.
size_t spaces(std::string_view text, size_t begin) {
  size_t at = begin, last = begin;
  while (!at_end(text, at)) {
    const Symbol s = symbol_at(text, at);
    if (!s.is(kSpace)) return last > begin ? last : at;
    last = at;
    at += s.length;
  }
  return at;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// `stop`: classes that end a piece of other symbols.
size_t gpt2_until(std::string_view text, size_t begin, int stop) {
  if (const size_t end = contraction(text, begin, false); end > begin) return end;
  size_t at = begin;
  Symbol s = symbol_at(text, at);
  if (text[at] == ' ' && at + 1 < text.size()) {
    const Symbol next = symbol_at(text, at + 1);
    if (!next.is(kSpace)) s = next, ++at;
  }
  if (s.is(kSpace)) return spaces(text, begin);
  at += s.length;
  if (s.is(kLetter)) return skip(text, at, kLetter);
  if (s.is(kNumber)) return skip(text, at, kNumber);
  return skip_others(text, at, stop);
}

size_t gpt2(std::string_view text, size_t begin) { return gpt2_until(text, begin, kLetter | kNumber | kSpace); }

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,max_digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
// \s+(?!\S)|\s+
size_t llama3_like(std::string_view text, size_t begin, int max_digits) {
  if (const size_t end = contraction(text, begin, true); end > begin) return end;
  const Symbol s = symbol_at(text, begin);
  const size_t after = begin + s.length;
  if (s.is(kLetter)) return skip(text, after, kLetter);
  if (s.is(kNumber)) {
    size_t at = after;
    for (int n = 1; n < max_digits && !at_end(text, at); ++n) {
      const Symbol next = symbol_at(text, at);
      if (!next.is(kNumber)) break;
      at += next.length;
    }
    return at;
  }
  const Symbol next = at_end(text, after) ? Symbol{kSpace, 0} : symbol_at(text, after);
  if (!s.is(kNewline) && next.is(kLetter)) return skip(text, after, kLetter);
  const bool others_after_space = text[begin] == ' ' && !next.is(kLetter | kNumber | kSpace);
  if (!s.is(kSpace) || others_after_space) return skip(text, skip_others(text, after), kNewline);
  size_t after_newline = begin;
  for (size_t at = begin; !at_end(text, at);) {
    const Symbol space = symbol_at(text, at);
    if (!space.is(kSpace)) break;
    at += space.length;
    if (space.is(kNewline)) after_newline = at;
  }
  return after_newline > begin ? after_newline : spaces(text, begin);
}

size_t llama3(std::string_view text, size_t begin) { return llama3_like(text, begin, 3); }
size_t qwen2(std::string_view text, size_t begin) { return llama3_like(text, begin, 1); }

// Every number alone first, then gpt2 between them: a space before a number has the end of a text after it.
size_t smollm(std::string_view text, size_t begin) {
  const Symbol s = symbol_at(text, begin);
  if (s.is(kDigit)) return begin + s.length;
  if (s.is(kSpace)) {
    const size_t end = skip(text, begin, kSpace);
    if (!at_end(text, end) && symbol_at(text, end).is(kDigit)) return end;
  }
  return gpt2_until(text, begin, kLetter | kNumber | kSpace | kDigit);
}

struct Splitter {
  std::string_view name;
  PieceEnd piece_end;
  std::string_view pattern;
};
constexpr Splitter kSplitters[] = {
    {"gpt2", gpt2, ""},
    {"llama3", llama3,
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    {"qwen2", qwen2,
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    {"smollm", smollm, ""},
};

}  // namespace

Result<PieceEnd> find_pre_tokenizer(std::string_view name) {
  std::string known;
  for (const Splitter& splitter : kSplitters) {
    if (splitter.name == name) return splitter.piece_end;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", splitter.name);
  }
  return Error{ErrorCode::kUnsupported, fmt::format("the pre-tokenizer '{}' is not one that Owlet knows", name),
               fmt::format("known ones: {}", known)};
}

std::string_view pre_tokenizer_of_pattern(std::string_view pattern) {
  for (const Splitter& splitter : kSplitters) {
    if (!pattern.empty() && splitter.pattern == pattern) return splitter.name;
  }
  return {};
}

std::string_view pattern_of_pre_tokenizer(std::string_view name) {
  for (const Splitter& splitter : kSplitters) {
    if (splitter.name == name) return splitter.pattern;
  }
  return {};
}

}  // namespace owlet
