// The tree of a template: text, statements, expressions. Each node knows its line.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/jinja/value.h"

namespace owlet::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class Operator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower, kConcat,
                      kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn, kAnd, kOr };

struct Call {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Expression {
  enum class Kind {
    kConstant,     // value
    kName,         // name
    kList,         // children
    kTuple,        // children
    kDict,         // children: key, value, key, value …
    kMember,       // children[0].name
    kSubscript,    // children[0][children[1]]
    kSlice,        // children[0][children[1]:children[2]:children[3]], null where left out
    kCall,         // children[0](call)
    kFilter,       // children[0] | name(call)
    kTest,         // children[0] is name(call), or is not where `negated`
    kBinary,       // children[0] op children[1]
    kComparison,   // children[0] ops[0] children[1] ops[1] children[2] …: each two neighbours
    kNot, kNegate, kPlus,  // children[0]
    kConditional,  // children[0] if children[1] else children[2], the last null where left out
  };
  Kind kind;
  int line = 0;
  int height = 1;  // of the tree that it is the top of
  Value value;
  std::string name;
  Operator op = Operator::kAdd;
  std::vector<Operator> ops;
  bool negated = false;
  std::vector<ExpressionPtr> children;
  Call call;
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  enum class Kind {
    kText,      // text
    kPrint,     // expression
    kIf,        // branches; a branch without a condition is the else
    kFor,       // names in expression (if filter): body, else orelse
    kSet,       // names = expression; or names[0].member = expression
    kSetBlock,  // names[0] = what body prints, or prints it where there is no name; through the filters of expression
    kMacro,     // text(parameters): body
    kCall,      // expression, a call whose callee may call back: caller(parameters): body
    kWith,      // names are the values while body runs
    kBreak, kContinue,
  };
  struct Branch {
    ExpressionPtr condition;
    Block body;
  };
  struct Parameter {
    std::string name;
    ExpressionPtr otherwise;
  };
  Kind kind;
  int line = 0;
  std::string text;
  std::string member;
  std::vector<std::string> names;
  ExpressionPtr expression, filter;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  bool takes_more = false, takes_names = false;  // a macro that speaks of `varargs`, `kwargs`
  bool recursive = false;                        // a loop that may be called
  std::vector<ExpressionPtr> values;
  Block body, orelse;
};

}  // namespace owlet::jinja
