// Operators of templates: Python's, but for its endless whole numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/format.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text_ops.h"

namespace owlet::jinja {
namespace {

// Python's arithmetic on whole numbers, but for its endless size.
int64_t whole_arithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd: overflow = __builtin_add_overflow(a, b, &result); break;
    case Operator::kSubtract: overflow = __builtin_sub_overflow(a, b, &result); break;
    case Operator::kMultiply: overflow = __builtin_mul_overflow(a, b, &result); break;
    case Operator::kPower:
      result = 1;
      for (int64_t i = 0; i < b && !overflow && i < 64; ++i) overflow = __builtin_mul_overflow(result, a, &result);
      if (b >= 64 && (a > 1 || a < -1)) overflow = true;
      if (b >= 64 && a == -1) result = b % 2 ? -1 : 1;
      break;
    default:  // floor division and its remainder
      if (b == 0) throw Failure("integer division or modulo by zero");
      if (b == -1) {
        overflow = op == Operator::kFloorDivide && __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      const bool between = a % b != 0 && (a < 0) != (b < 0);
      result = op == Operator::kFloorDivide ? a / b - between : between ? a % b + b : a % b;
  }
  if (overflow) throw Failure("a number grows beyond 64 bits");
  return result;
}

Value arithmetic(Operator op, const Value& a, const Value& b) {
  const bool negative_power = op == Operator::kPower && !b.is_float() && b.as_int() < 0;
  if (!a.is_float() && !b.is_float() && op != Operator::kDivide && !negative_power) {
    return whole_arithmetic(op, a.as_int(), b.as_int());
  }
  const double x = a.as_double(), y = b.as_double();
  switch (op) {
    case Operator::kAdd: return x + y;
    case Operator::kSubtract: return x - y;
    case Operator::kMultiply: return x * y;
    case Operator::kPower: return std::pow(x, y);
    default: break;
  }
  if (y == 0) throw Failure("division by zero");
  if (op == Operator::kDivide) return x / y;
  return op == Operator::kFloorDivide ? std::floor(x / y) : x - y * std::floor(x / y);
}

[[noreturn]] void wrong_types(const char* op, const Value& a, const Value& b) {
  throw Failure(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op, a.type_name(), b.type_name()));
}

Value add_texts(Interpreter& interpreter, const Value& a, const Value& b) {
  if (!b.is_string()) throw Failure(fmt::format("can only concatenate str (not \"{}\") to str", b.type_name()));
  interpreter.charge(a.weight() + b.weight());
  const bool html = a.is_html() || b.is_html();
  MarkedText text = html && !a.is_html() ? escape_html(a.text()) : a.text();
  text.append(html && !b.is_html() ? escape_html(b.text()) : b.text());
  return html ? Value::html(std::move(text)) : Value(std::move(text));
}

Value add_lists(Interpreter& interpreter, const List& a, const List& b) {
  interpreter.charge((a.items.size() + b.items.size()) * sizeof(Value));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return a.tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

// A text or a list so many times.
Value repeat(Interpreter& interpreter, const Value& value, const Value& count) {
  const auto times = static_cast<size_t>(std::clamp<int64_t>(count.as_int(), 0, int64_t{1} << 31));
  interpreter.charge((value.weight() + sizeof(Value)) * times);
  MarkedText text;
  std::vector<Value> items;
  for (size_t i = 0; i < times; ++i) {
    if (value.is_string()) {
      text.append(value.text());
    } else {
      items.insert(items.end(), value.as_list().items.begin(), value.as_list().items.end());
    }
  }
  if (value.is_string()) return text;
  return value.as_list().tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

const char* symbol_of(Operator op) {
  switch (op) {
    case Operator::kSubtract: return "-";
    case Operator::kMultiply: return "*";
    case Operator::kDivide: return "/";
    case Operator::kFloorDivide: return "//";
    case Operator::kModulo: return "%";
    case Operator::kPower: return "** or pow()";
    default: return "+";
  }
}

}  // namespace

void refuse_undefined(const Value& value) {
  if (value.is_undefined()) throw Failure(value.undefined_name());
}

Value apply_operator(Interpreter& interpreter, Operator op, const Value& a, const Value& b) {
  if (op >= Operator::kEqual && op <= Operator::kGreaterEqual) interpreter.charge(std::min(a.weight(), b.weight()));
  switch (op) {
    case Operator::kEqual: return equal(a, b);
    case Operator::kNotEqual: return !equal(a, b);
    case Operator::kIn: return contains(interpreter, b, a);
    case Operator::kNotIn: return !contains(interpreter, b, a);
    case Operator::kConcat: {
      interpreter.charge(a.weight() + b.weight());
      MarkedText text = a.str();
      text.append(b.str());
      return text;
    }
    default: break;
  }
  refuse_undefined(a);
  if (op == Operator::kModulo && a.is_string()) return format_percent(interpreter, a.text(), b);
  refuse_undefined(b);
  switch (op) {
    case Operator::kLess: return less(a, b);
    case Operator::kLessEqual: return !less(b, a);
    case Operator::kGreater: return less(b, a);
    case Operator::kGreaterEqual: return !less(a, b);
    default: break;
  }
  const auto is_whole = [](const Value& value) { return value.is_number() && !value.is_float(); };
  const auto repeats = [](const Value& value) { return value.is_string() || value.is_list(); };
  if (a.is_number() && b.is_number()) return arithmetic(op, a, b);
  if (op == Operator::kAdd && a.is_string()) return add_texts(interpreter, a, b);
  if (op == Operator::kAdd && a.is_list() && b.is_list() && a.as_list().tuple == b.as_list().tuple) return add_lists(interpreter, a.as_list(), b.as_list());
  if (op == Operator::kMultiply && repeats(a) && is_whole(b)) return repeat(interpreter, a, b);
  if (op == Operator::kMultiply && is_whole(a) && repeats(b)) return repeat(interpreter, b, a);
  wrong_types(symbol_of(op), a, b);
}

}  // namespace owlet::jinja
