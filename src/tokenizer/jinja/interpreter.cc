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
constexpr std::string_view kCallOfLoop = "loop()";  // what `loop` is when a recursive loop calls it, under a name that no template looks up

Value call(const Value& function, Arguments arguments) {
  if (!function.is_function()) throw Failure(fmt::format("'{}' object is not callable", function.type_name()));
  return function.as_function().call(arguments);
}

// loop.cycle(a, b, …) in round i.
Value cycle(int64_t i) {
  return Value::function("cycle", [i](Arguments& arguments) -> Value {
    if (arguments.positional.empty()) throw Failure("no items for cycling given");
    return arguments.positional[static_cast<size_t>(i) % arguments.positional.size()];
  });
}

// loop.changed(a, b, …): whether they differ from what it was called with last. The loop owns the memory of that, since a value that kept
// it could be part of itself.
Value changed(const std::weak_ptr<std::vector<Value>>& last) {
  return Value::function("changed", [last](Arguments& arguments) -> Value {
    const auto kept = last.lock();
    if (!kept) throw Failure("the loop has ended");
    const std::vector<Value> before = std::exchange(*kept, arguments.positional);
    return !std::equal(before.begin(), before.end(), kept->begin(), kept->end(), equal);
  });
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
    case Statement::Kind::kPrint: print(evaluate(*statement.expression)); break;
    case Statement::Kind::kIf: return run_if(statement);
    case Statement::Kind::kFor: return run_for(statement);
    case Statement::Kind::kSet: run_set(statement); break;
    case Statement::Kind::kSetBlock: run_set_block(statement); break;
    case Statement::Kind::kMacro: define_macro(statement); break;
    case Statement::Kind::kCall: print(call_with_caller(statement)); break;
    case Statement::Kind::kWith: return run_with(statement);
    case Statement::Kind::kBreak: return Flow::kBreak;
    case Statement::Kind::kContinue: return Flow::kContinue;
  }
  if (static_cast<int64_t>(out_.bytes().size()) > budget_.output_bytes) throw Failure("the template writes too much");
  return Flow::kNext;
}

void Interpreter::print(const Value& value) {
  charge(value.weight());
  out_.append(value.str());
}

Interpreter::Flow Interpreter::run_with(const Statement& statement) {
  Scope scope;
  for (size_t i = 0; i < statement.names.size(); ++i) scope[statement.names[i]] = evaluate(*statement.values[i]);
  scopes_.push_back(std::move(scope));
  const Flow flow = run(statement.body);
  scopes_.pop_back();
  return flow;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement) {
  for (const auto& branch : statement.branches) {
    if (!branch.condition || evaluate(*branch.condition).truthy()) return run(branch.body);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement) {
  return run_loop(statement, elements_of(*this, evaluate(*statement.expression)), 1);
}

std::vector<Value> Interpreter::filtered(const Statement& loop, std::vector<Value> items) {
  if (!loop.filter) return items;
  std::vector<Value> kept;
  for (Value& item : items) {
    scopes_.emplace_back();
    assign(loop.names, item);
    if (evaluate(*loop.filter).truthy()) kept.push_back(std::move(item));
    scopes_.pop_back();
  }
  return kept;
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement, std::vector<Value> given, int64_t depth) {
  const std::vector<Value> items = filtered(statement, std::move(given));
  const size_t n_scopes = scopes_.size();
  const auto n = static_cast<int64_t>(items.size());
  const auto before = std::make_shared<std::vector<Value>>();
  const Value changed_since = changed(before), again = statement.recursive ? call_of_loop(statement, depth + 1) : Value();
  Flow flow = n == 0 ? run(statement.orelse) : Flow::kNext;
  for (int64_t i = 0; i < n; ++i) {
    const auto key = [](std::string_view name) { return Value::trusted(name); };
    const auto at = [&](int64_t j) { return j < 0 || j >= n ? Value::undefined("there is no such item") : items[static_cast<size_t>(j)]; };
    charge(kBytesOfLoop);
    scopes_.emplace_back();
    assign(statement.names, items[static_cast<size_t>(i)]);
    std::vector<std::pair<Value, Value>> loop = {
        {key("index"), i + 1}, {key("index0"), i}, {key("first"), i == 0}, {key("last"), i + 1 == n}, {key("length"), n},
        {key("revindex"), n - i}, {key("revindex0"), n - i - 1}, {key("depth"), depth}, {key("depth0"), depth - 1},
        {key("previtem"), at(i - 1)}, {key("nextitem"), at(i + 1)}, {key("cycle"), cycle(i)},
        {key("changed"), changed_since}};
    if (statement.recursive) loop.emplace_back(key(kCallOfLoop), again);
    scopes_.back()["loop"] = Value::dict(std::move(loop));
    flow = run(statement.body);
    scopes_.resize(n_scopes);
    if (flow == Flow::kBreak) break;
  }
  return n == 0 ? flow : Flow::kNext;
}

// loop(items) in a recursive loop: what the loop prints of them.
Value Interpreter::call_of_loop(const Statement& statement, int64_t depth) {
  return Value::function("loop", [this, &statement, depth](Arguments& arguments) -> Value {
    const Value* items = arguments.find(0, "iterable");
    if (!items) throw Failure("loop() needs what to loop over");
    return capture([&] { run_loop(statement, elements_of(*this, *items), depth); });
  });
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

void Interpreter::run_set_block(const Statement& statement) {
  Value value = capture([&] { run(statement.body); });
  if (statement.expression) {
    scopes_.emplace_back()[""] = std::move(value);  // the filters' innermost operand is unnamed
    value = evaluate(*statement.expression);
    scopes_.pop_back();
  }
  if (statement.names.empty()) return print(value);
  scopes_.back()[statement.names[0]] = std::move(value);
}

void Interpreter::define_macro(const Statement& statement) {
  scopes_.back()[statement.text] =
      Value::function(statement.text, [this, &statement](Arguments& arguments) { return call_macro(statement, arguments, {}); });
}

// {% call %}: its body is a macro that the callee finds under the name `caller`, and sees what stands around the tag.
Value Interpreter::call_with_caller(const Statement& statement) {
  const Expression& called = *statement.expression;
  const Value function = evaluate(*called.children[0]);
  refuse_undefined(function);
  Arguments arguments = evaluate_arguments(called.call);
  for (const Scope& scope : scopes_) charge(scope.size() * kBytesPerStep);
  const auto around = std::make_shared<const std::vector<Scope>>(scopes_.begin() + 1, scopes_.end());
  // Held from here alone: whoever kept `caller` in a namespace that it sees would otherwise keep both for ever.
  const auto caller = [this, &statement, seen = std::weak_ptr(around)](Arguments& back) {
    const auto scopes = seen.lock();
    if (!scopes) throw Failure("the call that the caller belongs to has ended");
    return call_macro(statement, back, *scopes);
  };
  arguments.named.emplace_back("caller", Value::function("caller", caller));
  return call(function, std::move(arguments));
}

// What was given beyond a macro's parameters, under the names that its body may speak of.
void Interpreter::bind_rest(const Statement& macro, const Arguments& arguments, Scope& scope) {
  const size_t n = macro.parameters.size();
  charge((arguments.named.size() + 1) * (n + 1) + arguments.positional.size() * sizeof(Value));
  std::vector<Value> more;
  if (arguments.positional.size() > n) more.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(n), arguments.positional.end());
  std::vector<std::pair<Value, Value>> names;
  for (const auto& [name, value] : arguments.named) {
    if (std::any_of(macro.parameters.begin(), macro.parameters.end(), [&wanted = name](const auto& p) { return p.name == wanted; })) continue;
    if (name == "caller") {
      scope[name] = value;
      continue;
    }
    if (!macro.takes_names) throw Failure(fmt::format("macro '{}' takes no keyword argument '{}'", macro.text, name));
    names.emplace_back(Value::trusted(name), value);
  }
  if (!more.empty() && !macro.takes_more) throw Failure(fmt::format("macro '{}' takes not more than {} argument(s)", macro.text, n));
  if (macro.takes_more) scope["varargs"] = Value::tuple(std::move(more));
  if (macro.takes_names) scope["kwargs"] = Value::dict(std::move(names));
}

// A macro sees its parameters, what stands `around` it and what stands at the top of the template.
Value Interpreter::call_macro(const Statement& macro, Arguments& arguments, const std::vector<Scope>& around) {
  Scope scope;
  bind_rest(macro, arguments, scope);
  std::vector<Scope> outer(std::make_move_iterator(scopes_.begin() + 1), std::make_move_iterator(scopes_.end()));
  scopes_.resize(1);
  scopes_.insert(scopes_.end(), around.begin(), around.end());
  scopes_.push_back(std::move(scope));
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto& parameter = macro.parameters[i];
    const Value* given = arguments.find(i, parameter.name);
    scopes_.back()[parameter.name] = given                 ? *given
                                     : parameter.otherwise ? evaluate(*parameter.otherwise)
                                                           : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
  }
  MarkedText text = capture([&] { run(macro.body); });
  scopes_.resize(1);
  std::move(outer.begin(), outer.end(), std::back_inserter(scopes_));
  return text;
}

MarkedText Interpreter::capture(const std::function<void()>& print) {
  MarkedText before = std::exchange(out_, {});
  print();
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
    case Expression::Kind::kList:
    case Expression::Kind::kTuple: {
      std::vector<Value> items;
      for (size_t i = 0; i < e.children.size(); ++i) items.push_back(child(i));
      return e.kind == Expression::Kind::kTuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
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
      Value function = child(0);
      refuse_undefined(function);
      if (function.is_dict()) {
        if (const Value* call = function.as_dict().find(Value::trusted(kCallOfLoop))) function = Value(*call);
      }
      return call(function, evaluate_arguments(e.call));
    }
    case Expression::Kind::kFilter: {
      const Value operand = e.children.empty() ? look_up("") : child(0);
      return apply_filter(*this, e.name, operand, evaluate_arguments(e.call));
    }
    case Expression::Kind::kTest: return evaluate_test(e);
    case Expression::Kind::kBinary: return evaluate_binary(e);
    case Expression::Kind::kComparison: return evaluate_comparison(e);
    case Expression::Kind::kNot: return !child(0).truthy();
    case Expression::Kind::kNegate:
    case Expression::Kind::kPlus: {
      const Value value = child(0);
      refuse_undefined(value);
      if (!value.is_number()) throw Failure(fmt::format("bad operand type for unary -: '{}'", value.type_name()));
      const int64_t sign = e.kind == Expression::Kind::kNegate ? -1 : 1;
      return apply_operator(*this, Operator::kMultiply, value, sign);
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
  return apply_operator(*this, e.op, a, evaluate(*e.children[1]));
}

// Each operand is evaluated once, and none after the first two that do not agree.
Value Interpreter::evaluate_comparison(const Expression& e) {
  Value left = evaluate(*e.children[0]), result;
  for (size_t i = 0; i < e.ops.size(); ++i) {
    Value right = evaluate(*e.children[i + 1]);
    result = apply_operator(*this, e.ops[i], left, right);
    if (!result.truthy()) break;
    left = std::move(right);
  }
  return result;
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
  if (!object.is_string() && !object.is_list()) throw Failure(fmt::format("'{}' object cannot be sliced", object.type_name()));
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
  if (object.is_string()) return text;
  return object.as_list().tuple ? Value::tuple(std::move(taken)) : Value::list(std::move(taken));
}

}  // namespace owlet::jinja
