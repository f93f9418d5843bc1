// Patterns in the words of PCRE2 become JavaScript's (ECMA-262, with the flag u). What means something else there, and what it does not
// have, is refused: the patterns that models' tokenizers name are cut by code of ours and never come here.
#include "tokenizer/regex_engine.h"

#include <emscripten.h>

#include <string>

// Objects of JavaScript are known by their place in a list.
EM_JS(int, owlet_regex_compile, (const char* pattern, size_t n), {
  const list = Module.owletRegexes ??= [];
  try {
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(HEAPU8.slice(pattern, pattern + n));
    list.push(new RegExp(text, 'gu'));
    return list.length - 1;
  } catch (error) {
    return -1;
  }
});
EM_JS(void, owlet_regex_free, (int at), { Module.owletRegexes[at] = null; });
EM_JS(int, owlet_regex_search, (const char* text, size_t n), {
  const list = Module.owletRegexes;
  list.push({ text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(HEAPU8.slice(text, text + n)), unit: 0, byte: 0 });
  return list.length - 1;
});
// Searches end in the order they began in reverse, mostly: their places are taken again.
EM_JS(void, owlet_regex_end_search, (int at), {
  const list = Module.owletRegexes;
  list[at] = null;
  while (list.length > 0 && list[list.length - 1] === null) list.pop();
});
EM_JS(int, owlet_regex_find, (int code, int at, size_t from, size_t* ends), {
  const regex = Module.owletRegexes[code];
  const search = Module.owletRegexes[at];
  // Steps over whole characters, of one to four bytes in one or two units of sixteen bits.
  const step = (place) => {
    const c = search.text.codePointAt(place.unit);
    place.unit += c > 0xffff ? 2 : 1;
    place.byte += c < 0x80 ? 1 : c < 0x800 ? 2 : c > 0xffff ? 4 : 3;
  };
  while (search.byte < from) step(search);
  regex.lastIndex = search.unit;
  const found = regex.exec(search.text);
  if (found === null) return 0;
  const place = { unit: search.unit, byte: search.byte };
  while (place.unit < found.index) step(place);
  HEAPU32[ends >> 2] = place.byte;
  while (place.unit < found.index + found[0].length) step(place);
  HEAPU32[(ends >> 2) + 1] = place.byte;
  return 1;
});

namespace owlet::regex_engine {
namespace {

int place_of(const void* object) { return *static_cast<const int*>(object); }

// \p{sc:Han} → \p{Script=Han}, \x{41} → \u{41}, no escapes of what needs none; "." as PCRE2 takes it.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> translate() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        OWLET_TRY(escape());
        continue;
      }
      if (in_class_ && pattern_.substr(at_, 2) == "[:") return refused("a named class");
      ++at_;
      if (!in_class_ && c == '[') {
        in_class_ = true;
        out_ += c;
        if (pattern_.substr(at_, 1) == "^") out_ += pattern_[at_++];
        if (pattern_.substr(at_, 1) == "]") {  // the first is a member
          out_ += "\\]";
          ++at_;
        }
      } else if (in_class_) {
        in_class_ = c != ']';
        out_ += c;
      } else if (c == '.') {
        out_ += "[^\\n]";
      } else {
        out_ += c;
      }
    }
    return std::move(out_);
  }

 private:
  Error refused(std::string_view what) const {
    return make_error(ErrorCode::kUnsupported, "a browser's regular expressions do not have {} at {}", what, at_);
  }

  Status escape() {
    if (at_ + 1 >= pattern_.size()) return refused("a backslash at the end");
    const char c = pattern_[at_ + 1];
    const std::string_view rest = pattern_.substr(at_ + 2);
    at_ += 2;
    if (std::string_view("^$\\.*+?()[]{}|/nrtfv0123456789").find(c) != std::string_view::npos) {
      out_.append("\\").append(1, c);
    } else if (c == 'x' && rest.starts_with('{')) {
      out_ += "\\u";
    } else if (c == 'x') {
      out_ += "\\x";
    } else if ((c == 'p' || c == 'P') && rest.starts_with('{')) {
      const bool script = rest.starts_with("{sc:");
      out_.append("\\").append(1, c).append(script ? "{Script=" : "{");
      at_ += script ? 4 : 1;
    } else if ((c == 'p' || c == 'P') && !rest.empty()) {
      out_.append("\\").append(1, c).append("{").append(1, rest[0]).append("}");
      ++at_;
    } else if (c == 'D') {
      out_ += "\\P{Nd}";
    } else if (c == '-') {
      out_ += in_class_ ? "\\-" : "-";
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      at_ -= 2;
      return refused(std::string("\\") + c);
    } else {
      out_ += c;
    }
    return {};
  }

  std::string_view pattern_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

Result<std::shared_ptr<const void>> compile(std::string_view pattern) {
  OWLET_ASSIGN(const std::string translated, Translator(pattern).translate());
  const int place = owlet_regex_compile(translated.data(), translated.size());
  if (place < 0) return make_error(ErrorCode::kUnsupported, "it is not one that a browser reads");
  return std::shared_ptr<const void>(new int(place), [](const void* p) {
    owlet_regex_free(place_of(p));
    delete static_cast<const int*>(p);
  });
}

std::shared_ptr<void> search(const void*, std::string_view text) {
  return std::shared_ptr<void>(new int(owlet_regex_search(text.data(), text.size())), [](void* p) {
    owlet_regex_end_search(place_of(p));
    delete static_cast<int*>(p);
  });
}

bool find(const void* code, void* search, std::string_view, size_t from, RegexMatch& match) {
  size_t ends[2] = {};
  if (owlet_regex_find(place_of(code), place_of(search), from, ends) == 0) return false;
  match = {ends[0], ends[1]};
  return true;
}

}  // namespace owlet::regex_engine
