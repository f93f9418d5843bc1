// Methods of strings, lists and dicts, and the functions that stand in every template.
#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text_ops.h"

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

// startswith and endswith take one text or several.
bool matches_any(Interpreter& interpreter, const MarkedText& text, const Arguments& arguments, bool start) {
  if (arguments.positional.empty()) throw Failure("a string is needed as argument 1");
  const Value& wanted = arguments.positional[0];
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

Value partition(const MarkedText& text, const Arguments& arguments) {
  const MarkedText& by = text_argument(arguments, 0, "sep");
  const size_t found = text.bytes().find(by.bytes());
  if (found == std::string::npos) return list_of({text, {}, {}});
  return list_of({text.substr(0, found), text.substr(found, by.bytes().size()), text.substr(found + by.bytes().size())});
}

using TextMethod = Value (*)(Interpreter&, const MarkedText&, const Arguments&);
using T = const MarkedText&;
using A = const Arguments&;
using I = Interpreter;
const std::pair<std::string_view, TextMethod> kTextMethods[] = {
    {"capitalize", [](I&, T t, A) -> Value { return capitalize(t); }},
    {"count",
     [](I&, T t, A a) -> Value {
       const std::string_view wanted = text_argument(a, 0, "sub").bytes();
       return static_cast<int64_t>(wanted.empty() ? count_characters(t.bytes()) + 1 : split(t, &wanted, -1).size() - 1);
     }},
    {"endswith", [](I& i, T t, A a) -> Value { return matches_any(i, t, a, false); }},
    {"find",
     [](I&, T t, A a) -> Value {
       const size_t found = t.bytes().find(text_argument(a, 0, "sub").bytes());
       if (found == std::string::npos) return int64_t{-1};
       return static_cast<int64_t>(count_characters(std::string_view(t.bytes()).substr(0, found)));
     }},
    {"isdigit",
     [](I&, T t, A) -> Value {
       return !t.bytes().empty() && std::all_of(t.bytes().begin(), t.bytes().end(), [](char c) { return c >= '0' && c <= '9'; });
     }},
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
    {"lower", [](I&, T t, A) -> Value { return to_lower(t); }},
    {"lstrip", [](I&, T t, A a) { return strip_method(t, a, true, false); }},
    {"partition", [](I&, T t, A a) { return partition(t, a); }},
    {"replace",
     [](I& i, T t, A a) -> Value {
       const MarkedText &from = text_argument(a, 0, "old"), &to = text_argument(a, 1, "new");
       i.charge((t.bytes().size() + 1) * (to.bytes().size() + 1));
       return replace(t, from.bytes(), to, number_argument(a, 2, "count", -1));
     }},
    {"rsplit", [](I&, T t, A a) { return split_method(t, a, true); }},
    {"rstrip", [](I&, T t, A a) { return strip_method(t, a, false, true); }},
    {"split", [](I&, T t, A a) { return split_method(t, a, false); }},
    {"splitlines", [](I&, T t, A) { return list_of(split_lines(t)); }},
    {"startswith", [](I& i, T t, A a) -> Value { return matches_any(i, t, a, true); }},
    {"strip", [](I&, T t, A a) { return strip_method(t, a, true, true); }},
    {"title", [](I&, T t, A) -> Value { return title(t); }},
    {"upper", [](I&, T t, A) -> Value { return to_upper(t); }},
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
        out.push_back(name == "items" ? Value::list({key, value}) : name == "keys" ? key : value);
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
  return {};
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
    if (object.is_dict()) return dict_method(interpreter, object, name);
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
  if (name == "dict") return Value::function(name, new_dict);
  if (name == "strftime_now") {
    return Value::function(name, [&](Arguments& arguments) { return strftime_now(interpreter.now(), arguments); });
  }
  return {};
}

}  // namespace owlet::jinja
