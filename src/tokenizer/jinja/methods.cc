// Methods of strings, lists and dicts, and the functions that stand in every template.
#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/jinja/format.h"
#include "tokenizer/jinja/text_ops.h"
#include "tokenizer/unicode.h"

namespace owlet::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as Jinja's sandbox has it

const MarkedText& text_argument(const Arguments& arguments, size_t place, const char* name) {
  const Value* value = arguments.find(place, name);
  if (!value || !value->is_string()) throw Failure(fmt::format("a string is needed as argument {}", place + 1));
  return value->text();
}

int64_t number_argument(const Arguments& arguments, size_t place, const char* name, int64_t otherwise) {
  const Value* value = arguments.find(place, name);
  return value ? value->as_int() : otherwise;
}

Value list_of(std::vector<MarkedText> parts) {
  return Value::list(std::vector<Value>(std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end())));
}

// Where `wanted` stands among the characters from `start` to `end`, first or last; −1 where it does not.
int64_t find_in(const MarkedText& text, const Arguments& arguments, bool last) {
  const std::string_view bytes = text.bytes(), wanted = text_argument(arguments, 0, "sub").bytes();
  const auto n = static_cast<int64_t>(count_characters(bytes));
  const auto place = [&](size_t argument, int64_t otherwise) {
    const int64_t at = number_argument(arguments, argument, "", otherwise);
    return std::clamp<int64_t>(at < 0 ? at + n : at, 0, n);
  };
  const auto byte_of = [&](int64_t character) {
    size_t at = 0;
    for (; character > 0; --character) at += unicode::code_point_at(bytes, at).length;
    return at;
  };
  if (place(1, 0) > place(2, n)) return -1;
  const size_t begin = byte_of(place(1, 0));
  const std::string_view part = bytes.substr(begin, byte_of(place(2, n)) - begin);
  const size_t found = last ? part.rfind(wanted) : part.find(wanted);
  return found == std::string_view::npos ? -1 : static_cast<int64_t>(count_characters(bytes.substr(0, begin + found)));
}

Value found_in(const MarkedText& text, const Arguments& arguments, bool last) {
  const int64_t place = find_in(text, arguments, last);
  if (place < 0) throw Failure("substring not found");
  return place;
}

// isalpha and its like: every character is one of them, and there is one.
bool all_are(const MarkedText& text, int classes) {
  const std::string& bytes = text.bytes();
  for (size_t at = 0; at < bytes.size();) {
    const unicode::Symbol symbol = unicode::symbol_at(bytes, at);
    if (!symbol.is(classes)) return false;
    at += symbol.length;
  }
  return !bytes.empty();
}

Value pad_method(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments, char align) {
  const Value* fill = arguments.find(1, "fillchar");
  if (fill && count_characters(fill->text().bytes()) != 1) throw Failure("The fill character must be exactly one character long");
  return padded(interpreter, text, number_argument(arguments, 0, "width", 0), fill ? std::string_view(fill->text().bytes()) : " ", align);
}

Value zero_filled(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments) {
  const int64_t width = number_argument(arguments, 0, "width", 0);
  if (text.bytes().empty() || (text.bytes()[0] != '-' && text.bytes()[0] != '+')) return padded(interpreter, text, width, "0", '>');
  MarkedText out = text.substr(0, 1);
  out.append(padded(interpreter, text.substr(1), width - 1, "0", '>'));
  return out;
}

Value without_affix(const MarkedText& text, const Arguments& arguments, bool prefix) {
  const std::string_view bytes = text.bytes(), affix = text_argument(arguments, 0, "affix").bytes();
  if (!(prefix ? bytes.starts_with(affix) : bytes.ends_with(affix))) return text;
  return prefix ? text.substr(affix.size()) : text.substr(0, bytes.size() - affix.size());
}

Value expanded_tabs(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments) {
  const int64_t size = std::clamp<int64_t>(number_argument(arguments, 0, "tabsize", 8), 0, 1024);
  MarkedText out;
  int64_t column = 0;
  for (size_t at = 0; at < text.bytes().size();) {
    const size_t length = unicode::code_point_at(text.bytes(), at).length;
    const char c = text.bytes()[at];
    const int64_t spaces = size == 0 ? 0 : size - column % size;
    if (c == '\t') {
      interpreter.charge(static_cast<size_t>(spaces));
      out.append(std::string(static_cast<size_t>(spaces), ' '), true);
    } else {
      out.append(text.substr(at, length));
    }
    column = c == '\n' || c == '\r' ? 0 : column + (c == '\t' ? spaces : 1);
    at += length;
  }
  return out;
}

// startswith and endswith take one text or several.
bool matches_any(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments, bool start) {
  if (arguments.positional.empty()) throw Failure("a string is needed as argument 1");
  const Value& wanted = arguments.positional[0];
  if (arguments.positional.size() > 1) throw Failure("startswith and endswith look at the whole text here");
  for (const Value& part : wanted.is_list() ? elements_of(interpreter, wanted) : std::vector<Value>{wanted}) {
    if (!part.is_string()) throw Failure(fmt::format("a string is needed, not '{}'", part.type_name()));
    const std::string_view bytes = text.bytes(), affix = part.text().bytes();
    if (start ? bytes.starts_with(affix) : bytes.ends_with(affix)) return true;
  }
  return false;
}

Value strip_method(const MarkedText& text, const Arguments& arguments, bool left, bool right) {
  const Value* characters = arguments.find(0, "chars");
  if (!characters || characters->is_none()) return strip(text, nullptr, left, right);
  const std::string_view set = text_argument(arguments, 0, "chars").bytes();
  return strip(text, &set, left, right);
}

Value split_method(const MarkedText& text, const Arguments& arguments, bool from_right) {
  const Value* separator = arguments.find(0, "sep");
  const int64_t limit = number_argument(arguments, 1, "maxsplit", -1);
  if (!separator || separator->is_none()) {
    if (from_right && limit >= 0) throw Failure("rsplit needs a separator");
    return list_of(split(text, nullptr, limit));
  }
  const std::string_view by = text_argument(arguments, 0, "sep").bytes();
  if (by.empty()) throw Failure("empty separator");
  return list_of(from_right ? split_from_right(text, by, limit) : split(text, &by, limit));
}

Value partition(const MarkedText& text, const Arguments& arguments, bool from_right) {
  const MarkedText& by = text_argument(arguments, 0, "sep");
  if (by.bytes().empty()) throw Failure("empty separator");
  const size_t found = from_right ? text.bytes().rfind(by.bytes()) : text.bytes().find(by.bytes());
  if (found == std::string::npos) return from_right ? Value::tuple({MarkedText(), MarkedText(), text}) : Value::tuple({text, MarkedText(), MarkedText()});
  return Value::tuple({text.substr(0, found), text.substr(found, by.bytes().size()), text.substr(found + by.bytes().size())});
}

using TextMethod = Value (*)(Interpreter&, const MarkedText&, const Arguments&);
using T = const MarkedText&;
using A = const Arguments&;
using I = Interpreter;
const std::pair<std::string_view, TextMethod> kTextMethods[] = {
    {"capitalize", [](I&, T t, A) -> Value { return capitalize(t); }},
    {"casefold", [](I&, T t, A) -> Value { return to_lower(t); }},
    {"center", [](I& i, T t, A a) { return pad_method(i, t, a, 'c'); }},
    {"count",
     [](I&, T t, A a) -> Value {
       const std::string_view wanted = text_argument(a, 0, "sub").bytes();
       return static_cast<int64_t>(wanted.empty() ? count_characters(t.bytes()) + 1 : split(t, &wanted, -1).size() - 1);
     }},
    {"endswith", [](I& i, T t, A a) -> Value { return matches_any(i, t, a, false); }},
    {"expandtabs", [](I& i, T t, A a) { return expanded_tabs(i, t, a); }},
    {"find", [](I&, T t, A a) -> Value { return find_in(t, a, false); }},
    {"format", [](I& i, T t, A a) -> Value { return format_braces(i, t, a); }},
    {"index", [](I&, T t, A a) { return found_in(t, a, false); }},
    {"isalnum", [](I&, T t, A) -> Value { return all_are(t, unicode::kLetter | unicode::kNumber); }},
    {"isalpha", [](I&, T t, A) -> Value { return all_are(t, unicode::kLetter); }},
    {"isascii", [](I&, T t, A) -> Value { return std::all_of(t.bytes().begin(), t.bytes().end(), [](char c) { return !(c & 0x80); }); }},
    {"isdecimal", [](I&, T t, A) -> Value { return all_are(t, unicode::kNumber); }},
    {"isdigit",
     [](I&, T t, A) -> Value {
       return !t.bytes().empty() && std::all_of(t.bytes().begin(), t.bytes().end(), [](char c) { return c >= '0' && c <= '9'; });
     }},
    {"islower", [](I&, T t, A) -> Value { return is_lower(t); }},
    {"isnumeric", [](I&, T t, A) -> Value { return all_are(t, unicode::kNumber); }},
    {"isspace", [](I&, T t, A) -> Value { return all_are(t, unicode::kSpace); }},
    {"istitle", [](I&, T t, A) -> Value { return t.bytes() == title(t).bytes() && t.bytes() != to_lower(t).bytes(); }},
    {"isupper", [](I&, T t, A) -> Value { return is_upper(t); }},
    {"join",
     [](I& i, T t, A a) -> Value {
       MarkedText out;
       bool first = true;
       const std::vector<Value> parts = elements_of(i, a.positional.empty() ? Value() : a.positional[0]);
       i.charge(parts.size() * t.bytes().size() + (parts.empty() ? 0 : a.positional[0].weight()));
       for (const Value& part : parts) {
         if (!part.is_string()) throw Failure(fmt::format("sequence item: expected str instance, {} found", part.type_name()));
         if (!std::exchange(first, false)) out.append(t);
         out.append(part.text());
       }
       return out;
     }},
    {"ljust", [](I& i, T t, A a) { return pad_method(i, t, a, '<'); }},
    {"lower", [](I&, T t, A) -> Value { return to_lower(t); }},
    {"lstrip", [](I&, T t, A a) { return strip_method(t, a, true, false); }},
    {"partition", [](I&, T t, A a) { return partition(t, a, false); }},
    {"removeprefix", [](I&, T t, A a) { return without_affix(t, a, true); }},
    {"removesuffix", [](I&, T t, A a) { return without_affix(t, a, false); }},
    {"replace",
     [](I& i, T t, A a) -> Value {
       const MarkedText &from = text_argument(a, 0, "old"), &to = text_argument(a, 1, "new");
       i.charge((t.bytes().size() + 1) * (to.bytes().size() + 1));
       return replace(t, from.bytes(), to, number_argument(a, 2, "count", -1));
     }},
    {"rfind", [](I&, T t, A a) -> Value { return find_in(t, a, true); }},
    {"rindex", [](I&, T t, A a) { return found_in(t, a, true); }},
    {"rjust", [](I& i, T t, A a) { return pad_method(i, t, a, '>'); }},
    {"rpartition", [](I&, T t, A a) { return partition(t, a, true); }},
    {"rsplit", [](I&, T t, A a) { return split_method(t, a, true); }},
    {"rstrip", [](I&, T t, A a) { return strip_method(t, a, false, true); }},
    {"split", [](I&, T t, A a) { return split_method(t, a, false); }},
    {"splitlines", [](I&, T t, A a) { return list_of(split_lines(t, a.find(0, "keepends") && a.find(0, "keepends")->truthy())); }},
    {"startswith", [](I& i, T t, A a) -> Value { return matches_any(i, t, a, true); }},
    {"strip", [](I&, T t, A a) { return strip_method(t, a, true, true); }},
    {"swapcase", [](I&, T t, A) -> Value { return swap_case(t); }},
    {"title", [](I&, T t, A) -> Value { return title(t); }},
    {"upper", [](I&, T t, A) -> Value { return to_upper(t); }},
    {"zfill", [](I& i, T t, A a) { return zero_filled(i, t, a); }},
};

Value dict_method(Interpreter& interpreter, const Value& object, const std::string& name) {
  const auto bind = [&](auto method) {
    return Value::function(name, [&interpreter, object, method](Arguments& arguments) {
      interpreter.charge(object.as_dict().entries.size() * 64);
      return method(object.as_dict(), arguments);
    });
  };
  if (name == "items" || name == "keys" || name == "values") {
    return bind([name](const Dict& dict, Arguments&) {
      std::vector<Value> out;
      for (const auto& [key, value] : dict.entries) {
        out.push_back(name == "items" ? Value::tuple({key, value}) : name == "keys" ? key : value);
      }
      return Value::list(std::move(out));
    });
  }
  if (name == "get") {
    return bind([](const Dict& dict, Arguments& arguments) -> Value {
      const Value* key = arguments.find(0, "key");
      if (!key) throw Failure("get needs a key");
      if (const Value* found = dict.find(*key)) return *found;
      const Value* otherwise = arguments.find(1, "default");
      return otherwise ? *otherwise : Value(Value::None{});
    });
  }
  if (name == "copy") return bind([object](const Dict&, Arguments&) { return object; });
  return {};
}

Value list_method(Interpreter& interpreter, const Value& object, const std::string& name) {
  if (name == "copy") return Value::function(name, [object](Arguments&) { return object; });
  if (name != "count" && name != "index") return {};
  return Value::function(name, [&interpreter, object, counts = name == "count"](Arguments& arguments) -> Value {
    const Value* wanted = arguments.find(0, "value");
    if (!wanted) throw Failure("a value to look for is needed");
    const std::vector<Value>& items = object.as_list().items;
    interpreter.charge(items.size() * sizeof(Value) + std::min(object.weight(), items.size() * wanted->weight()));
    const auto is_it = [&](const Value& item) { return equal(item, *wanted); };
    if (counts) return static_cast<int64_t>(std::count_if(items.begin(), items.end(), is_it));
    const auto found = std::find_if(items.begin(), items.end(), is_it);
    if (found == items.end()) throw Failure(fmt::format("{} is not in list", wanted->brief()));
    return static_cast<int64_t>(found - items.begin());
  });
}

// What the sandbox forbids: templates change nothing that they were given.
void refuse_change(const Value& object, const std::string& name) {
  static constexpr std::string_view kList[] = {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  const bool unsafe = object.is_list() ? std::find(std::begin(kList), std::end(kList), name) != std::end(kList)
                                       : std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  if (unsafe) throw Failure(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, object.type_name()));
}

Value range(Interpreter& interpreter, Arguments& arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3) throw Failure("range takes one to three numbers");
  const int64_t begin = given.size() > 1 ? given[0].as_int() : 0, end = given[given.size() > 1 ? 1 : 0].as_int();
  const int64_t step = given.size() > 2 ? given[2].as_int() : 1;
  if (step == 0) throw Failure("range() arg 3 must not be zero");
  std::vector<Value> numbers;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(numbers.size()) >= kMaxRange) throw Failure(fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
    numbers.push_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  interpreter.charge(numbers.size() * sizeof(Value));
  return Value::list(std::move(numbers));
}

Value new_namespace(Arguments& arguments) {
  Value value = Value::new_namespace();
  if (!arguments.positional.empty() && arguments.positional[0].is_dict()) {
    for (const auto& [key, member] : arguments.positional[0].as_dict().entries) {
      if (key.is_string()) value.as_namespace().members.emplace_back(key.text().bytes(), member);
    }
  }
  for (auto& [name, member] : arguments.named) {
    if (member.is_namespace()) throw Failure("a namespace cannot be part of another value");
    value.as_namespace().members.emplace_back(name, member);
  }
  return value;
}

Value new_dict(Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  for (auto& [name, value] : arguments.named) entries.emplace_back(Value::trusted(name), value);
  return Value::dict(std::move(entries));
}

// joiner(separator): nothing at its first call, the separator at every other.
Value joiner(const Arguments& arguments) {
  const Value* given = arguments.find(0, "sep");
  const MarkedText separator = given ? given->str() : MarkedText(", ", true);
  return Value::function("joiner", [separator, used = std::make_shared<bool>(false)](Arguments&) -> Value {
    return std::exchange(*used, true) ? separator : MarkedText();
  });
}

Value strftime_now(const std::tm& now, Arguments& arguments) {
  const std::string format = text_argument(arguments, 0, "format").bytes();
  char text[256];
  const size_t n = format.size() > 100 ? 0 : std::strftime(text, sizeof text, format.c_str(), &now);
  return Value::trusted(std::string_view(text, n));
}

}  // namespace

Value bound_method(Interpreter& interpreter, const Value& object, const std::string& name) {
  if (object.is_string()) {
    for (const auto& [known, method] : kTextMethods) {
      if (known == name) {
        return Value::function(name, [&interpreter, object, method = method](Arguments& arguments) {
          interpreter.charge(object.weight());
          for (const Value& argument : arguments.positional) {
            if (argument.is_string()) interpreter.charge_search(object, argument);
          }
          return method(interpreter, object.text(), arguments);
        });
      }
    }
  } else if (object.is_list() || object.is_dict()) {
    refuse_change(object, name);
    return object.is_dict() ? dict_method(interpreter, object, name) : list_method(interpreter, object, name);
  }
  return {};
}

Value global_function(Interpreter& interpreter, const std::string& name) {
  if (name == "raise_exception") {
    return Value::function(name, [&](Arguments& arguments) -> Value {
      if (!arguments.positional.empty()) interpreter.charge(arguments.positional[0].weight());
      throw Raised(arguments.positional.empty() ? "" : arguments.positional[0].str().bytes());
    });
  }
  if (name == "range") return Value::function(name, [&](Arguments& arguments) { return range(interpreter, arguments); });
  if (name == "namespace") return Value::function(name, new_namespace);
  if (name == "joiner") return Value::function(name, joiner);
  if (name == "dict") return Value::function(name, new_dict);
  if (name == "strftime_now") {
    return Value::function(name, [&](Arguments& arguments) { return strftime_now(interpreter.now(), arguments); });
  }
  return {};
}

}  // namespace owlet::jinja
