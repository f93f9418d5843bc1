#include "tokenizer/unicode_library.h"

#include <utf8proc.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "tokenizer/unicode.h"

namespace owlet::unicode::library {
namespace {

constexpr int kMostParts = 64;  // that one character decomposes into; Unicode's longest has 18

int combining_class(int32_t c) { return static_cast<int>(utf8proc_get_property(c)->combining_class); }

void decompose(uint32_t c, bool compatibility, std::vector<int32_t>& out) {
  int32_t parts[kMostParts];
  int boundary = 0;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  const auto n = utf8proc_decompose_char(static_cast<int32_t>(c), parts, kMostParts, options, &boundary);
  if (n > 0 && n <= kMostParts) {
    out.insert(out.end(), parts, parts + n);
  } else {
    out.push_back(static_cast<int32_t>(c));
  }
}

// Canonical ordering: accents on one character by their class, equal ones as they stood.
void order_accents(std::vector<int32_t>& text) {
  std::vector<std::tuple<int, size_t, int32_t>> marks;  // class, place, code point
  for (size_t begin = 0; begin < text.size();) {
    if (combining_class(text[begin]) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    marks.clear();
    for (size_t i = begin; i < end; ++i) marks.push_back({combining_class(text[i]), i, text[i]});
    std::sort(marks.begin(), marks.end());
    for (size_t i = begin; i < end; ++i) text[i] = std::get<2>(marks[i - begin]);
    begin = end;
  }
}

}  // namespace

std::string normal_form(std::string_view text, Form form) {
  const bool compatibility = form == Form::kNfkc || form == Form::kNfkd, compose = form == Form::kNfc || form == Form::kNfkc;
  std::vector<int32_t> run;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    decompose(c.value, compatibility, run);
    at += c.length;
  }
  order_accents(run);
  auto n = static_cast<ptrdiff_t>(run.size());
  if (compose && n > 0) {
    n = utf8proc_normalize_utf32(run.data(), n, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  }
  std::string out;
  for (ptrdiff_t i = 0; i < n; ++i) append_utf8(out, static_cast<uint32_t>(run[static_cast<size_t>(i)]));
  return out;
}

uint32_t lower_case(uint32_t code_point) { return static_cast<uint32_t>(utf8proc_tolower(static_cast<int32_t>(code_point))); }

size_t grapheme_end(std::string_view text, size_t begin) {
  CodePoint before = code_point_at(text, begin);
  size_t at = begin + before.length;
  utf8proc_int32_t state = 0;
  while (at < text.size()) {
    const CodePoint c = code_point_at(text, at);
    if (c.value == kBroken) break;
    if (utf8proc_grapheme_break_stateful(static_cast<int32_t>(before.value), static_cast<int32_t>(c.value), &state)) break;
    at += c.length;
    before = c;
  }
  return at;
}

}  // namespace owlet::unicode::library
