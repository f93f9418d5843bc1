#include "tokenizer/jinja/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tokenizer/jinja/text_ops.h"
#include "tokenizer/unicode.h"

namespace owlet::jinja {
namespace {

constexpr int64_t kMostDigits = 300;  // after the point

// How a value is to be written: [[fill]align][sign][#][0][width][,][.precision][type].
struct FormatSpec {
  std::string fill = " ";
  char align = 0, sign = '-', type = 0;
  bool alternate = false, comma = false;
  int64_t width = 0, precision = -1;
};

class SpecReader {
 public:
  explicit SpecReader(std::string_view text) : text_(text) {}
  bool done() const { return at_ >= text_.size(); }
  bool accept(char c) { return !done() && text_[at_] == c ? ++at_, true : false; }
  char accept_any(std::string_view set) { return !done() && set.find(text_[at_]) != std::string_view::npos ? text_[at_++] : '\0'; }
  int64_t number(int64_t otherwise) {
    int64_t value = otherwise;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) throw Failure("Too many decimal digits in format string");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  // A fill and the alignment after it, or the alignment alone.
  void alignment(FormatSpec& spec) {
    if (done()) return;
    const size_t length = unicode::code_point_at(text_, at_).length;
    if (at_ + length < text_.size() && std::string_view("<>^=").find(text_[at_ + length]) != std::string_view::npos) {
      spec.fill = text_.substr(at_, length);
      at_ += length;
    }
    spec.align = accept_any("<>^=");
  }
  size_t at() const { return at_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

FormatSpec read_spec(std::string_view text) {
  FormatSpec spec;
  SpecReader reader(text);
  reader.alignment(spec);
  if (const char sign = reader.accept_any("+- ")) spec.sign = sign;
  spec.alternate = reader.accept('#');
  if (reader.accept('0') && !spec.align) spec.fill = "0", spec.align = '=';
  spec.width = reader.number(0);
  spec.comma = reader.accept(',');
  if (reader.accept('.')) spec.precision = reader.number(-1);
  spec.type = reader.accept_any("sdxXobeEfFgG%n");
  if (!reader.done()) throw Failure(fmt::format("Invalid format specifier '{}'", text));
  return spec;
}

std::string with_commas(std::string digits) {
  const size_t first = digits.find_first_of("0123456789");
  const size_t end = std::min(digits.find_first_not_of("0123456789", first), digits.size());
  for (size_t at = end; at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

// A number without its filling.
std::string number_text(const Value& value, const FormatSpec& spec) {
  const std::string signs = std::string(1, spec.sign) + (spec.alternate ? "#" : "");
  const bool whole = spec.type ? std::string_view("dxXobn").find(spec.type) != std::string_view::npos : !value.is_float();
  std::string text;
  if (whole) {
    const char type = spec.type == 'n' || !spec.type ? 'd' : spec.type;
    text = fmt::format(fmt::runtime("{:" + signs + type + "}"), value.as_int());
  } else if (!spec.type && spec.precision < 0) {
    text = float_repr(value.as_double());
    if (spec.sign != '-' && !std::signbit(value.as_double())) text.insert(0, 1, spec.sign);
  } else {
    const char type = spec.type == '%' ? 'f' : spec.type ? spec.type : 'g';
    const int64_t precision = std::clamp<int64_t>(spec.precision < 0 ? 6 : spec.precision, 0, kMostDigits);
    const double number = value.as_double() * (spec.type == '%' ? 100 : 1);
    text = fmt::format(fmt::runtime("{:" + signs + "." + std::to_string(precision) + type + "}"), number);
    if (spec.type == '%') text += '%';
  }
  return spec.comma ? with_commas(std::move(text)) : text;
}

MarkedText first_characters(const MarkedText& text, int64_t n) {
  size_t at = 0;
  for (; n > 0 && at < text.bytes().size(); --n) at += unicode::code_point_at(text.bytes(), at).length;
  return text.substr(0, at);
}

MarkedText written(Interpreter& interpreter, const Value& value, const FormatSpec& spec, char usual_align) {
  const bool as_number = value.is_number() && !(value.is_bool() && !spec.type) && spec.type != 's';
  if (!as_number && spec.type && spec.type != 's') {
    throw Failure(fmt::format("Unknown format code '{}' for object of type '{}'", spec.type, value.type_name()));
  }
  interpreter.charge(value.weight());
  MarkedText text = as_number ? MarkedText(number_text(value, spec), true) : value.str();
  if (!as_number && spec.precision >= 0) text = first_characters(text, spec.precision);
  char align = spec.align ? spec.align : as_number ? '>' : usual_align;
  if (align == '=') {
    const bool signed_text = as_number && std::string_view("+- ").find(text.bytes()[0]) != std::string_view::npos;
    if (signed_text) {
      MarkedText out = text.substr(0, 1);
      out.append(padded(interpreter, text.substr(1), spec.width - 1, spec.fill, '>'));
      return out;
    }
    align = as_number ? '>' : '<';
  }
  return padded(interpreter, text, spec.width, spec.fill, align);
}

// One replacement field: what stands between the braces.
class Field {
 public:
  Field(Interpreter& interpreter, const Arguments& arguments, int64_t& next) : interpreter_(interpreter), arguments_(arguments), next_(next) {}

  MarkedText text(std::string_view field) {
    const size_t colon = field.find(':');
    std::string_view name = field.substr(0, colon);
    const std::string_view spec = colon == std::string_view::npos ? "" : field.substr(colon + 1);
    const size_t mark = name.find('!');
    const std::string_view conversion = mark == std::string_view::npos ? "" : name.substr(mark + 1);
    const Value value = look_up(name.substr(0, mark));
    if (!conversion.empty() && conversion != "r" && conversion != "s") throw Failure(fmt::format("Unknown conversion specifier '{}'", conversion));
    interpreter_.charge(value.weight());
    if (conversion == "r") return written(interpreter_, value.repr(), read_spec(spec), '<');
    return written(interpreter_, conversion == "s" ? Value(value.str()) : value, read_spec(spec), '<');
  }

 private:
  // "", "0" or "name", and after it "[key]" any number of times.
  Value look_up(std::string_view name) {
    const size_t bracket = std::min(name.find('['), name.size());
    const std::string_view first = name.substr(0, bracket);
    if (first.find('.') != std::string_view::npos) throw Failure("attributes of values are not for texts to read");
    Value value = argument(first);
    for (std::string_view rest = name.substr(bracket); !rest.empty();) {
      const size_t end = rest.find(']');
      if (rest[0] != '[' || end == std::string_view::npos) throw Failure("expected '}' before end of string");
      value = element(value, rest.substr(1, end - 1));
      rest = rest.substr(end + 1);
    }
    return value;
  }

  Value argument(std::string_view name) {
    const bool number = name.empty() || std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    int64_t place = next_;
    if (name.empty()) {
      ++next_;
    } else if (number && std::from_chars(name.data(), name.data() + name.size(), place).ec != std::errc()) {
      throw Failure("Too many decimal digits in format string");
    }
    if (number) {
      if (place >= static_cast<int64_t>(arguments_.positional.size())) {
        throw Failure(fmt::format("Replacement index {} out of range for positional args tuple", place));
      }
      return arguments_.positional[static_cast<size_t>(place)];
    }
    const Value* found = arguments_.find(SIZE_MAX, name);
    if (!found) throw Failure(fmt::format("'{}'", name));
    return *found;
  }

  Value element(const Value& value, std::string_view key) const {
    int64_t index = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    const bool number = error == std::errc() && end == key.data() + key.size();
    if (value.is_list() && number && index >= 0 && index < static_cast<int64_t>(value.as_list().items.size())) {
      return value.as_list().items[static_cast<size_t>(index)];
    }
    const Value* found = value.is_dict() ? value.as_dict().find(number ? Value(index) : Value::trusted(key)) : nullptr;
    if (!found) throw Failure(fmt::format("'{}'", key));
    return *found;
  }

  Interpreter& interpreter_;
  const Arguments& arguments_;
  int64_t& next_;
};

// "%(name)-05.2d" and its like, in turn.
class PercentFormat {
 public:
  PercentFormat(Interpreter& interpreter, const MarkedText& text, const Value& values)
      : interpreter_(interpreter), text_(text), bytes_(text.bytes()), values_(values), is_tuple_(values.is_list() && values.as_list().tuple) {}

  MarkedText text() {
    MarkedText out;
    while (at_ < bytes_.size()) {
      const size_t percent = std::min(bytes_.find('%', at_), bytes_.size());
      out.append(text_.substr(at_, percent - at_));
      at_ = percent + 1;
      if (percent < bytes_.size()) out.append(field());
    }
    const bool has_items = values_.is_dict() || values_.is_list() || values_.is_undefined();  // nobody asks whether all are used
    const bool unused = is_tuple_ ? used_ < values_.as_list().items.size() : !has_items && used_ == 0;
    if (unused) throw Failure("not all arguments converted during string formatting");
    return out;
  }

 private:
  MarkedText field() {
    const Value* by_name = named();
    SpecReader reader(bytes_.substr(at_));
    FormatSpec spec = read_flags(reader);
    spec.width = reader.number(0);
    if (reader.accept('.')) spec.precision = reader.number(0);
    const char type = reader.accept_any("srdiuxXoeEfFgG%");
    if (!type) throw Failure("unsupported or incomplete format");
    at_ += reader.at();
    if (type == '%') return MarkedText("%", true);
    return converted(by_name ? *by_name : next(), std::move(spec), type);
  }

  // The value of "(name)", if that comes.
  const Value* named() {
    if (at_ >= bytes_.size() || bytes_[at_] != '(') return nullptr;
    const size_t end = bytes_.find(')', at_);
    if (end == std::string_view::npos || !values_.is_dict()) throw Failure("format requires a mapping");
    const std::string_view name = bytes_.substr(at_ + 1, end - at_ - 1);
    const Value* found = values_.as_dict().find(Value::trusted(name));
    if (!found) throw Failure(fmt::format("'{}'", name));
    at_ = end + 1;
    return found;
  }
  const Value& next() {
    if (used_ >= (is_tuple_ ? values_.as_list().items.size() : 1)) throw Failure("not enough arguments for format string");
    ++used_;
    return is_tuple_ ? values_.as_list().items[used_ - 1] : values_;
  }

  static FormatSpec read_flags(SpecReader& reader) {
    FormatSpec spec;
    spec.align = '>';
    while (const char flag = reader.accept_any("#0- +")) {
      if (flag == '#') spec.alternate = true;
      if (flag == '-') spec.align = '<', spec.fill = " ";
      if (flag == '0' && spec.align != '<') spec.align = '=', spec.fill = "0";
      if (flag == ' ' || flag == '+') spec.sign = flag;
    }
    return spec;
  }

  MarkedText converted(Value value, FormatSpec spec, char type) {
    interpreter_.charge(value.weight());
    const bool as_text = type == 's' || type == 'r', whole = type == 'd' || type == 'i' || type == 'u';
    if (!as_text && !value.is_number()) throw Failure(fmt::format("%{} format: a real number is required, not {}", type, value.type_name()));
    if (whole && value.is_float()) value = Value(static_cast<int64_t>(std::clamp(value.as_double(), -9e18, 9e18)));
    if (type == 'r') value = Value(value.repr());
    spec.type = as_text ? 's' : whole ? 'd' : type;
    return written(interpreter_, value, spec, '>');
  }

  Interpreter& interpreter_;
  const MarkedText& text_;
  const std::string_view bytes_;
  const Value& values_;
  const bool is_tuple_;
  size_t at_ = 0, used_ = 0;
};

}  // namespace

MarkedText padded(Interpreter& interpreter, const MarkedText& text, int64_t width, std::string_view fill, char align) {
  const int64_t missing = std::max<int64_t>(0, width - static_cast<int64_t>(count_characters(text.bytes())));
  interpreter.charge(static_cast<size_t>(std::min<int64_t>(missing, int64_t{1} << 40)) * fill.size());
  const int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (align == 'c' ? missing & width & 1 : 0);
  MarkedText out;
  for (int64_t i = 0; i < left; ++i) out.append(fill, true);
  out.append(text);
  for (int64_t i = left; i < missing; ++i) out.append(fill, true);
  return out;
}

MarkedText format_braces(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments) {
  const std::string_view bytes = text.bytes();
  int64_t next = 0;
  Field field(interpreter, arguments, next);
  MarkedText out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    out.append(text.substr(at, brace - at));
    if (brace == bytes.size()) break;
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
      out.append(text.substr(brace, 1));
      at = brace + 2;
      continue;
    }
    if (bytes[brace] == '}') throw Failure("Single '}' encountered in format string");
    const size_t end = bytes.find('}', brace);
    if (end == std::string_view::npos) throw Failure("Single '{' encountered in format string");
    out.append(field.text(bytes.substr(brace + 1, end - brace - 1)));
    at = end + 1;
  }
  return out;
}

MarkedText format_percent(Interpreter& interpreter, const MarkedText& text, const Value& values) {
  return PercentFormat(interpreter, text, values).text();
}

}  // namespace owlet::jinja
