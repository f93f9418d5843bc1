// The filters and tests that chat templates use, as Jinja defines them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "tokenizer/jinja/filters.h"
#include "tokenizer/jinja/format.h"
#include "tokenizer/jinja/text_ops.h"
#include "tokenizer/unicode.h"

namespace owlet::jinja {

bool flag(const Arguments& arguments, size_t place, std::string_view name, bool otherwise) {
  const Value* value = arguments.find(place, name);
  return value ? value->truthy() : otherwise;
}
int64_t number(const Arguments& arguments, size_t place, std::string_view name, int64_t otherwise) {
  const Value* value = arguments.find(place, name);
  return value && !value->is_none() ? value->as_int() : otherwise;
}
Value attribute_of(Interpreter& interpreter, const Value& item, const Value& attribute) {
  if (!attribute.is_string()) {
    const std::vector<Value> elements = elements_of(interpreter, item);
    const int64_t i = attribute.as_int();
    return i >= 0 && i < static_cast<int64_t>(elements.size()) ? elements[static_cast<size_t>(i)] : Value();
  }
  Value value = item;
  const std::string_view dot = ".";
  for (const MarkedText& name : split(attribute.text(), &dot, -1)) {
    if (!value.is_dict()) return Value::undefined(fmt::format("'{}' has no attribute '{}'", value.type_name(), name.bytes()));
    interpreter.charge(value.as_dict().entries.size());
    const Value* found = value.as_dict().find(name);
    value = found ? *found : Value::undefined(fmt::format("there is no '{}'", name.bytes()));
  }
  return value;
}

bool comes_before(const Value& a, const Value& b, bool case_sensitive) {
  if (!case_sensitive && a.is_string() && b.is_string()) return to_lower(a.text()).bytes() < to_lower(b.text()).bytes();
  return less(a, b);
}

std::vector<Value> sorted(std::vector<Value> items, const std::vector<Value>& keys, bool case_sensitive, bool reverse) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Value &x = keys[reverse ? b : a], &y = keys[reverse ? a : b];
    if (x.is_undefined() && y.is_undefined()) return a < b;
    if (comes_before(x, y, case_sensitive)) return true;
    return a < b && !comes_before(y, x, case_sensitive);
  });
  std::vector<Value> out;
  for (const size_t i : order) out.push_back(std::move(items[i]));
  return out;
}

namespace {

[[noreturn]] void wrong(const char* what, const Value& value) {
  throw Failure(fmt::format("{}, not '{}'", what, value.type_name()));
}

Value length_of(Interpreter&, const Value& value, const Arguments&) {
  if (value.is_string()) return static_cast<int64_t>(count_characters(value.text().bytes()));
  if (value.is_list() && !value.as_list().generator) return static_cast<int64_t>(value.as_list().items.size());
  if (value.is_dict()) return static_cast<int64_t>(value.as_dict().entries.size());
  if (value.is_undefined()) return int64_t{0};
  throw Failure(fmt::format("object of type '{}' has no len()", value.type_name()));
}

Value trim(Interpreter&, const Value& value, const Arguments& arguments) {
  const Value* characters = arguments.find(0, "chars");
  const MarkedText text = value.str();
  if (!characters || characters->is_none()) return strip(text, nullptr, true, true);
  const std::string_view set = characters->text().bytes();
  return strip(text, &set, true, true);
}

Value default_value(Interpreter&, const Value& value, const Arguments& arguments) {
  const bool use = value.is_undefined() || (flag(arguments, 1, "boolean", false) && !value.truthy());
  if (!use) return value;
  const Value* other = arguments.find(0, "default_value");
  return other ? *other : MarkedText();
}

Value join(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value* separator = arguments.find(0, "d");
  const Value* attribute = arguments.find(1, "attribute");
  MarkedText out;
  bool first = true;
  const std::vector<Value> items = elements_of(interpreter, value);
  if (separator) interpreter.charge(items.size() * separator->weight());
  for (const Value& item : items) {
    if (!std::exchange(first, false) && separator) out.append(separator->str());
    out.append(attribute ? attribute_of(interpreter, item, *attribute).str() : item.str());
  }
  return out;
}

Value tojson(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  JsonStyle style;
  const Value* indent = arguments.find(1, "indent");
  if (indent && !indent->is_none()) {
    style.indent = static_cast<int>(std::clamp<int64_t>(indent->as_int(), 0, 64));
    style.item_separator = ",";
  }
  style.ensure_ascii = flag(arguments, 0, "ensure_ascii", false);
  style.sort_keys = flag(arguments, 3, "sort_keys", false);
  if (const Value* separators = arguments.find(2, "separators"); separators && !separators->is_none()) {
    const std::vector<Value> both = elements_of(interpreter, *separators);
    if (both.size() != 2 || !both[0].is_string() || !both[1].is_string()) throw Failure("separators must be two strings");
    style.item_separator = both[0].text().bytes();
    style.key_separator = both[1].text().bytes();
  }
  // Every element may begin a line as deep as the value is, and ends with a separator.
  const size_t margin = style.indent < 0 ? 0 : static_cast<size_t>(style.indent) * static_cast<size_t>(value.depth());
  interpreter.charge(value.weight() / 8 * (margin + style.item_separator.size() + style.key_separator.size()));
  return to_json(value, style);
}

Value replace_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value *from = arguments.find(0, "old"), *to = arguments.find(1, "new");
  if (!from || !to) throw Failure("replace needs what to replace and by what");
  const MarkedText text = value.str();
  interpreter.charge_search(value, *from);
  interpreter.charge((text.bytes().size() + 1) * to->weight());
  return replace(text, from->str().bytes(), to->str(), number(arguments, 2, "count", -1));
}

// select, reject, selectattr, rejectattr: a test by name, of each item or of its attribute.
Value select(Interpreter& interpreter, const Value& value, const Arguments& arguments, bool by_attribute, bool wanted) {
  interpreter.charge(arguments.positional.size() * sizeof(Value));
  Arguments rest = arguments;
  const auto next = [&](const char* what) {
    if (rest.positional.empty()) throw Failure(fmt::format("{} is missing", what));
    Value first = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return first;
  };
  const Value attribute = by_attribute ? next("the attribute") : Value();
  const std::string test = rest.positional.empty() ? "" : next("the test").text().bytes();
  std::vector<Value> kept;
  if (!value.truthy()) return Value::list({}, true);  // none, too, selects nothing
  for (const Value& item : elements_of(interpreter, value)) {
    interpreter.charge(64);
    const Value subject = by_attribute ? attribute_of(interpreter, item, attribute) : item;
    if ((test.empty() ? subject.truthy() : apply_test(interpreter, test, subject, rest)) == wanted) kept.push_back(item);
  }
  return Value::list(std::move(kept), true);
}

Value map_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  std::vector<Value> mapped;
  const Value* attribute = arguments.find(SIZE_MAX, "attribute");
  const Value* otherwise = arguments.find(SIZE_MAX, "default");
  if (!attribute && arguments.positional.empty()) throw Failure("map needs a filter or an attribute");
  interpreter.charge(arguments.positional.size() * sizeof(Value));
  Arguments rest = arguments;
  if (!attribute) rest.positional.erase(rest.positional.begin());
  if (!value.truthy()) return Value::list({}, true);
  for (const Value& item : elements_of(interpreter, value)) {
    interpreter.charge(64);
    Value result = attribute ? attribute_of(interpreter, item, *attribute)
                             : apply_filter(interpreter, arguments.positional[0].text().bytes(), item, rest);
    mapped.push_back(result.is_undefined() && otherwise ? *otherwise : std::move(result));
  }
  return Value::list(std::move(mapped), true);
}

Value sort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const bool reverse = flag(arguments, 0, "reverse", false), exact = flag(arguments, 1, "case_sensitive", false);
  const Value* attribute = arguments.find(2, "attribute");
  std::vector<Value> items = elements_of(interpreter, value);
  interpreter.charge(items.size() * 64 * 16);
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(attribute ? attribute_of(interpreter, item, *attribute) : item);
  return Value::list(sorted(std::move(items), keys, exact, reverse));
}

Value items_of(Interpreter&, const Value& value, const Arguments&) {
  if (value.is_undefined()) return Value::list({}, true);
  if (!value.is_dict()) throw Failure("Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.as_dict().entries) pairs.push_back(Value::tuple({key, item}));
  return Value::list(std::move(pairs), true);
}

Value dictsort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  if (!value.is_dict()) wrong("dictsort needs a mapping", value);
  const bool exact = flag(arguments, 0, "case_sensitive", false), reverse = flag(arguments, 2, "reverse", false);
  const Value* by = arguments.find(1, "by");
  const size_t place = by && by->text().bytes() == "value" ? 1 : 0;
  std::vector<Value> pairs = elements_of(interpreter, items_of(interpreter, value, {}));
  interpreter.charge(pairs.size() * 64 * 16);
  std::vector<Value> keys;
  for (const Value& pair : pairs) keys.push_back(pair.as_list().items[place]);
  return Value::list(sorted(std::move(pairs), keys, exact, reverse));
}

Value first_or_last(Interpreter& interpreter, const Value& value, bool first) {
  const std::vector<Value> items = elements_of(interpreter, value);
  if (items.empty()) return Value::undefined("No first item, sequence was empty.");
  return first ? items.front() : items.back();
}

Value reverse(Interpreter& interpreter, const Value& value, const Arguments&) {
  std::vector<Value> items = elements_of(interpreter, value);
  std::reverse(items.begin(), items.end());
  if (!value.is_string()) return Value::list(std::move(items), true);
  MarkedText out;
  for (const Value& c : items) out.append(c.text());
  return out;
}

// Whole numbers of any base that Python's int() takes, with the prefix that belongs to it.
std::optional<int64_t> whole_number(std::string text, int64_t base) {
  std::erase(text, '_');
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
  if (!prefix.empty() && text.compare(sign, 2, prefix) == 0) text.erase(sign, 2);
  if (sign && text[0] == '+') text.erase(0, 1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, static_cast<int>(std::clamp<int64_t>(base, 2, 36)));
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Value to_int(Interpreter&, const Value& value, const Arguments& arguments) {
  const int64_t otherwise = number(arguments, 0, "default", 0);
  refuse_undefined(value);
  if (value.is_float()) return std::fabs(value.as_double()) < 9e18 ? static_cast<int64_t>(value.as_double()) : otherwise;
  if (value.is_number()) return value.as_int();
  if (!value.is_string()) return otherwise;
  const std::string text = strip(value.text(), nullptr, true, true).bytes();
  if (const auto whole = whole_number(text, number(arguments, 1, "base", 10))) return *whole;
  char* end = nullptr;
  const double parsed = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::fabs(parsed) < 9e18 ? static_cast<int64_t>(parsed) : otherwise;
}

Value to_float(Interpreter&, const Value& value, const Arguments& arguments) {
  const Value* given = arguments.find(0, "default");
  const Value otherwise = given ? *given : Value(0.0);
  refuse_undefined(value);
  if (value.is_number()) return value.as_double();
  if (!value.is_string()) return otherwise;
  const std::string text = strip(value.text(), nullptr, true, true).bytes();
  char* end = nullptr;
  const double parsed = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' ? Value(parsed) : otherwise;
}

Value round_filter(Interpreter&, const Value& value, const Arguments& arguments) {
  const double scale = std::pow(10.0, static_cast<double>(std::clamp<int64_t>(number(arguments, 0, "precision", 0), -300, 300)));
  const Value* method = arguments.find(1, "method");
  const std::string how = method ? method->text().bytes() : "common";
  const double scaled = value.as_double() * scale;
  if (how == "ceil") return std::ceil(scaled) / scale;
  if (how == "floor") return std::floor(scaled) / scale;
  if (how != "common") throw Failure("method must be common, ceil or floor");
  if (!value.is_float() && scale >= 1) return value.as_int();  // whole numbers stay whole
  const double rounded = std::nearbyint(scaled) / scale;
  return value.is_float() ? Value(rounded) : Value(static_cast<int64_t>(rounded));
}

Value absolute(Interpreter&, const Value& value, const Arguments&) {
  if (value.is_float()) return std::fabs(value.as_double());
  if (value.as_int() == INT64_MIN) throw Failure("a number grows beyond 64 bits");
  return value.as_int() < 0 ? -value.as_int() : value.as_int();
}

Value escape(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.is_html()) return value;
  MarkedText text = escape_html(value.str());
  interpreter.charge(text.bytes().size());
  return Value::html(std::move(text));
}

Value indent_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  refuse_undefined(value);
  if (!value.is_string()) wrong("indent needs a string", value);
  const MarkedText& text = value.text();
  interpreter.charge(text.bytes().size() * 16);
  const Value* width = arguments.find(0, "width");
  MarkedText margin;
  if (width && width->is_string()) {
    const auto lines = static_cast<size_t>(std::count(text.bytes().begin(), text.bytes().end(), '\n')) + 1;
    interpreter.charge(lines * width->weight());
    margin = width->text();
  } else {
    margin = MarkedText(std::string(static_cast<size_t>(std::clamp<int64_t>(number(arguments, 0, "width", 4), 0, 1024)), ' '), true);
  }
  return indent(text, margin, flag(arguments, 1, "first", false), flag(arguments, 2, "blank", false));
}

// Cut at the end of a word where it is longer than `length` and `leeway` characters.
Value truncate(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const MarkedText text = value.str();
  const int64_t length = number(arguments, 0, "length", 255), leeway = number(arguments, 3, "leeway", 5);
  if (!value.is_string() && length_of(interpreter, value, {}).as_int() - length <= std::max<int64_t>(leeway, 0)) return value;
  const Value* given = arguments.find(2, "end");
  const MarkedText end = given ? given->str() : MarkedText("...", true);
  const int64_t kept = length - static_cast<int64_t>(count_characters(end.bytes()));
  if (kept < 0) throw Failure(fmt::format("expected length >= {}, got {}", length - kept, length));
  if (static_cast<int64_t>(count_characters(text.bytes())) - length <= std::max<int64_t>(leeway, 0)) return text;
  interpreter.charge(end.bytes().size());
  size_t at = 0;
  for (int64_t i = 0; i < kept; ++i) at += unicode::code_point_at(text.bytes(), at).length;
  if (!flag(arguments, 1, "killwords", false)) at = std::min(at, std::string_view(text.bytes()).substr(0, at).rfind(' '));
  MarkedText out = text.substr(0, at);
  out.append(end);
  return out;
}

Value word_count(Interpreter&, const Value& value, const Arguments&) {
  const std::string text = value.str().bytes();
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const unicode::Symbol symbol = unicode::symbol_at(text, at);
    words += symbol.is(unicode::kWord) && !inside;
    inside = symbol.is(unicode::kWord);
    at += symbol.length;
  }
  return words;
}

// "%s …" | format(values) or format(name=value).
Value percent_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  if (arguments.named.empty()) return format_percent(interpreter, value.str(), Value::tuple(arguments.positional));
  if (!arguments.positional.empty()) throw Failure("can't handle positional and keyword arguments at the same time");
  std::vector<std::pair<Value, Value>> names;
  for (const auto& [name, item] : arguments.named) names.emplace_back(Value::trusted(name), item);
  return format_percent(interpreter, value.str(), Value::dict(std::move(names)));
}

Value attribute_filter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value* name = arguments.find(0, "name");
  if (!name || !name->is_string()) throw Failure("attr needs a name");
  return bound_method(interpreter, value, name->text().bytes());
}

using I = Interpreter;
using V = const Value&;
using A = const Arguments&;
const std::pair<std::string_view, Filter> kFilters[] = {
    {"abs", absolute},
    {"attr", attribute_filter},
    {"batch", batch},
    {"capitalize", [](I&, V v, A) -> Value { return capitalize(v.str()); }},
    {"center", [](I& i, V v, A a) -> Value { return padded(i, v.str(), number(a, 0, "width", 80), " ", 'c'); }},
    {"count", length_of},
    {"d", default_value},
    {"default", default_value},
    {"dictsort", dictsort},
    {"e", escape},
    {"escape", escape},
    {"first", [](I& i, V v, A) { return first_or_last(i, v, true); }},
    {"float", to_float},
    {"forceescape", [](I&, V v, A) { return Value::html(escape_html(v.str())); }},
    {"format", percent_filter},
    {"groupby", group_by},
    {"indent", indent_filter},
    {"int", to_int},
    {"items", items_of},
    {"join", join},
    {"last", [](I& i, V v, A) { return first_or_last(i, v, false); }},
    {"length", length_of},
    {"list", [](I& i, V v, A) { return Value::list(elements_of(i, v)); }},
    {"lower", [](I&, V v, A) -> Value { return to_lower(v.str()); }},
    {"map", map_filter},
    {"max", [](I& i, V v, A a) { return least_or_greatest(i, v, a, true); }},
    {"min", [](I& i, V v, A a) { return least_or_greatest(i, v, a, false); }},
    {"reject", [](I& i, V v, A a) { return select(i, v, a, false, false); }},
    {"rejectattr", [](I& i, V v, A a) { return select(i, v, a, true, false); }},
    {"replace", replace_filter},
    {"reverse", reverse},
    {"round", round_filter},
    {"safe", [](I&, V v, A) { return Value::html(v.str()); }},
    {"select", [](I& i, V v, A a) { return select(i, v, a, false, true); }},
    {"selectattr", [](I& i, V v, A a) { return select(i, v, a, true, true); }},
    {"slice", slice},
    {"sort", sort},
    {"string", [](I&, V v, A) { return v.is_string() ? v : Value(v.str()); }},
    {"sum", sum},
    {"title", [](I&, V v, A) -> Value { return title_of_words(v.str()); }},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"unique", unique},
    {"upper", [](I&, V v, A) -> Value { return to_upper(v.str()); }},
    {"wordcount", word_count},
};

const Value& operand(const Arguments& arguments) {
  const Value* other = arguments.find(0, "other");
  if (!other) throw Failure("the test needs something to compare with");
  return *other;
}

// Filters that read all of a value, down to its last element; the others look at what lies on top.
constexpr std::string_view kReadAll[] = {"capitalize", "center", "dictsort", "e", "escape", "float", "forceescape", "format", "indent", "int", "join",
                                         "lower", "replace", "safe", "sort", "string", "title", "tojson", "trim", "truncate", "upper", "wordcount"};

bool divides(const Value& divisor, const Value& value) {
  const int64_t by = divisor.as_int();
  return by != 0 && (by == -1 || value.as_int() % by == 0);
}

template <class Table>
bool is_known(const Table& table, const Value& name) {
  return name.is_string() && std::any_of(std::begin(table), std::end(table), [&](const auto& entry) { return entry.first == name.text().bytes(); });
}

using Test = bool (*)(const Value&, const Arguments&);
const std::pair<std::string_view, Test> kTests[] = {
    {"boolean", [](V v, A) { return v.is_bool(); }},
    {"callable", [](V v, A) { return v.is_function(); }},
    {"defined", [](V v, A) { return !v.is_undefined(); }},
    {"divisibleby", [](V v, A a) { return divides(operand(a), v); }},
    {"eq", [](V v, A a) { return equal(v, operand(a)); }},
    {"equalto", [](V v, A a) { return equal(v, operand(a)); }},
    {"escaped", [](V v, A) { return v.is_html(); }},
    {"even", [](V v, A) { return std::fmod(v.as_double(), 2) == 0; }},
    {"false", [](V v, A) { return v.is_bool() && !v.as_int(); }},
    {"float", [](V v, A) { return v.is_float(); }},
    {"filter", [](V v, A) { return is_known(kFilters, v); }},
    {"ge", [](V v, A a) { return !less(v, operand(a)); }},
    {"greaterthan", [](V v, A a) { return less(operand(a), v); }},
    {"gt", [](V v, A a) { return less(operand(a), v); }},
    {"integer", [](V v, A) { return v.is_int(); }},
    {"iterable", [](V v, A) { return v.is_string() || v.is_list() || v.is_dict() || v.is_undefined(); }},
    {"le", [](V v, A a) { return !less(operand(a), v); }},
    {"lessthan", [](V v, A a) { return less(v, operand(a)); }},
    {"lower", [](V v, A) { return is_lower(v.str()); }},
    {"lt", [](V v, A a) { return less(v, operand(a)); }},
    {"mapping", [](V v, A) { return v.is_dict(); }},
    {"ne", [](V v, A a) { return !equal(v, operand(a)); }},
    {"none", [](V v, A) { return v.is_none(); }},
    {"number", [](V v, A) { return v.is_number(); }},
    {"odd", [](V v, A) { return std::fabs(std::fmod(v.as_double(), 2)) == 1; }},
    {"sameas", [](V v, A a) { return std::string_view(v.type_name()) == operand(a).type_name() && equal(v, operand(a)); }},
    {"sequence", [](V v, A) { return v.is_string() || (v.is_list() && !v.as_list().generator) || v.is_dict() || v.is_undefined(); }},
    {"string", [](V v, A) { return v.is_string(); }},
    {"true", [](V v, A) { return v.is_bool() && v.as_int(); }},
    {"undefined", [](V v, A) { return v.is_undefined(); }},
    {"upper", [](V v, A) { return is_upper(v.str()); }},
};

}  // namespace

Value apply_filter(Interpreter& interpreter, const std::string& name, const Value& value, const Arguments& arguments) {
  const Interpreter::Level level(interpreter);
  const bool reads_all = std::find(std::begin(kReadAll), std::end(kReadAll), name) != std::end(kReadAll);
  if (reads_all || value.is_string()) interpreter.charge(value.weight());
  for (const auto& [known, filter] : kFilters) {
    if (known == name) return filter(interpreter, value, arguments);
  }
  throw Failure(fmt::format("No filter named '{}'.", name));
}

bool apply_test(Interpreter& interpreter, const std::string& name, const Value& value, const Arguments& arguments) {
  if (name == "test") return is_known(kTests, value);
  if (name == "in") return contains(interpreter, operand(arguments), value);
  if (name == "upper" || name == "lower") interpreter.charge(value.weight());
  if (!arguments.positional.empty()) interpreter.charge(std::min(value.weight(), arguments.positional[0].weight()));
  for (const auto& [known, test] : kTests) {
    if (known == name) return test(value, arguments);
  }
  throw Failure(fmt::format("No test named '{}'.", name));
}

std::vector<Value> elements_of(Interpreter& interpreter, const Value& value) {
  if (value.is_list()) {
    interpreter.charge(value.as_list().items.size() * sizeof(Value));
    return value.as_list().items;
  }
  if (value.is_string()) {
    // Each character becomes a value with memory of its own.
    constexpr size_t kCharacterBytes = 256;
    const MarkedText& text = value.text();
    interpreter.charge(text.bytes().size() * kCharacterBytes);
    std::vector<Value> characters;
    for (size_t at = 0, length; at < text.bytes().size(); at += length) {
      length = unicode::code_point_at(text.bytes(), at).length;
      characters.push_back(text.substr(at, length));
    }
    return characters;
  }
  if (value.is_undefined()) return {};
  if (!value.is_dict()) throw Failure(fmt::format("'{}' object is not iterable", value.type_name()));
  interpreter.charge(value.as_dict().entries.size() * sizeof(Value));
  std::vector<Value> keys;
  for (const auto& [key, item] : value.as_dict().entries) keys.push_back(key);
  return keys;
}

bool contains(Interpreter& interpreter, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      throw Failure(fmt::format("'in <string>' requires string as left operand, not {}", item.type_name()));
    }
    interpreter.charge_search(container, item);
    return container.text().bytes().find(item.text().bytes()) != std::string::npos;
  }
  if (container.is_dict()) {
    refuse_unhashable(item);
    interpreter.charge(container.as_dict().entries.size() + item.weight());
    return container.as_dict().find(item) != nullptr;
  }
  if (!container.is_list() && !container.is_undefined()) {
    throw Failure(fmt::format("argument of type '{}' is not iterable", container.type_name()));
  }
  const std::vector<Value> items = elements_of(interpreter, container);
  interpreter.charge(std::min(container.weight(), items.size() * item.weight()));
  return std::any_of(items.begin(), items.end(), [&](const Value& other) { return equal(other, item); });
}

}  // namespace owlet::jinja
