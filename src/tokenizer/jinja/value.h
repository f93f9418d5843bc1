// What a template computes with: Python's values, as far as templates use them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tokenizer/marked_text.h"

namespace owlet::jinja {

using OrderedJson = nlohmann::ordered_json;  // templates see keys in the order they were written

// Ends the rendering; caught where the template is rendered, never seen outside of this room.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The template's own words: raise_exception(message).
struct Raised : Failure {
  using Failure::Failure;
};

class Value;
struct Arguments;

struct List {
  std::vector<Value> items;
  bool generator = false;  // what filters such as selectattr give: it has no length and no JSON
  bool tuple = false;      // printed in round brackets, and equal to no list
  int depth = 1;
  size_t weight = 0;
};
struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // keys are strings, numbers, booleans or none
  int depth = 1;
  size_t weight = 0;
  const Value* find(const Value& key) const;
};
// A variable that loops may assign to. Never an element of another value, so that no cycle can arise.
struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};
struct Function {
  std::string name;
  std::function<Value(Arguments&)> call;
};

class Value {
 public:
  struct Undefined {
    std::string name;
  };
  struct None {};

  Value() : data_(Undefined{}) {}
  Value(None none) : data_(none) {}                    // NOLINT: the conversions are the point
  Value(bool value) : data_(value) {}                  // NOLINT
  Value(int64_t value) : data_(value) {}               // NOLINT
  Value(double value) : data_(value) {}                // NOLINT
  Value(MarkedText text) : data_(std::make_shared<const Text>(Text{std::move(text), false})) {}  // NOLINT
  Value(const char*) = delete;  // who wrote it?
  static Value undefined(std::string name) { return Value(Undefined{std::move(name)}); }
  static Value trusted(std::string_view text) { return MarkedText(text, true); }
  // What the filter `safe` gives: a string that escapes what is added to it, as markupsafe's do.
  static Value html(MarkedText text) { return Value(std::make_shared<const Text>(Text{std::move(text), true})); }
  // Failure where they nest too deep or hold a namespace.
  static Value list(std::vector<Value> items, bool generator = false);
  static Value tuple(std::vector<Value> items);
  static Value dict(std::vector<std::pair<Value, Value>> entries);
  static Value new_namespace() { return Value(std::make_shared<Namespace>()); }
  static Value function(std::string name, std::function<Value(Arguments&)> call);
  static Value from_json(const OrderedJson& json, bool trusted);

  bool is_undefined() const { return holds<Undefined>(); }
  bool is_none() const { return holds<None>(); }
  bool is_bool() const { return holds<bool>(); }
  bool is_int() const { return holds<int64_t>(); }
  bool is_float() const { return holds<double>(); }
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_string() const { return holds<TextPtr>(); }
  bool is_list() const { return holds<ListPtr>(); }
  bool is_dict() const { return holds<DictPtr>(); }
  bool is_namespace() const { return holds<std::shared_ptr<Namespace>>(); }
  bool is_function() const { return holds<std::shared_ptr<Function>>(); }

  const MarkedText& text() const;  // Failure where it is no string
  bool is_html() const { return is_string() && std::get<TextPtr>(data_)->html; }
  const List& as_list() const { return *std::get<ListPtr>(data_); }
  const Dict& as_dict() const { return *std::get<DictPtr>(data_); }
  Namespace& as_namespace() const { return *std::get<std::shared_ptr<Namespace>>(data_); }
  const Function& as_function() const { return *std::get<std::shared_ptr<Function>>(data_); }
  const std::string& undefined_name() const { return std::get<Undefined>(data_).name; }
  // Booleans count as numbers.
  int64_t as_int() const;
  double as_double() const;

  bool truthy() const;
  // Python's name of the type, for messages.
  const char* type_name() const;
  // str(): what {{ }} prints.
  MarkedText str() const;
  // repr(): as it prints inside a list.
  MarkedText repr() const;
  int depth() const;
  // Bytes that walking over all of it meets, what stands in it several times counted as often: a list of a list of a list that each
  // hold the next one twice is small in memory and endless to print. Saturates.
  size_t weight() const;
  // repr(), or the type's name where that would be long: for messages.
  std::string brief() const;

 private:
  struct Text {
    MarkedText marked;
    bool html;
  };
  using TextPtr = std::shared_ptr<const Text>;
  using ListPtr = std::shared_ptr<const List>;
  using DictPtr = std::shared_ptr<const Dict>;
  using Data = std::variant<Undefined, None, bool, int64_t, double, TextPtr, ListPtr, DictPtr,
                            std::shared_ptr<Namespace>, std::shared_ptr<Function>>;
  static List checked_list(std::vector<Value> items);
  template <class T>
  explicit Value(T data) : data_(std::move(data)) {}
  template <class T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }
  Data data_;
};

// What a function, filter or test was called with.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  // The argument at a place or by its name; null where it was not given.
  const Value* find(size_t place, std::string_view name) const;
};

bool equal(const Value& a, const Value& b);
// Failure for what Python has no hash of: lists and dicts.
void refuse_unhashable(const Value& value);
// Python's <. Failure where the two have no order.
bool less(const Value& a, const Value& b);

// json.dumps(ensure_ascii=False) as transformers calls it. indent < 0: one line.
struct JsonStyle {
  int indent = -1;
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false;
  bool ensure_ascii = false;
};
MarkedText to_json(const Value& value, const JsonStyle& style);
std::string float_repr(double value);

}  // namespace owlet::jinja
