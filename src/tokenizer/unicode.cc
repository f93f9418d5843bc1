#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <vector>

namespace owlet::unicode {
namespace {

constexpr uint32_t kMaxCodePoint = 0x10ffff;
constexpr uint32_t bit(Category c) { return uint32_t{1} << static_cast<int>(c); }
constexpr uint32_t kLetters = bit(Category::kLu) | bit(Category::kLl) | bit(Category::kLt) | bit(Category::kLm) |
                              bit(Category::kLo);
constexpr uint32_t kNumbers = bit(Category::kNd) | bit(Category::kNl) | bit(Category::kNo);
constexpr uint32_t kWordParts = kLetters | bit(Category::kMn) | bit(Category::kMc) | bit(Category::kMe) |
                                bit(Category::kNd) | bit(Category::kNl) | bit(Category::kPc);
constexpr uint32_t kSeparators = bit(Category::kZs) | bit(Category::kZl) | bit(Category::kZp);

// White_Space beyond the separators, and Alphabetic or Join_Control beyond the categories of words.
bool is_control_space(uint32_t c) { return (c >= 0x09 && c <= 0x0d) || c == 0x85; }
bool is_other_word(uint32_t c) {
  return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
         (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

uint8_t find_classes(uint32_t c) {
  const uint32_t category = bit(category_of(c));
  int classes = 0;
  if (category & kLetters) classes |= kLetter;
  if (category & kNumbers) classes |= kNumber | kDigit;
  if ((c >= 0x11de0 && c <= 0x11de9) || (c >= 0x16ff4 && c <= 0x16ff6)) classes |= kDigit;
  if ((category & kSeparators) || is_control_space(c)) classes |= kSpace;
  if (c == '\r' || c == '\n') classes |= kNewline;
  if ((category & kWordParts) || is_other_word(c)) classes |= kWord;
  return static_cast<uint8_t>(classes);
}

// Classes of every code point in pages of 256 that are stored once where they are equal.
class ClassTable {
 public:
  ClassTable() {
    for (uint32_t page = 0; page < pages_.size(); ++page) {
      Page classes;
      for (uint32_t i = 0; i < 256; ++i) classes[i] = find_classes(page * 256 + i);
      const auto same = std::find(stored_.begin(), stored_.end(), classes);
      pages_[page] = static_cast<uint16_t>(same - stored_.begin());
      if (same == stored_.end()) stored_.push_back(classes);
    }
  }
  uint8_t operator[](uint32_t c) const { return stored_[pages_[c >> 8]][c & 255]; }

 private:
  using Page = std::array<uint8_t, 256>;
  std::array<uint16_t, (kMaxCodePoint + 1) / 256> pages_;
  std::vector<Page> stored_;
};

// How many of the bytes at `at` form a character or could begin one, at most 4; `whole` says which.
struct Lead {
  uint8_t length;  // that a character with this first byte has; 0: no character begins so
  uint8_t second_min, second_max;
};
Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte >= 0xc2 && byte <= 0xdf) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};  // surrogates lie above
  if (byte >= 0xe1 && byte <= 0xef) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte >= 0xf1 && byte <= 0xf3) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

// The number of bytes at `at` that agree with the form of one character, `lead` being that of the first; at least 1.
size_t agreeing_bytes(std::string_view text, size_t at, Lead lead) {
  size_t n = 1;
  while (n < lead.length && at + n < text.size()) {
    const auto byte = static_cast<uint8_t>(text[at + n]);
    const uint8_t low = n == 1 ? lead.second_min : 0x80, high = n == 1 ? lead.second_max : 0xbf;
    if (byte < low || byte > high) break;
    ++n;
  }
  return n;
}

}  // namespace

Category category_of(uint32_t code_point) {
  const uint32_t* end = kCategoryRuns + kNumCategoryRuns;
  const uint32_t* after = std::upper_bound(kCategoryRuns, end, code_point << 5 | 31);
  return static_cast<Category>(after[-1] & 31);
}

CodePoint code_point_beyond_ascii(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  const Lead lead = lead_of(first);
  if (lead.length == 0 || agreeing_bytes(text, at, lead) < lead.length) return {kBroken, 1};
  uint32_t value = first & (0xff >> (lead.length + 1));
  for (size_t i = 1; i < lead.length; ++i) value = value << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3f);
  return {value, lead.length};
}

uint8_t classes_of(uint32_t code_point) {
  static const ClassTable table;
  return table[code_point];
}

Symbol symbol_beyond_ascii(std::string_view text, size_t at) {
  const CodePoint c = code_point_at(text, at);
  return {c.value == kBroken ? uint8_t{0} : classes_of(c.value), c.length};
}

Symbol symbol_before(std::string_view text, size_t end) {
  for (size_t length = 1; length <= std::min<size_t>(4, end); ++length) {
    const CodePoint c = code_point_at(text, end - length);
    if (c.value != kBroken && c.length == length) return symbol_at(text, end - length);
  }
  return {0, 1};
}

size_t complete_prefix(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const size_t at = text.size() - back;
    const Lead lead = lead_of(static_cast<uint8_t>(text[at]));
    if (lead.length > back && agreeing_bytes(text, at, lead) == back) return at;
  }
  return text.size();
}

std::string replace_broken(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Lead lead = lead_of(static_cast<uint8_t>(text[at]));
    const size_t n = agreeing_bytes(text, at, lead);
    out.append(n == lead.length ? text.substr(at, n) : std::string_view("\xef\xbf\xbd"));
    at += n;
  }
  return out;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xe0 | c >> 12);
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3f));
    }
    put(0x80 | (c >> 6 & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

}  // namespace owlet::unicode
