// Walks the tree of a template with a budget.
#pragma once

#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tokenizer/jinja/ast.h"

namespace owlet::jinja {

// What a template may spend before it is stopped. One step is one node of the tree visited or about 64 bytes copied.
struct Budget {
  int64_t steps = 4'000'000;
  int64_t output_bytes = int64_t{64} << 20;
  int depth = 200;  // of macros, blocks and expressions within each other
};

class Interpreter {
 public:
  Interpreter(std::map<std::string, Value> variables, const std::tm& now, Budget budget = {});

  // Throws Failure; its message names the line, but for messages that the template raised itself.
  MarkedText render(const Block& block);

  // For filters, tests and functions: takes from the budget, before the work is done and the memory asked for.
  void charge(size_t bytes);
  // What a search for `wanted` in `text` may cost.
  void charge_search(const Value& text, const Value& wanted);
  // One level deeper, as long as it lives.
  class Level {
   public:
    explicit Level(Interpreter& interpreter);
    ~Level() { --interpreter_.depth_; }

   private:
    Interpreter& interpreter_;
  };
  const std::tm& now() const { return now_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };
  using Scope = std::map<std::string, Value>;

  Flow run(const Block& block);
  Flow run(const Statement& statement);
  Flow run_if(const Statement& statement);
  Flow run_for(const Statement& statement);
  Flow run_loop(const Statement& statement, std::vector<Value> given, int64_t depth);
  std::vector<Value> filtered(const Statement& loop, std::vector<Value> items);
  Value call_of_loop(const Statement& statement, int64_t depth);
  Flow run_with(const Statement& statement);
  void run_set(const Statement& statement);
  void run_set_block(const Statement& statement);
  void print(const Value& value);
  void define_macro(const Statement& statement);
  Value call_macro(const Statement& macro, Arguments& arguments, const std::vector<Scope>& around);
  Value call_with_caller(const Statement& statement);
  void bind_rest(const Statement& macro, const Arguments& arguments, Scope& scope);
  // What is printed meanwhile.
  MarkedText capture(const std::function<void()>& print);
  void assign(const std::vector<std::string>& names, const Value& value);

  Value evaluate(const Expression& expression);
  Value evaluate_binary(const Expression& expression);
  Value evaluate_comparison(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_test(const Expression& expression);
  Value look_up(const std::string& name) const;
  Arguments evaluate_arguments(const Call& call);

  std::vector<Scope> scopes_;  // the first: what the template was given and sets at its top
  MarkedText out_;
  std::tm now_;
  Budget budget_;
  int depth_ = 0;
};

// operators.cc: a op b, but for `and` and `or`, which may not need b.
Value apply_operator(Interpreter& interpreter, Operator op, const Value& a, const Value& b);
// Failure where it is undefined, in the words that it carries.
void refuse_undefined(const Value& value);

// filters.cc, methods.cc: what templates call. Each throws Failure for an unknown name or a wrong argument.
Value apply_filter(Interpreter& interpreter, const std::string& name, const Value& value, const Arguments& arguments);
bool apply_test(Interpreter& interpreter, const std::string& name, const Value& value, const Arguments& arguments);
// Undefined where there is no such function.
Value global_function(Interpreter& interpreter, const std::string& name);
// A method of a string, list or dict, bound to it; undefined where there is none.
Value bound_method(Interpreter& interpreter, const Value& object, const std::string& name);
// Python's list(value): what a loop over it visits.
std::vector<Value> elements_of(Interpreter& interpreter, const Value& value);
bool contains(Interpreter& interpreter, const Value& container, const Value& item);

}  // namespace owlet::jinja
