// What the splitters need to know of Unicode: characters in UTF-8 and the classes they belong to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace owlet::unicode {

// General categories in the order of the table's numbers.
enum class Category : uint8_t {
  kLu, kLl, kLt, kLm, kLo, kMn, kMc, kMe, kNd, kNl, kNo, kPc, kPd, kPs, kPe, kPi, kPf, kPo,
  kSm, kSc, kSk, kSo, kZs, kZl, kZp, kCc, kCf, kCs, kCo, kCn
};
inline constexpr int kNumCategories = 30;
inline constexpr int kNumCategoryRuns = 4099;
extern const uint32_t kCategoryRuns[kNumCategoryRuns];

// Classes that the patterns of pre-tokenizers name; a character may be in several, a broken byte is in none.
enum Class : uint8_t {
  kLetter = 1,    // \p{L}
  kNumber = 2,    // \p{N}
  kSpace = 4,     // \s: Unicode's White_Space
  kNewline = 8,   // [\r\n]
  kWord = 16,     // \w: letters, marks, decimal and letter numbers, connectors, joiners
  kDigit = 32,    // what the stage Digits takes for one: \p{N} of Unicode 17.0
};

// One character, or one byte that is not part of valid UTF-8.
struct Symbol {
  uint8_t classes;
  uint8_t length;  // bytes
  bool is(int any_of) const { return (classes & any_of) != 0; }
};

// A character read from UTF-8 (RFC 3629: no overlong forms, no surrogates). A broken byte: kBroken, length 1.
struct CodePoint {
  uint32_t value;
  uint8_t length;
};
inline constexpr uint32_t kBroken = 0xffffffff;
CodePoint code_point_beyond_ascii(std::string_view text, size_t at);
inline CodePoint code_point_at(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  return first < 0x80 ? CodePoint{first, 1} : code_point_beyond_ascii(text, at);
}

Category category_of(uint32_t code_point);
// The classes of a character, as bits.
uint8_t classes_of(uint32_t code_point);

// The classes of ASCII, where most symbols lie.
inline constexpr std::array<uint8_t, 128> kAsciiClasses = [] {
  std::array<uint8_t, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = ((c | 32) >= 'a') && ((c | 32) <= 'z'), number = c >= '0' && c <= '9';
    const bool newline = c == '\r' || c == '\n', space = c == ' ' || (c >= '\t' && c <= '\r');
    classes[static_cast<size_t>(c)] = static_cast<uint8_t>((letter ? kLetter : 0) | (number ? kNumber | kDigit : 0) | (space ? kSpace : 0) |
                                                           (newline ? kNewline : 0) | (letter || number || c == '_' ? kWord : 0));
  }
  return classes;
}();

// The symbol at `at` < text.size().
Symbol symbol_beyond_ascii(std::string_view text, size_t at);
inline Symbol symbol_at(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  return first < 0x80 ? Symbol{kAsciiClasses[first], 1} : symbol_beyond_ascii(text, at);
}
// The symbol that ends at `end` > 0.
Symbol symbol_before(std::string_view text, size_t end);

// Length of the longest prefix of `text` that ends with a whole character; what follows it is the beginning of one
// that more bytes could complete. Broken bytes count as whole.
size_t complete_prefix(std::string_view text);

// The text with every broken byte sequence replaced by U+FFFD, one for each maximal broken part (Unicode 3.9).
std::string replace_broken(std::string_view text);

// UTF-8 of a code point.
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace owlet::unicode
