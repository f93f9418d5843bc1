#include "tokenizer/regex.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "tokenizer/regex_engine.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr size_t kMaxPattern = 65536;
constexpr int kMaxNesting = 16;

// Scripts by name: Oniguruma means the characters of a script, PCRE2 those that it uses too, unless told.
constexpr std::string_view kScripts[] = {"Arabic", "Armenian", "Bengali", "Bopomofo", "Cyrillic", "Devanagari", "Georgian", "Greek", "Han",
                                         "Hangul", "Hebrew", "Hiragana", "Katakana", "Khmer", "Lao", "Latin", "Mongolian", "Myanmar",
                                         "Tamil", "Telugu", "Thai", "Tibetan"};

// Where characters lie that Unicode assigned after version 14.0: PCRE2 may be older than the table that we split by.
constexpr std::pair<uint32_t, uint32_t> kLaterCharacters[] = {
    {0x897, 0x897}, {0xcf3, 0xcf3}, {0xece, 0xece}, {0x1b4e, 0x1b4f}, {0x1b7f, 0x1b7f}, {0x1c89, 0x1c8a}, {0x2427, 0x2429},
    {0x2ffc, 0x2fff}, {0x31e4, 0x31ef}, {0xa7cb, 0xa7cd}, {0xa7da, 0xa7dc}, {0x105c0, 0x105f3}, {0x10d40, 0x10d8f}, {0x10ec2, 0x10eff},
    {0x1123f, 0x11241}, {0x11380, 0x113e2}, {0x116d0, 0x116e3}, {0x11b00, 0x11bf9}, {0x11f00, 0x11f5a}, {0x1342f, 0x1342f},
    {0x13439, 0x143fa}, {0x16100, 0x16139}, {0x16d40, 0x16d79}, {0x18cff, 0x18cff}, {0x1b132, 0x1b132}, {0x1b155, 0x1b155},
    {0x1cc00, 0x1ceb3}, {0x1d2c0, 0x1d2d3}, {0x1df25, 0x1df2a}, {0x1e030, 0x1e08f}, {0x1e4d0, 0x1e5ff}, {0x1f6dc, 0x1f6dc},
    {0x1f774, 0x1f77f}, {0x1f7d9, 0x1f7d9}, {0x1f8b2, 0x1f8c1}, {0x1fa75, 0x1fa77}, {0x1fa87, 0x1fa8f}, {0x1faad, 0x1faaf},
    {0x1fabb, 0x1fabf}, {0x1fac6, 0x1facf}, {0x1fada, 0x1fadf}, {0x1fae8, 0x1fae9}, {0x1faf7, 0x1faf8}, {0x1fbcb, 0x1fbef},
    {0x2b739, 0x2b739}, {0x2ebf0, 0x2ee5d}, {0x31350, 0x323af}};

// General categories by their names, in the order of unicode::Category.
constexpr std::string_view kCategories[unicode::kNumCategories] = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
                                                                   "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
                                                                   "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};

// The members of \p{name} among the later characters, as ranges for the inside of a class; nothing for what is no category.
std::string later_members(std::string_view name) {
  std::string members;
  const auto is_member = [&](uint32_t c) { return kCategories[static_cast<size_t>(unicode::category_of(c))].starts_with(name); };
  for (const auto& [first, last] : kLaterCharacters) {
    for (uint32_t c = first; c <= last && !name.empty(); ++c) {
      const uint32_t begin = c;
      while (c <= last && is_member(c)) ++c;
      if (c > begin) members += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", begin, c - 1);
    }
  }
  return members;
}

// White_Space, for the inside of a class: PCRE2's \s has U+180E too.
constexpr std::string_view kSpaces = "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";

// \p{name} for the inside of a class.
std::string category(std::string_view name) { return fmt::format("\\p{{{}}}{}", name, later_members(name)); }

// From Oniguruma's words to PCRE2's, where they differ: classes in classes, [a[bc]] and [a&&[^b]] (a union is written out, an
// intersection becomes a look-ahead); ^ and $ stand at the ends of every line; \w holds accents and all letters that are symbols, and
// outside of classes the five numbers of Latin-1 that are no digits; \h is a hexadecimal digit; x{2,3}+ is (?:x{2,3})+, not possessive.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> translate() {
    std::string out;
    size_t atom = 0;             // where the last thing that can be repeated begins
    std::vector<size_t> groups;  // where the open groups begin
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '{' && pattern_.find('}', at_) != std::string_view::npos) {
        repeat(out, atom);
        continue;
      }
      const bool quantifier = c == '?' || c == '*' || c == '+';
      if (!quantifier) atom = out.size();
      if (c == '(') {
        groups.push_back(out.size());
      } else if (c == ')' && !groups.empty()) {
        atom = groups.back();
        groups.pop_back();
      }
      if (c == '[') {
        OWLET_ASSIGN(const std::string expression, bracket(0));
        out += expression;
      } else {
        take(out, false);
      }
    }
    return out;
  }

 private:
  // {n,m}, and the plus that may follow.
  void repeat(std::string& out, size_t atom) {
    const size_t end = pattern_.find('}', at_) + 1;
    const bool plus = end < pattern_.size() && pattern_[end] == '+';
    if (plus) out.insert(atom, "(?:");
    out += pattern_.substr(at_, end - at_);
    if (plus) out += ")+";
    at_ = end + (plus ? 1 : 0);
  }

  static std::string word_members(bool in_class) {
    std::string members = category("L") + category("M") + category("Nd") + category("Nl") + category("Pc");
    members += "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}";
    return in_class ? members : members + "\\xb2\\xb3\\xb9\\xbc-\\xbe";
  }

  // What stands between characters, as what must and must not be on its sides: no place behind the last line's end begins a line.
  static std::string edge_of(std::string_view two) {
    if (two.starts_with('^')) return "(?<![^\\n])(?=\\n|[^\\n])";
    if (two.starts_with('$')) return "(?![^\\n])";
    if (two != "\\b" && two != "\\B") return {};
    const std::string word = "[" + word_members(false) + "]";
    const std::string is = "=" + word + ")", is_not = "!" + word + ")";
    if (two == "\\b") return "(?:(?<" + is + "(?" + is_not + "|(?<" + is_not + "(?" + is + ")";
    return "(?:(?<" + is + "(?" + is + "|(?<" + is_not + "(?" + is_not + ")";
  }

  // One character or what a backslash says.
  void take(std::string& out, bool in_class) {
    const std::string_view two = pattern_.substr(at_, 2);
    size_t n = two[0] == '\\' && two.size() == 2 ? 2 : 1;
    if (const std::string edge = in_class ? "" : edge_of(two); !edge.empty()) {
      out += edge;
    } else if (two == "\\s" || (two == "\\S" && !in_class)) {
      const std::string open = in_class ? "" : two == "\\S" ? "[^" : "[";
      out.append(open).append(kSpaces).append(in_class ? "" : "]");
    } else if (two == "\\h" || two == "\\d" || two == "\\w" || (two == "\\W" && !in_class)) {
      const std::string members = two == "\\h" ? "0-9a-fA-F" : two == "\\d" ? category("Nd") : word_members(in_class);
      out += in_class ? members : (two == "\\W" ? "[^" : "[") + members + "]";
    } else if ((two == "\\p" || two == "\\P") && pattern_.substr(at_ + 2, 1) == "{" && pattern_.find('}', at_) != std::string_view::npos) {
      n = pattern_.find('}', at_) + 1 - at_;
      const std::string_view name = pattern_.substr(at_ + 3, n - 4);
      const std::string later = two == "\\p" || !in_class ? later_members(name) : "";
      if (!later.empty()) {
        out += in_class ? category(name) : (two == "\\P" ? "[^" : "[") + category(name) + "]";
        at_ += n;
        return;
      }
      const bool script = std::find(std::begin(kScripts), std::end(kScripts), name) != std::end(kScripts);
      out.append(two).append(script ? "{sc:" : "{").append(name).append("}");
    } else {
      out += pattern_.substr(at_, n);
    }
    at_ += n;
  }

  Error broken() const {
    return corrupt("the pattern '{}' has a class without an end or of a form that is not read", pattern_);
  }

  // The inside of a class up to its ']', with the look-aheads that intersections become.
  Status inside(int depth, std::string& members, std::string& ahead) {
    for (bool first = true;; first = false) {
      if (at_ >= pattern_.size()) return broken();
      if (pattern_[at_] == ']' && !first) break;
      if (pattern_.substr(at_, 2) == "&&") {
        at_ += 2;
        if (at_ >= pattern_.size() || pattern_[at_] != '[') return broken();
        OWLET_ASSIGN(const std::string other, bracket(depth + 1));
        ahead += "(?=" + other + ")";
      } else if (pattern_.substr(at_, 2) == "[:") {
        const size_t end = pattern_.find(":]", at_);
        if (end == std::string_view::npos) return broken();
        const std::string_view name = pattern_.substr(at_, end + 2 - at_);
        members += name == "[:punct:]" ? category("P") + category("S") : std::string(name);
        at_ = end + 2;
      } else if (pattern_[at_] == '[') {
        if (pattern_.substr(at_, 2) == "[^" || depth >= kMaxNesting) return broken();
        ++at_;
        OWLET_TRY(inside(depth + 1, members, ahead));
      } else {
        take(members, true);
      }
    }
    ++at_;
    return {};
  }

  Result<std::string> bracket(int depth) {
    if (depth >= kMaxNesting) return broken();
    const bool negated = pattern_.substr(at_, 2) == "[^";
    at_ += negated ? 2 : 1;
    std::string members, ahead;
    OWLET_TRY(inside(depth, members, ahead));
    const std::string plain = (negated ? "[^" : "[") + members + "]";
    if (ahead.empty()) return plain;
    if (negated) return broken();
    return "(?:" + ahead + plain + ")";
  }

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) return make_error(ErrorCode::kTooLarge, "a pattern of {} bytes", pattern.size());
  OWLET_ASSIGN(const std::string translated, Translator(pattern).translate());
  auto code = regex_engine::compile(translated);
  if (!code.ok()) return make_error(ErrorCode::kUnsupported, "the pattern '{}' cannot be used: {}", pattern, code.error().message);
  Regex regex;
  regex.code_ = std::move(code).value();
  return regex;
}

Result<Regex> Regex::literal(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool word = static_cast<uint8_t>(c) >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (!word) escaped += '\\';
    escaped += c;
  }
  return compile(escaped);
}

Regex::Walk::Walk(const Regex& regex, std::string_view text) : regex_(&regex), text_(text) {
  for (size_t i = 0; i < text.size();) {
    const unicode::CodePoint c = unicode::code_point_at(text, i);
    if (c.value == unicode::kBroken) {
      if (clean_.empty()) clean_ = text;
      clean_[i] = '\1';
    }
    i += c.length;
  }
  if (!clean_.empty()) text_ = clean_;
  if (text_.empty()) at_ = 1;
  search_ = regex_engine::search(regex.code_.get(), text_);
}

bool Regex::Walk::next(Match& match) {
  while (at_ <= text_.size()) {
    if (!regex_engine::find(regex_->code_.get(), search_.get(), text_, at_, match)) break;
    if (match.begin == match.end && after_match_ && match.begin == at_) {  // nothing, right behind the last one
      if (at_ >= text_.size()) break;
      at_ += unicode::code_point_at(text_, at_).length;
      after_match_ = false;
      continue;
    }
    if (match.end < at_ || match.begin > match.end) break;  // \K and look-behind may say so
    at_ = match.end;
    after_match_ = true;
    return true;
  }
  at_ = text_.size() + 1;
  return false;
}

std::string replace_all(const Regex& regex, std::string_view text, std::string_view content, const std::function<void(RegexMatch)>& seen) {
  std::string out;
  size_t done = 0;
  Regex::Match match{};
  for (Regex::Walk walk(regex, text); walk.next(match);) {
    out.append(text.substr(done, match.begin - done)).append(content);
    done = match.end;
    if (seen) seen(match);
  }
  return out.append(text.substr(done));
}

}  // namespace owlet
