#include "tokenizer/jinja/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/text_ops.h"
#include "tokenizer/unicode.h"

namespace owlet::jinja {
namespace {

constexpr size_t kBytesPerStep = 64;
constexpr size_t kBytesOfLoop = 1024;  // of what each round of a loop can look at

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

void refuse_undefined(const Value& value) {
  if (value.is_undefined()) throw Failure(value.undefined_name());
}

// A failure that knows its line already.
struct Located : Failure {
  using Failure::Failure;
};

}  // namespace

Interpreter::Level::Level(Interpreter& interpreter) : interpreter_(interpreter) {
  if (interpreter_.depth_ >= interpreter_.budget_.depth) throw Failure("the template nests or recurses too deep");
  interpreter_.charge(kBytesPerStep);
  ++interpreter_.depth_;
}

Interpreter::Interpreter(std::map<std::string, Value> variables, const std::tm& now, Budget budget)
    : scopes_{std::move(variables)}, now_(now), budget_(budget) {}

MarkedText Interpreter::render(const Block& block) {
  out_ = {};
  run(block);
  return std::move(out_);
}

void Interpreter::charge(size_t bytes) {
  budget_.steps -= static_cast<int64_t>(bytes / kBytesPerStep);
  if (budget_.steps < 0) throw Failure("the template takes too many steps");
}

void Interpreter::charge_search(const Value& text, const Value& wanted) {
  charge(text.weight() + text.weight() / kBytesPerStep * wanted.weight());
}

Interpreter::Flow Interpreter::run(const Block& block) {
  for (const auto& statement : block) {
    Flow flow;
    try {
      flow = run(*statement);
    } catch (const Located&) {
      throw;
    } catch (const Raised&) {
      throw;
    } catch (const Failure& failure) {
      throw Located(fmt::format("line {}: {}", statement->line, failure.what()));
    }
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run(const Statement& statement) {
  Level level(*this);
  switch (statement.kind) {
    case Statement::Kind::kText: out_.append(statement.text, true); break;
    case Statement::Kind::kPrint: {
      const Value value = evaluate(*statement.expression);
      charge(value.weight());
      out_.append(value.str());
      break;
    }
    case Statement::Kind::kIf: return run_if(statement);
    case Statement::Kind::kFor: return run_for(statement);
    case Statement::Kind::kSet: run_set(statement); break;
    case Statement::Kind::kSetBlock: {
      Value value = capture(statement.body);
      if (statement.expression) {
        scopes_.emplace_back()[""] = std::move(value);  // the filters' innermost operand is unnamed
        value = evaluate(*statement.expression);
        scopes_.pop_back();
      }
      scopes_.back()[statement.names[0]] = std::move(value);
      break;
    }
    case Statement::Kind::kMacro: define_macro(statement); break;
    case Statement::Kind::kBreak: return Flow::kBreak;
    case Statement::Kind::kContinue: return Flow::kContinue;
  }
  if (static_cast<int64_t>(out_.bytes().size()) > budget_.output_bytes) throw Failure("the template writes too much");
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement) {
  for (const auto& branch : statement.branches) {
    if (!branch.condition || evaluate(*branch.condition).truthy()) return run(branch.body);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement) {
  std::vector<Value> items = elements_of(*this, evaluate(*statement.expression));
  const size_t depth = scopes_.size();
  if (statement.filter) {
    std::vector<Value> kept;
    for (Value& item : items) {
      scopes_.emplace_back();
      assign(statement.names, item);
      if (evaluate(*statement.filter).truthy()) kept.push_back(std::move(item));
      scopes_.resize(depth);
    }
    items = std::move(kept);
  }
  const auto n = static_cast<int64_t>(items.size());
  Flow flow = n == 0 ? run(statement.orelse) : Flow::kNext;
  for (int64_t i = 0; i < n; ++i) {
    const auto key = [](const char* name) { return Value::trusted(name); };
    const auto at = [&](int64_t j) { return j < 0 || j >= n ? Value::undefined("there is no such item") : items[static_cast<size_t>(j)]; };
    charge(kBytesOfLoop);
    scopes_.emplace_back();
    assign(statement.names, items[static_cast<size_t>(i)]);
    scopes_.back()["loop"] = Value::dict({{key("index"), i + 1}, {key("index0"), i}, {key("first"), i == 0},
                                          {key("last"), i + 1 == n}, {key("length"), n}, {key("revindex"), n - i},
                                          {key("revindex0"), n - i - 1}, {key("previtem"), at(i - 1)},
                                          {key("nextitem"), at(i + 1)}});
    flow = run(statement.body);
    scopes_.resize(depth);
    if (flow == Flow::kBreak) break;
  }
  return n == 0 ? flow : Flow::kNext;
}

void Interpreter::assign(const std::vector<std::string>& names, const Value& value) {
  if (names.size() == 1) {
    scopes_.back()[names[0]] = value;
    return;
  }
  const std::vector<Value> parts = elements_of(*this, value);
  if (parts.size() != names.size()) {
    throw Failure(fmt::format("{} values for {} names", parts.size(), names.size()));
  }
  for (size_t i = 0; i < names.size(); ++i) scopes_.back()[names[i]] = parts[i];
}

void Interpreter::run_set(const Statement& statement) {
  Value value = evaluate(*statement.expression);
  if (statement.member.empty()) return assign(statement.names, value);
  const Value target = look_up(statement.names[0]);
  if (!target.is_namespace()) throw Failure("cannot assign attribute on non-namespace object");
  if (value.is_namespace()) throw Failure("a namespace cannot be part of another value");
  auto& members = target.as_namespace().members;
  const auto it = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == statement.member; });
  if (it != members.end()) {
    it->second = std::move(value);
  } else {
    members.emplace_back(statement.member, std::move(value));
  }
}

void Interpreter::define_macro(const Statement& statement) {
  scopes_.back()[statement.text] =
      Value::function(statement.text, [this, &statement](Arguments& arguments) { return call_macro(statement, arguments); });
}

// A macro sees its parameters and what stands at the top of the template.
Value Interpreter::call_macro(const Statement& macro, Arguments& arguments) {
  if (arguments.positional.size() > macro.parameters.size()) {
    throw Failure(fmt::format("macro '{}' takes not more than {} argument(s)", macro.text, macro.parameters.size()));
  }
  charge(arguments.named.size() * macro.parameters.size());
  for (const auto& [name, value] : arguments.named) {
    if (std::none_of(macro.parameters.begin(), macro.parameters.end(), [&wanted = name](const auto& p) { return p.name == wanted; })) {
      throw Failure(fmt::format("macro '{}' takes no keyword argument '{}'", macro.text, name));
    }
  }
  std::vector<Scope> outer(std::make_move_iterator(scopes_.begin() + 1), std::make_move_iterator(scopes_.end()));
  scopes_.resize(1);
  scopes_.emplace_back();
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto& parameter = macro.parameters[i];
    const Value* given = arguments.find(i, parameter.name);
    scopes_.back()[parameter.name] = given                 ? *given
                                     : parameter.otherwise ? evaluate(*parameter.otherwise)
                                                           : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
  }
  MarkedText text = capture(macro.body);
  scopes_.resize(1);
  std::move(outer.begin(), outer.end(), std::back_inserter(scopes_));
  return text;
}

MarkedText Interpreter::capture(const Block& block) {
  MarkedText before = std::exchange(out_, {});
  run(block);
  charge(out_.bytes().size());
  return std::exchange(out_, std::move(before));
}

Value Interpreter::look_up(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto it = scope->find(name); it != scope->end()) return it->second;
  }
  if (Value function = global_function(const_cast<Interpreter&>(*this), name); !function.is_undefined()) return function;
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

namespace {

// The character at a place, counted from the end where it is negative; undefined where there is none.
Value character_at(const MarkedText& text, int64_t index) {
  if (index < 0) index += static_cast<int64_t>(count_characters(text.bytes()));
  for (size_t at = 0; index >= 0 && at < text.bytes().size();) {
    const size_t length = unicode::code_point_at(text.bytes(), at).length;
    if (index-- == 0) return text.substr(at, length);
    at += length;
  }
  return {};
}

// object.name and object[name]: Python's attributes come first in one, items in the other.
Value member_of(Interpreter& interpreter, const Value& object, const Value& key, bool attribute_first) {
  refuse_undefined(object);
  if (object.is_namespace() && key.is_string()) {
    interpreter.charge(object.as_namespace().members.size());
    for (const auto& [name, value] : object.as_namespace().members) {
      if (name == key.text().bytes()) return value;
    }
  }
  const auto attribute = [&] { return key.is_string() ? bound_method(interpreter, object, key.text().bytes()) : Value(); };
  if (attribute_first) {
    if (Value method = attribute(); !method.is_undefined()) return method;
  }
  if (object.is_dict()) {
    interpreter.charge(object.as_dict().entries.size() + key.weight());
    if (const Value* found = object.as_dict().find(key)) return *found;
  }
  if (!attribute_first) {
    if (Value method = attribute(); !method.is_undefined()) return method;
  }
  if (key.is_string()) {
    return Value::undefined(fmt::format("'{} object' has no attribute '{}'", object.type_name(), key.text().bytes()));
  }
  if (key.is_int() && object.is_string()) {
    interpreter.charge(object.weight());
    if (Value character = character_at(object.text(), key.as_int()); !character.is_undefined()) return character;
  }
  if (key.is_int() && object.is_list()) {
    const std::vector<Value>& list = object.as_list().items;
    const auto n = static_cast<int64_t>(list.size());
    const int64_t index = key.as_int() < 0 ? key.as_int() + n : key.as_int();
    if (index >= 0 && index < n) return list[static_cast<size_t>(index)];
  }
  return Value::undefined(fmt::format("{} object has no element {}", object.type_name(), key.brief()));
}

}  // namespace

Arguments Interpreter::evaluate_arguments(const Call& call) {
  Arguments arguments;
  for (const auto& argument : call.positional) arguments.positional.push_back(evaluate(*argument));
  for (const auto& [name, argument] : call.named) arguments.named.emplace_back(name, evaluate(*argument));
  return arguments;
}

Value Interpreter::evaluate(const Expression& e) {
  Level level(*this);
  const auto child = [&](size_t i) { return evaluate(*e.children[i]); };
  switch (e.kind) {
    case Expression::Kind::kConstant: return e.value;
    case Expression::Kind::kName: return look_up(e.name);
    case Expression::Kind::kList: {
      std::vector<Value> items;
      for (size_t i = 0; i < e.children.size(); ++i) items.push_back(child(i));
      return Value::list(std::move(items));
    }
    case Expression::Kind::kDict: {
      std::vector<std::pair<Value, Value>> entries;
      for (size_t i = 0; i < e.children.size(); i += 2) entries.emplace_back(child(i), child(i + 1));
      return Value::dict(std::move(entries));
    }
    case Expression::Kind::kMember: return member_of(*this, child(0), Value::trusted(e.name), true);
    case Expression::Kind::kSubscript: return member_of(*this, child(0), child(1), false);
    case Expression::Kind::kSlice: return evaluate_slice(e);
    case Expression::Kind::kCall: {
      const Value function = child(0);
      refuse_undefined(function);
      if (!function.is_function()) throw Failure(fmt::format("'{}' object is not callable", function.type_name()));
      Arguments arguments = evaluate_arguments(e.call);
      return function.as_function().call(arguments);
    }
    case Expression::Kind::kFilter: {
      const Value operand = e.children.empty() ? look_up("") : child(0);
      return apply_filter(*this, e.name, operand, evaluate_arguments(e.call));
    }
    case Expression::Kind::kTest: return evaluate_test(e);
    case Expression::Kind::kBinary: return evaluate_binary(e);
    case Expression::Kind::kNot: return !child(0).truthy();
    case Expression::Kind::kNegate:
    case Expression::Kind::kPlus: {
      const Value value = child(0);
      refuse_undefined(value);
      if (!value.is_number()) throw Failure(fmt::format("bad operand type for unary -: '{}'", value.type_name()));
      const int64_t sign = e.kind == Expression::Kind::kNegate ? -1 : 1;
      return arithmetic(Operator::kMultiply, value, sign);
    }
    case Expression::Kind::kConditional:
      if (child(1).truthy()) return child(0);
      return e.children[2] ? child(2) : Value::undefined("the condition is false and there is no else");
  }
  return {};
}

Value Interpreter::evaluate_test(const Expression& e) {
  const Value value = evaluate(*e.children[0]);
  return apply_test(*this, e.name, value, evaluate_arguments(e.call)) != e.negated;
}

Value Interpreter::evaluate_binary(const Expression& e) {
  Value a = evaluate(*e.children[0]);
  if (e.op == Operator::kAnd) return a.truthy() ? evaluate(*e.children[1]) : a;
  if (e.op == Operator::kOr) return a.truthy() ? a : evaluate(*e.children[1]);
  const Value b = evaluate(*e.children[1]);
  if (e.op >= Operator::kEqual && e.op <= Operator::kGreaterEqual) charge(std::min(a.weight(), b.weight()));
  switch (e.op) {
    case Operator::kEqual: return equal(a, b);
    case Operator::kNotEqual: return !equal(a, b);
    case Operator::kIn: return contains(*this, b, a);
    case Operator::kNotIn: return !contains(*this, b, a);
    case Operator::kConcat: {
      charge(a.weight() + b.weight());
      MarkedText text = a.str();
      text.append(b.str());
      return text;
    }
    default: break;
  }
  refuse_undefined(a);
  refuse_undefined(b);
  switch (e.op) {
    case Operator::kLess: return less(a, b);
    case Operator::kLessEqual: return !less(b, a);
    case Operator::kGreater: return less(b, a);
    case Operator::kGreaterEqual: return !less(a, b);
    default: break;
  }
  if (a.is_number() && b.is_number()) return arithmetic(e.op, a, b);
  if (e.op == Operator::kAdd && a.is_string()) {
    if (!b.is_string()) throw Failure(fmt::format("can only concatenate str (not \"{}\") to str", b.type_name()));
    charge(a.weight() + b.weight());
    const bool html = a.is_html() || b.is_html();
    MarkedText text = html && !a.is_html() ? escape_html(a.text()) : a.text();
    text.append(html && !b.is_html() ? escape_html(b.text()) : b.text());
    return html ? Value::html(std::move(text)) : Value(std::move(text));
  }
  if (e.op == Operator::kAdd && a.is_list() && b.is_list()) {
    charge((a.as_list().items.size() + b.as_list().items.size()) * sizeof(Value));
    std::vector<Value> items = a.as_list().items;
    items.insert(items.end(), b.as_list().items.begin(), b.as_list().items.end());
    return Value::list(std::move(items));
  }
  if (e.op == Operator::kMultiply && a.is_string() && b.is_number() && !b.is_float()) {
    const auto times = static_cast<size_t>(std::clamp<int64_t>(b.as_int(), 0, int64_t{1} << 31));
    MarkedText text;
    charge(a.weight() * times);
    for (size_t i = 0; i < times; ++i) text.append(a.text());
    return text;
  }
  wrong_types("+", a, b);
}

namespace {

// Where each character begins, and the end of the text.
std::vector<size_t> begins_of_characters(Interpreter& interpreter, const MarkedText& text) {
  interpreter.charge(text.bytes().size() * sizeof(size_t));
  std::vector<size_t> begins;
  for (size_t at = 0; at < text.bytes().size(); at += unicode::code_point_at(text.bytes(), at).length) begins.push_back(at);
  begins.push_back(text.bytes().size());
  return begins;
}

}  // namespace

Value Interpreter::evaluate_slice(const Expression& e) {
  const Value object = evaluate(*e.children[0]);
  refuse_undefined(object);
  if (!object.is_string() && !object.is_list()) {
    throw Failure(fmt::format("'{}' object cannot be sliced", object.type_name()));
  }
  const std::vector<size_t> begins = object.is_string() ? begins_of_characters(*this, object.text()) : std::vector<size_t>();
  const auto n = static_cast<int64_t>(object.is_string() ? begins.size() - 1 : object.as_list().items.size());
  const auto part = [&](size_t i, int64_t otherwise) {
    if (!e.children[i]) return otherwise;
    const Value value = evaluate(*e.children[i]);
    return value.is_none() ? otherwise : value.as_int();
  };
  const int64_t step = std::clamp<int64_t>(part(3, 1), -(int64_t{1} << 40), int64_t{1} << 40);
  if (step == 0) throw Failure("slice step cannot be zero");
  const auto bound = [&](int64_t i) {
    if (i < 0) i = i < -n ? -1 : i + n;
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  const int64_t begin = e.children[1] ? bound(part(1, 0)) : step > 0 ? 0 : n - 1;
  const int64_t end = e.children[2] ? bound(part(2, n)) : step > 0 ? n : -1;
  std::vector<Value> taken;
  MarkedText text;
  for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
    const auto at = static_cast<size_t>(i);
    if (object.is_list()) taken.push_back(object.as_list().items[at]); else text.append(object.text().substr(begins[at], begins[at + 1] - begins[at]));
  }
  charge(taken.size() * sizeof(Value));
  return object.is_list() ? Value::list(std::move(taken)) : text;
}

}  // namespace owlet::jinja
