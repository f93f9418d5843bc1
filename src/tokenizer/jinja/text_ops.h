// Python's string methods on text that knows who wrote it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/marked_text.h"

namespace owlet::jinja {

// Without the characters of `characters` at its ends; white space (Unicode's) where that is null.
MarkedText strip(const MarkedText& text, const std::string_view* characters, bool left, bool right);
// At most `limit` cuts where it is not negative. A null separator: runs of white space, none at the ends.
std::vector<MarkedText> split(const MarkedText& text, const std::string_view* separator, int64_t limit);
std::vector<MarkedText> split_from_right(const MarkedText& text, std::string_view separator, int64_t limit);
std::vector<MarkedText> split_lines(const MarkedText& text, bool keep_ends);
// The first `limit` occurrences replaced, all where it is negative.
MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t limit);
// Of ASCII letters.
MarkedText to_upper(const MarkedText& text);
MarkedText to_lower(const MarkedText& text);
MarkedText title(const MarkedText& text);
// As Jinja's filter has it: "it's" is one word, what follows white space, a hyphen or an opening bracket is the next.
MarkedText title_of_words(const MarkedText& text);
MarkedText swap_case(const MarkedText& text);
MarkedText capitalize(const MarkedText& text);
// Some letter, and none of the other case.
bool is_upper(const MarkedText& text);
bool is_lower(const MarkedText& text);
// `margin` before all lines but the first (or it too) and but the blank ones.
MarkedText indent(const MarkedText& text, const MarkedText& margin, bool first, bool blank);
// & < > ' " as entities.
MarkedText escape_html(const MarkedText& text);
size_t count_characters(std::string_view text);

}  // namespace owlet::jinja
