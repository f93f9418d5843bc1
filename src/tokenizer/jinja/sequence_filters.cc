// Filters that add up, choose and group.
#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/jinja/filters.h"
#include "tokenizer/jinja/text_ops.h"

namespace owlet::jinja {
namespace {

std::vector<Value> keys_of(Interpreter& interpreter, const std::vector<Value>& items, const Value* attribute) {
  interpreter.charge(items.size() * sizeof(Value));
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(attribute ? attribute_of(interpreter, item, *attribute) : item);
  return keys;
}

const Value& needed(const Arguments& arguments, const char* name) {
  const Value* value = arguments.find(0, name);
  if (!value) throw Failure(fmt::format("the argument '{}' is missing", name));
  return *value;
}

int64_t positive(const Arguments& arguments, const char* name) {
  const int64_t n = needed(arguments, name).as_int();
  if (n < 1) throw Failure(fmt::format("'{}' must be at least 1", name));
  return n;
}

}  // namespace

Value sum(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const Value* start = arguments.find(1, "start");
  Value total = start ? *start : Value(int64_t{0});
  for (const Value& item : keys_of(interpreter, elements_of(interpreter, value), arguments.find(0, "attribute"))) {
    total = apply_operator(interpreter, Operator::kAdd, total, item);
  }
  return total;
}

Value least_or_greatest(Interpreter& interpreter, const Value& value, const Arguments& arguments, bool greatest) {
  const bool exact = flag(arguments, 0, "case_sensitive", false);
  const std::vector<Value> items = elements_of(interpreter, value);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const std::vector<Value> keys = keys_of(interpreter, items, arguments.find(1, "attribute"));
  interpreter.charge(value.weight());
  if (keys.size() > 1) std::for_each(keys.begin(), keys.end(), refuse_undefined);
  size_t best = 0;
  for (size_t i = 1; i < keys.size(); ++i) {
    if (greatest ? comes_before(keys[best], keys[i], exact) : comes_before(keys[i], keys[best], exact)) best = i;
  }
  return items[best];
}

Value batch(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const auto n = static_cast<size_t>(positive(arguments, "linecount"));
  const Value* filling = arguments.find(1, "fill_with");
  std::vector<Value> batches, row;
  for (Value& item : elements_of(interpreter, value)) {
    row.push_back(std::move(item));
    if (row.size() == n) batches.push_back(Value::list(std::exchange(row, {})));
  }
  if (!row.empty() && filling && !filling->is_none()) {
    interpreter.charge(std::min(n, size_t{1} << 40) * sizeof(Value));
    row.resize(n, *filling);
  }
  if (!row.empty()) batches.push_back(Value::list(std::move(row)));
  return Value::list(std::move(batches), true);
}

// So many lists as even as can be; the first ones have the rest, the later ones the filling.
Value slice(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const auto n = static_cast<size_t>(positive(arguments, "slices"));
  const Value* filling = arguments.find(1, "fill_with");
  interpreter.charge(std::min(n, size_t{1} << 40) * sizeof(Value));
  const std::vector<Value> items = elements_of(interpreter, value);
  const size_t even = items.size() / n, rest = items.size() % n;
  std::vector<Value> slices;
  auto at = items.begin();
  for (size_t i = 0; i < n; ++i) {
    const auto end = at + static_cast<std::ptrdiff_t>(even + (i < rest));
    std::vector<Value> part(at, end);
    if (filling && !filling->is_none() && i >= rest) part.push_back(*filling);
    slices.push_back(Value::list(std::move(part)));
    at = end;
  }
  return Value::list(std::move(slices), true);
}

// Pairs of a key and the items that have it, by key.
Value group_by(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const bool exact = flag(arguments, 2, "case_sensitive", false);
  const Value &attribute = needed(arguments, "attribute"), *otherwise = arguments.find(1, "default");
  std::vector<Value> items = elements_of(interpreter, value);
  const auto key_of = [&](const Value& item) {
    Value key = attribute_of(interpreter, item, attribute);
    return key.is_undefined() && otherwise ? *otherwise : key;
  };
  interpreter.charge(items.size() * 64 * 16 + value.weight());
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(key_of(item));
  if (keys.size() > 1) std::for_each(keys.begin(), keys.end(), refuse_undefined);
  std::vector<Value> groups, group;
  Value key;
  const auto close = [&] {
    if (!group.empty()) groups.push_back(Value::tuple({key, Value::list(std::exchange(group, {}))}));
  };
  for (Value& item : sorted(std::move(items), keys, exact, false)) {
    Value next = key_of(item);
    if (group.empty() || comes_before(key, next, exact)) {
      close();
      key = std::move(next);
    }
    group.push_back(std::move(item));
  }
  close();
  return Value::list(std::move(groups));
}

Value unique(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  const bool exact = flag(arguments, 0, "case_sensitive", false);
  const std::vector<Value> items = elements_of(interpreter, value);
  std::vector<Value> kept, kept_keys;
  for (size_t i = 0; const Value& key : keys_of(interpreter, items, arguments.find(1, "attribute"))) {
    refuse_unhashable(key);
    const Value compared = key.is_string() && !exact ? Value(to_lower(key.text())) : key;
    interpreter.charge((kept.size() + 1) * (64 + key.weight()));
    const bool known = std::any_of(kept_keys.begin(), kept_keys.end(), [&](const Value& other) { return equal(other, compared); });
    if (!known) {
      kept.push_back(items[i]);
      kept_keys.push_back(compared);
    }
    ++i;
  }
  return Value::list(std::move(kept), true);
}

}  // namespace owlet::jinja
