// What runs regular expressions: PCRE2 (native/), or in a browser its own RegExp (browser/).
#pragma once

#include <memory>
#include <string_view>

#include "core/result.h"
#include "tokenizer/regex.h"

namespace owlet::regex_engine {

// A pattern in PCRE2's words, with Unicode's classes. Errors say what is wrong in it, and where.
Result<std::shared_ptr<const void>> compile(std::string_view pattern);

// What searches of one text share; the text is UTF-8 and outlives it.
std::shared_ptr<void> search(const void* code, std::string_view text);

// The first match that begins at `from` or later; `from` grows from one call to the next. False: there is none, or finding it costs too much.
bool find(const void* code, void* search, std::string_view text, size_t from, RegexMatch& match);

}  // namespace owlet::regex_engine
