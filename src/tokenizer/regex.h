// Regular expressions of tokenizer.json, written for Oniguruma, run by PCRE2 or by a browser (regex_engine.h): Unicode classes, bounded work.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace owlet {

// Bytes of a text.
struct RegexMatch {
  size_t begin, end;
};

class Regex {
 public:
  // Errors name the pattern and what is wrong in it.
  static Result<Regex> compile(std::string_view pattern);
  // Matches exactly this text.
  static Result<Regex> literal(std::string_view text);

  using Match = RegexMatch;
  // A walk over the matches of one text, in order, none overlapping; an empty text has none. Bytes that are not UTF-8 count as one control
  // character each. A search that costs too much ends the walk: what is left counts as unmatched.
  class Walk {
   public:
    Walk(const Regex& regex, std::string_view text);
    bool next(Match& match);

   private:
    const Regex* regex_;
    std::string clean_;
    std::string_view text_;
    std::shared_ptr<void> search_;
    size_t at_ = 0;
    bool after_match_ = false;
  };

 private:
  std::shared_ptr<const void> code_;
};

// The text with every match replaced by `content`; `seen` hears of each.
std::string replace_all(const Regex& regex, std::string_view text, std::string_view content, const std::function<void(RegexMatch)>& seen = {});

}  // namespace owlet
