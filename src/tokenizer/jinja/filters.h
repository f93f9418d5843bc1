// What the files of filters share.
#pragma once

#include "tokenizer/jinja/interpreter.h"

namespace owlet::jinja {

using Filter = Value (*)(Interpreter&, const Value&, const Arguments&);

bool flag(const Arguments& arguments, size_t place, std::string_view name, bool otherwise);
int64_t number(const Arguments& arguments, size_t place, std::string_view name, int64_t otherwise);
// The member that filters name by "a.b" or a number.
Value attribute_of(Interpreter& interpreter, const Value& item, const Value& attribute);
// Sorts by keys[i] of items[i]; equal ones stay in order. Letters of ASCII count as small ones unless `case_sensitive`.
std::vector<Value> sorted(std::vector<Value> items, const std::vector<Value>& keys, bool case_sensitive, bool reverse);
// a < b in that order.
bool comes_before(const Value& a, const Value& b, bool case_sensitive);

// sequence_filters.cc
Value sum(Interpreter& interpreter, const Value& value, const Arguments& arguments);
Value least_or_greatest(Interpreter& interpreter, const Value& value, const Arguments& arguments, bool greatest);
Value batch(Interpreter& interpreter, const Value& value, const Arguments& arguments);
Value slice(Interpreter& interpreter, const Value& value, const Arguments& arguments);
Value group_by(Interpreter& interpreter, const Value& value, const Arguments& arguments);
Value unique(Interpreter& interpreter, const Value& value, const Arguments& arguments);

}  // namespace owlet::jinja
