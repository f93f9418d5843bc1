#include "tokenizer/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace owlet::jinja {
namespace {

constexpr int kMaxValueDepth = 100;
constexpr size_t kMaxWeight = SIZE_MAX / 4;  // three of them can be added
constexpr size_t kOwnWeight = 8;  // of any value

int checked_depth(int deepest_child) {
  if (deepest_child >= kMaxValueDepth) throw Failure(fmt::format("values nest deeper than {} levels", kMaxValueDepth));
  return deepest_child + 1;
}

void refuse_namespace(const Value& value) {
  if (value.is_namespace()) throw Failure("a namespace cannot be part of another value");
}

}  // namespace

const Value* Dict::find(const Value& key) const {
  for (const auto& [k, v] : entries) {
    if (equal(k, key)) return &v;
  }
  return nullptr;
}

List Value::checked_list(std::vector<Value> items) {
  int deepest = 0;
  size_t weight = kOwnWeight;
  for (const Value& item : items) {
    refuse_namespace(item);
    deepest = std::max(deepest, item.depth());
    weight = std::min(kMaxWeight, weight + item.weight());
  }
  return {.items = std::move(items), .depth = checked_depth(deepest), .weight = weight};
}

Value Value::list(std::vector<Value> items, bool generator) {
  List list = checked_list(std::move(items));
  list.generator = generator;
  return Value(ListPtr(std::make_shared<const List>(std::move(list))));
}

Value Value::tuple(std::vector<Value> items) {
  List list = checked_list(std::move(items));
  list.tuple = true;
  return Value(ListPtr(std::make_shared<const List>(std::move(list))));
}

Value Value::dict(std::vector<std::pair<Value, Value>> entries) {
  int deepest = 0;
  size_t weight = kOwnWeight;
  for (const auto& [key, value] : entries) {
    if (!key.is_string() && !key.is_number() && !key.is_none()) {
      throw Failure(fmt::format("unhashable type: '{}'", key.type_name()));
    }
    refuse_namespace(value);
    deepest = std::max(deepest, value.depth());
    weight = std::min(kMaxWeight, weight + key.weight() + value.weight());
  }
  return Value(DictPtr(std::make_shared<const Dict>(Dict{std::move(entries), checked_depth(deepest), weight})));
}

Value Value::function(std::string name, std::function<Value(Arguments&)> call) {
  return Value(std::make_shared<Function>(Function{std::move(name), std::move(call)}));
}

Value Value::from_json(const OrderedJson& json, bool trusted) {
  switch (json.type()) {
    case OrderedJson::value_t::boolean: return json.get<bool>();
    case OrderedJson::value_t::number_integer: return json.get<int64_t>();
    case OrderedJson::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return json.get<double>();
      return json.get<int64_t>();
    case OrderedJson::value_t::number_float: return json.get<double>();
    case OrderedJson::value_t::string: return MarkedText(json.get_ref<const std::string&>(), trusted);
    case OrderedJson::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) items.push_back(from_json(item, trusted));
      return list(std::move(items));
    }
    case OrderedJson::value_t::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& [key, value] : json.items()) {
        entries.emplace_back(MarkedText(key, trusted), from_json(value, trusted));
      }
      return dict(std::move(entries));
    }
    default: return None{};
  }
}

const MarkedText& Value::text() const {
  if (!is_string()) throw Failure(fmt::format("a string is needed, not '{}'", type_name()));
  return std::get<TextPtr>(data_)->marked;
}

int64_t Value::as_int() const {
  if (const auto* b = std::get_if<bool>(&data_)) return *b ? 1 : 0;
  if (const auto* i = std::get_if<int64_t>(&data_)) return *i;
  throw Failure(fmt::format("an integer is needed, not {}", type_name()));
}

double Value::as_double() const {
  if (const auto* d = std::get_if<double>(&data_)) return *d;
  return static_cast<double>(as_int());
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_float()) return as_double() != 0;
  if (is_number()) return as_int() != 0;
  if (is_string()) return !text().bytes().empty();
  if (is_list()) return as_list().generator || !as_list().items.empty();
  if (is_dict()) return !as_dict().entries.empty();
  return true;
}

const char* Value::type_name() const {
  static constexpr const char* kNames[] = {"Undefined", "NoneType", "bool", "int",       "float",
                                           "str",       "list",     "dict", "Namespace", "function"};
  if (is_list() && as_list().generator) return "generator";
  if (is_list() && as_list().tuple) return "tuple";
  return kNames[data_.index()];
}

int Value::depth() const {
  if (is_list()) return as_list().depth;
  if (is_dict()) return as_dict().depth;
  return 0;
}

size_t Value::weight() const {
  if (is_string()) return kOwnWeight + text().bytes().size();
  if (is_list()) return as_list().weight;
  if (is_dict()) return as_dict().weight;
  return kOwnWeight;
}

std::string Value::brief() const {
  constexpr size_t kBrief = 1000;
  return weight() <= kBrief ? repr().bytes() : type_name();
}

MarkedText Value::str() const {
  if (is_string()) return text();
  if (is_undefined()) return {};
  return repr();
}

namespace {

// Python's repr of a string: single quotes unless it holds those and no double ones.
MarkedText string_repr(const MarkedText& text) {
  const std::string& bytes = text.bytes();
  const bool single = bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
  const char quote = single ? '"' : '\'';
  MarkedText out(std::string_view(&quote, 1), true);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    const bool trusted = text.marks()[i] != 0;
    if (c == quote || c == '\\') {
      out.append(std::string{'\\', c}, trusted);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", trusted);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out.append(fmt::format("\\x{:02x}", c), trusted);
    } else {
      out.append(std::string_view(&c, 1), trusted);
    }
  }
  out.append(std::string_view(&quote, 1), true);
  return out;
}

}  // namespace

MarkedText Value::repr() const {
  if (is_string()) return string_repr(text());
  if (is_undefined()) return MarkedText("Undefined", true);
  if (is_none()) return MarkedText("None", true);
  if (is_bool()) return MarkedText(as_int() ? "True" : "False", true);
  if (is_int()) return MarkedText(std::to_string(as_int()), true);
  if (is_float()) return MarkedText(float_repr(as_double()), true);
  if (is_list() && !as_list().generator) {
    const bool tuple = as_list().tuple;
    MarkedText out(tuple ? "(" : "[", true);
    for (const Value& item : as_list().items) {
      if (out.bytes().size() > 1) out.append(", ", true);
      out.append(item.repr());
    }
    if (tuple && as_list().items.size() == 1) out.append(",", true);
    out.append(tuple ? ")" : "]", true);
    return out;
  }
  if (is_dict()) {
    MarkedText out("{", true);
    for (const auto& [key, value] : as_dict().entries) {
      if (out.bytes().size() > 1) out.append(", ", true);
      out.append(key.repr());
      out.append(": ", true);
      out.append(value.repr());
    }
    out.append("}", true);
    return out;
  }
  return MarkedText(fmt::format("<{}>", type_name()), true);
}

const Value* Arguments::find(size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return a.is_float() || b.is_float() ? a.as_double() == b.as_double() : a.as_int() == b.as_int();
  }
  if (a.is_string() && b.is_string()) return a.text().bytes() == b.text().bytes();
  if (a.is_list() && b.is_list()) {
    return a.as_list().tuple == b.as_list().tuple &&
           std::equal(a.as_list().items.begin(), a.as_list().items.end(), b.as_list().items.begin(),
                      b.as_list().items.end(), equal);
  }
  if (a.is_dict() && b.is_dict()) {
    const auto& entries = a.as_dict().entries;
    return entries.size() == b.as_dict().entries.size() && std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
             const Value* other = b.as_dict().find(entry.first);
             return other && equal(entry.second, *other);
           });
  }
  if (a.is_namespace() && b.is_namespace()) return &a.as_namespace() == &b.as_namespace();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

void refuse_unhashable(const Value& value) {
  const bool is_hashable = !value.is_dict() && (!value.is_list() || value.as_list().tuple);
  if (!is_hashable) throw Failure(fmt::format("unhashable type: '{}'", value.type_name()));
}

bool less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (!a.is_float() && !b.is_float()) return a.as_int() < b.as_int();
    if (std::isnan(a.as_double()) || std::isnan(b.as_double())) throw Failure("nan has no order");
    return a.as_double() < b.as_double();
  }
  if (a.is_string() && b.is_string()) return a.text().bytes() < b.text().bytes();
  if (a.is_list() && b.is_list()) {
    return std::lexicographical_compare(a.as_list().items.begin(), a.as_list().items.end(), b.as_list().items.begin(),
                                        b.as_list().items.end(), less);
  }
  throw Failure(fmt::format("'<' not supported between instances of '{}' and '{}'", a.type_name(), b.type_name()));
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);  // the shortest digits that read back the same, as in Python
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace owlet::jinja
