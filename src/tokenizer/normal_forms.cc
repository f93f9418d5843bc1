#include "tokenizer/normal_forms.h"

#include <algorithm>
#include <iterator>

#include "tokenizer/unicode.h"
#include "tokenizer/unicode_library.h"

namespace owlet::unicode {
namespace {

struct Range {
  uint32_t first, last;
};
// Upper case letters whose lower case came after Unicode 15.0, for libraries that are older.
struct LaterCase {
  uint32_t first, last, lower;
};
constexpr LaterCase kLaterCases[] = {{0x1c89, 0x1c89, 0x1c8a}, {0xa7cb, 0xa7cb, 0x264},  {0xa7cc, 0xa7cc, 0xa7cd}, {0xa7ce, 0xa7ce, 0xa7cf},
                                     {0xa7d2, 0xa7d2, 0xa7d3}, {0xa7d4, 0xa7d4, 0xa7d5}, {0xa7da, 0xa7da, 0xa7db}, {0xa7dc, 0xa7dc, 0x19b},
                                     {0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb}};

// Accents and characters with decompositions that came after Unicode 9.0: Hugging Face's normalizers, which models were trained
// behind, stand at that version and leave them alone. Ranges may span characters of no such kind that came after it too.
constexpr Range kSinceUnicode9[] = {
    {0x558, 0x558}, {0x58b, 0x58c}, {0x5c8, 0x5c9}, {0x7fd, 0x7fd}, {0x897, 0x89f}, {0x8ca, 0x8d3}, {0x9fe, 0x9fe},
    {0xafa, 0xaff}, {0xb53, 0xb55}, {0xc04, 0xc04}, {0xc3c, 0xc3c}, {0xcf3, 0xd00}, {0xd3b, 0xd3c}, {0xd81, 0xd81},
    {0xeba, 0xeba}, {0xece, 0xece}, {0x1715, 0x1715}, {0x180f, 0x180f}, {0x1abf, 0x1af0}, {0x1cf7, 0x1cf7}, {0x1df6, 0x1dfa},
    {0x209d, 0x209f}, {0x32ff, 0x32ff}, {0xa7f1, 0xa7f4}, {0xa82c, 0xa82c}, {0xa8ff, 0xa8ff}, {0xab69, 0xab69},
    {0x105c9, 0x105e4}, {0x10781, 0x107bf}, {0x10d24, 0x10d6d}, {0x10eab, 0x10f85}, {0x11070, 0x11074}, {0x110c2, 0x110c2},
    {0x11145, 0x11146}, {0x111c9, 0x111c9}, {0x111ce, 0x111cf}, {0x11241, 0x11241}, {0x1133b, 0x1133b}, {0x11382, 0x113e2}, {0x1145e, 0x1145e},
    {0x1182c, 0x1183a}, {0x11930, 0x11a99}, {0x11b60, 0x11b67}, {0x11d31, 0x11f5a}, {0x13440, 0x13455}, {0x1611e, 0x1612f},
    {0x16d63, 0x16d6a}, {0x16f4f, 0x16f4f}, {0x16f7f, 0x16f87}, {0x16fe4, 0x16ff1}, {0x1b123, 0x1b126}, {0x1ccd6, 0x1cf46},
    {0x1d127, 0x1d128}, {0x1d250, 0x1d281}, {0x1d6a6, 0x1d6a6}, {0x1df95, 0x1dfff}, {0x1e030, 0x1e6f5}, {0x1f16c, 0x1f16c},
    {0x1fbf0, 0x1fbf9},
};

// What became a mark, punctuation or a control after Unicode 8.0. Ranges may span what is of another kind.
constexpr Range kMarksSince8[] = {
    {0x7fd, 0x7fd}, {0x897, 0x8e1}, {0x9fe, 0x9fe}, {0xafa, 0xaff}, {0xb55, 0xb55}, {0xc04, 0xc3c}, {0xd00, 0xd00}, {0xd3b, 0xd3c},
    {0xd81, 0xd81}, {0xeba, 0xeba}, {0xece, 0xece}, {0x180f, 0x1886}, {0x1abf, 0x1ace}, {0x1df6, 0x1dfb}, {0xa82c, 0xa82c},
    {0xa8c5, 0xa8c5}, {0xa8ff, 0xa8ff}, {0xa9bd, 0xa9bd}, {0x10d24, 0x10f85}, {0x11070, 0x11074}, {0x110c2, 0x110c2},
    {0x111c9, 0x111c9}, {0x111cf, 0x111cf}, {0x1123e, 0x11241}, {0x1133b, 0x1133b}, {0x113bb, 0x1145e}, {0x1182f, 0x1612f},
    {0x16f4f, 0x16f4f}, {0x16fe4, 0x16fe4}, {0x1cf00, 0x1cf46}, {0x1e000, 0x1e5ef}, {0x1e944, 0x1e94a}};
constexpr Range kPunctuationSince8[] = {
    {0x61d, 0x61d}, {0x9fd, 0xa76}, {0xc77, 0xc84}, {0x1b4e, 0x1b4f}, {0x1b7d, 0x1b7f}, {0x2e43, 0x2e5d}, {0x10d6e, 0x10f89},
    {0x113d4, 0x1145d}, {0x11660, 0x116b9}, {0x1183b, 0x11fff}, {0x12ff1, 0x12ff2}, {0x16d6d, 0x16fe2}, {0x1e5ff, 0x1e95f}};
constexpr Range kControlsSince8[] = {{0x890, 0x8e2}, {0x110cd, 0x1343f}};

template <size_t n>
bool is_in(const Range (&ranges)[n], uint32_t c) {
  const auto* after = std::upper_bound(std::begin(ranges), std::end(ranges), c, [](uint32_t value, const Range& range) { return value < range.first; });
  return after != std::begin(ranges) && c <= after[-1].last;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

}  // namespace

bool is_since_unicode_9(uint32_t c) { return is_in(kSinceUnicode9, c); }

bool is_mark_of_unicode_8(uint32_t c) {
  const bool was = c == 0x1734 || c == 0x1171e;
  return was || (category_of(c) == Category::kMn && !is_in(kMarksSince8, c));
}

bool is_punctuation_of_unicode_8(uint32_t c) {
  const Category category = category_of(c);
  const bool was = c == 0x166d || c == 0x111c9;
  return was || (category >= Category::kPc && category <= Category::kPo && !is_in(kPunctuationSince8, c));
}

bool is_control_of_unicode_8(uint32_t c) {
  const Category category = category_of(c);
  return category >= Category::kCc && category <= Category::kCo && !is_in(kControlsSince8, c);
}

std::string normal_form(std::string_view text, Form form) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  size_t begin = 0;  // of what is normalized together
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.value == kBroken || is_since_unicode_9(c.value)) {
      out += library::normal_form(text.substr(begin, at - begin), form);
      out += text.substr(at, c.length);
      begin = at + c.length;
    }
    at += c.length;
  }
  out += library::normal_form(text.substr(begin), form);
  return out;
}

std::string map_characters(std::string_view text, const std::function<void(uint32_t, std::string&)>& change) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    c.value == kBroken ? out.push_back(text[at]) : change(c.value, out);
    at += c.length;
  }
  return out;
}

std::string lower_case(std::string_view text) {
  return map_characters(text, [](uint32_t c, std::string& out) {
    if (c == 0x130) return static_cast<void>(out += "i\xcc\x87");  // the one whose lower case is two characters
    for (const LaterCase& later : kLaterCases) {
      if (c >= later.first && c <= later.last) return append_utf8(out, later.lower + c - later.first);
    }
    append_utf8(out, library::lower_case(c));
  });
}

size_t grapheme_end(std::string_view text, size_t begin) {
  const CodePoint first = code_point_at(text, begin);
  return first.value == kBroken ? begin + first.length : library::grapheme_end(text, begin);
}

}  // namespace owlet::unicode
