#include "tokenizer/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "tokenizer/jinja/value.h"
#include "tokenizer/unicode.h"

namespace owlet::jinja {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Lexer {
 public:
  explicit Lexer(const std::string& source) {
    for (size_t i = 0; i < source.size(); ++i) {  // newlines of all systems are "\n"
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const size_t tag = next_tag(at_);
      text(at_, tag);
      if (tag == source_.size()) break;
      const char kind = source_[tag + 1];
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      at_ = tag + (sign == '-' || sign == '+' ? 3 : 2);
      if (kind == '#') {
        comment();
      } else {
        push(kind == '{' ? Token::Kind::kPrintBegin : Token::Kind::kBlockBegin, "");
        expression(kind == '{' ? '}' : '%');
        if (is_raw()) raw();
      }
    }
    push(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Failure(fmt::format("line {}: {}", line_, what)); }

  void push(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  size_t next_tag(size_t from) const {
    for (size_t i = source_.find('{', from); i != std::string::npos; i = source_.find('{', i + 1)) {
      if (i + 1 < source_.size() && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) return i;
    }
    return source_.size();
  }

  // Text up to a tag, without the white space that the tag at its end takes.
  void text(size_t begin, size_t end) {
    size_t kept = end;
    const char kind = end + 1 < source_.size() ? source_[end + 1] : '\0';
    const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
    if (kind && sign == '-') {
      while (kept > begin && is_space(source_[kept - 1])) --kept;
    } else if ((kind == '%' || kind == '#') && sign != '+') {
      size_t line_start = end;
      while (line_start > begin && is_space(source_[line_start - 1]) && source_[line_start - 1] != '\n') --line_start;
      const bool whole_line = line_start == 0 || source_[line_start - 1] == '\n';
      if (whole_line) kept = line_start;
    }
    if (kept > begin) push(Token::Kind::kText, source_.substr(begin, kept - begin));
    count_lines(begin, end);
  }

  void count_lines(size_t begin, size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(begin),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  }

  // White space after a tag: all of it after "-", else the newline after a block or comment.
  void after_tag(char sign, bool trims_newline) {
    const size_t begin = at_;
    if (sign == '-') {
      while (at_ < source_.size() && is_space(source_[at_])) ++at_;
    } else if (trims_newline && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    count_lines(begin, at_);
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail("this comment has no end");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    count_lines(at_, end);
    at_ = end + 2;
    after_tag(sign, true);
  }

  bool is_raw() const {
    const size_t n = tokens_.size();
    return n >= 3 && tokens_[n - 1].kind == Token::Kind::kBlockEnd && tokens_[n - 2].text == "raw" &&
           tokens_[n - 3].kind == Token::Kind::kBlockBegin;
  }

  // {% raw %} … {% endraw %}: its tags vanish, what is between is text.
  void raw() {
    tokens_.resize(tokens_.size() - 3);
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 2)) {
      size_t name = tag + 2;
      while (name < source_.size() && (is_space(source_[name]) || source_[name] == '-' || source_[name] == '+')) ++name;
      if (source_.compare(name, 6, "endraw") != 0) continue;
      text(at_, tag);
      at_ = tag + (source_[tag + 2] == '-' || source_[tag + 2] == '+' ? 3 : 2);
      expression('%');
      tokens_.resize(tokens_.size() - 2);
      return;
    }
    fail("this raw block has no endraw");
  }

  // The tokens of a tag up to its end: "}}" or "%}", with a sign before.
  void expression(char closer) {
    int open = 0;  // brackets: "}}" may close two dicts
    while (true) {
      while (at_ < source_.size() && is_space(source_[at_])) line_ += source_[at_++] == '\n';
      if (at_ >= source_.size()) fail("this tag has no end");
      const char c = source_[at_];
      const size_t sign = c == '-' || c == '+' ? 1 : 0;
      if (open == 0 && at_ + sign + 1 < source_.size() && source_[at_ + sign] == closer && source_[at_ + sign + 1] == '}') {
        push(closer == '}' ? Token::Kind::kPrintEnd : Token::Kind::kBlockEnd, "");
        at_ += sign + 2;
        return after_tag(sign ? c : '\0', closer == '%');
      }
      if (is_name_start(c)) {
        name();
      } else if (is_digit(c)) {
        number();
      } else if (c == '"' || c == '\'') {
        string(c);
      } else {
        open += symbol();
      }
    }
  }

  void name() {
    const size_t begin = at_;
    while (at_ < source_.size() && (is_name_start(source_[at_]) || is_digit(source_[at_]))) ++at_;
    push(Token::Kind::kName, source_.substr(begin, at_ - begin));
  }

  void number() {
    const size_t begin = at_;
    const std::string_view prefix = std::string_view(source_).substr(at_, 2);
    const int base = prefix == "0x" || prefix == "0X" ? 16 : prefix == "0o" || prefix == "0O" ? 8 : prefix == "0b" || prefix == "0B" ? 2 : 10;
    bool is_float = false;
    if (base != 10) {
      at_ += 2;
      while (at_ < source_.size() && (std::isxdigit(static_cast<unsigned char>(source_[at_])) || source_[at_] == '_')) ++at_;
    } else {
      digits();
      if (at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1])) {
        is_float = true;
        ++at_;
        digits();
      }
      is_float |= exponent();
    }
    std::string text = source_.substr(begin, at_ - begin);
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    if (text.size() > 18) fail(fmt::format("the number {}… is too long", text.substr(0, 18)));
    if (base == 10) return push(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, std::move(text));
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) fail(fmt::format("{} is no number", text));
    push(Token::Kind::kInteger, std::to_string(value));
  }

  void digits() {
    while (at_ < source_.size() && (is_digit(source_[at_]) || source_[at_] == '_')) ++at_;
  }
  // "e5", "E-3": true where one stands here.
  bool exponent() {
    size_t at = at_;
    if (at >= source_.size() || (source_[at] != 'e' && source_[at] != 'E')) return false;
    ++at;
    if (at < source_.size() && (source_[at] == '+' || source_[at] == '-')) ++at;
    if (at >= source_.size() || !is_digit(source_[at])) return false;
    at_ = at;
    digits();
    return true;
  }

  void string(char quote) {
    const int line = line_;
    std::string text;
    for (++at_;; ++at_) {
      if (at_ >= source_.size()) fail("this string has no end");
      const char c = source_[at_];
      if (c == quote) break;
      if (c == '\n') ++line_;
      if (c == '\\' && at_ + 1 < source_.size()) {
        ++at_;
        escape(text);
      } else {
        text += c;
      }
    }
    ++at_;
    tokens_.push_back({Token::Kind::kString, std::move(text), line});
  }

  // Python's escapes; at_ stands on the character after the backslash.
  void escape(std::string& text) {
    static constexpr std::string_view kNames = "nrtbfav0\\'\"", kMeanings{"\n\r\t\b\f\a\v\0\\'\"", 11};
    const char c = source_[at_];
    if (const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0; digits > 0) {
      const std::string hex = source_.substr(at_ + 1, digits);
      if (hex.size() < digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) fail("a broken escape");
      const unsigned long code = std::stoul(hex, nullptr, 16);
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) fail("an escape that is no character");
      unicode::append_utf8(text, static_cast<uint32_t>(code));
      at_ += digits;
    } else if (const size_t i = kNames.find(c); i != std::string_view::npos) {
      text += kMeanings[i];
    } else if (c != '\n') {
      text += '\\';
      text += c;
    }
  }

  // +1 for an opening bracket, −1 for a closing one.
  int symbol() {
    for (const std::string_view two : {"==", "!=", "<=", ">=", "//", "**"}) {
      if (source_.compare(at_, 2, two) == 0) {
        push(Token::Kind::kSymbol, std::string(two));
        at_ += 2;
        return 0;
      }
    }
    const char c = source_[at_];
    if (std::string_view("+-*/%~<>=()[]{},.:|").find(c) == std::string_view::npos) fail(fmt::format("unexpected '{}'", c));
    push(Token::Kind::kSymbol, std::string(1, c));
    ++at_;
    return c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(const std::string& source) { return Lexer(source).run(); }

}  // namespace owlet::jinja
