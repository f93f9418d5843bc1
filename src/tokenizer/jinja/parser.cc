#include "tokenizer/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace owlet::jinja {
namespace {

using Kind = Token::Kind;
constexpr int kMaxNesting = 150;  // of brackets, operators and blocks within each other

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Block parse_template() {
    Block block = parse_block({});
    if (peek().kind != Kind::kEnd) fail(fmt::format("'{}' without its beginning", tokens_[at_ + 1].text));
    return block;
  }

 private:
  // Counts how deep the descent is, so that no template overflows the stack.
  class Descent {
   public:
    explicit Descent(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxNesting) parser_.fail(fmt::format("nested deeper than {} levels", kMaxNesting));
    }
    ~Descent() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  [[noreturn]] void fail(const std::string& what) const { throw Failure(fmt::format("line {}: {}", peek().line, what)); }

  const Token& peek() const { return tokens_[at_]; }
  Token take() { return tokens_[at_].kind == Kind::kEnd ? tokens_[at_] : std::move(tokens_[at_++]); }
  bool is_symbol(std::string_view text) const { return peek().kind == Kind::kSymbol && peek().text == text; }
  bool is_name(std::string_view text) const { return peek().kind == Kind::kName && peek().text == text; }
  bool accept(std::string_view symbol) {
    const bool found = is_symbol(symbol);
    at_ += found;
    return found;
  }
  bool accept_name(std::string_view name) {
    const bool found = is_name(name);
    at_ += found;
    return found;
  }
  void expect(std::string_view symbol) {
    if (!accept(symbol)) fail(fmt::format("expected '{}' before '{}'", symbol, peek().text));
  }
  std::string expect_name() {
    if (peek().kind != Kind::kName) fail(fmt::format("expected a name before '{}'", peek().text));
    return take().text;
  }
  void expect_block_end() {
    if (peek().kind != Kind::kBlockEnd) fail(fmt::format("expected '%}}' before '{}'", peek().text));
    ++at_;
  }

  // Statements up to a tag with one of these names, which is left to be read.
  Block parse_block(const std::vector<std::string_view>& until) {
    Descent descent(*this);
    Block block;
    while (peek().kind != Kind::kEnd) {
      if (peek().kind == Kind::kText) {
        auto statement = make(Statement::Kind::kText);
        statement->text = take().text;
        block.push_back(std::move(statement));
      } else if (peek().kind == Kind::kPrintBegin) {
        auto statement = make(Statement::Kind::kPrint);
        ++at_;
        statement->expression = parse_tuple();
        if (peek().kind != Kind::kPrintEnd) fail(fmt::format("expected '}}}}' before '{}'", peek().text));
        ++at_;
        block.push_back(std::move(statement));
      } else {
        const std::string& name = tokens_[at_ + 1].text;
        if (std::find(until.begin(), until.end(), name) != until.end() || name.rfind("end", 0) == 0) return block;
        ++at_;
        parse_statement(block);
      }
    }
    return block;
  }

  std::unique_ptr<Statement> make(Statement::Kind kind) const {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = peek().line;
    return statement;
  }

  // Reads "{% name %}" that must come here; some repeat what they end.
  void expect_tag(std::string_view name, bool may_repeat = false) {
    if (peek().kind != Kind::kBlockBegin || tokens_[at_ + 1].text != name) fail(fmt::format("'{}' is missing", name));
    at_ += 2;
    if (may_repeat && peek().kind == Kind::kName) ++at_;
    expect_block_end();
  }

  // What stands between the tag that is being read and the one that ends it.
  Block parse_body(std::string_view end, bool may_repeat = false) {
    expect_block_end();
    Block body = parse_block({end});
    expect_tag(end, may_repeat);
    return body;
  }

  void parse_statement(Block& block) {
    using Parse = std::unique_ptr<Statement> (Parser::*)();
    static constexpr std::pair<std::string_view, Parse> kTags[] = {
        {"if", &Parser::parse_if},       {"for", &Parser::parse_for},   {"set", &Parser::parse_set}, {"macro", &Parser::parse_macro},
        {"filter", &Parser::parse_filter_block}, {"call", &Parser::parse_call_block}, {"with", &Parser::parse_with}};
    const std::string name = expect_name();
    const auto tag = std::find_if(std::begin(kTags), std::end(kTags), [&](const auto& t) { return t.first == name; });
    if (tag != std::end(kTags)) {
      block.push_back((this->*tag->second)());
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) fail(fmt::format("'{}' outside of a loop", name));
      block.push_back(make(name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue));
      expect_block_end();
    } else if (name == "generation" || name == "block") {  // one marks what training counts, one what other templates would replace
      if (name == "block") expect_name();
      Block inner = parse_body("end" + name, name == "block");
      std::move(inner.begin(), inner.end(), std::back_inserter(block));
    } else {
      fail(fmt::format("the tag '{}' is not one that Owlet knows", name));
    }
  }

  std::unique_ptr<Statement> parse_if() {
    auto statement = make(Statement::Kind::kIf);
    while (true) {
      ExpressionPtr condition = parse_expression();
      expect_block_end();
      statement->branches.push_back({std::move(condition), parse_block({"elif", "else", "endif"})});
      if (tokens_[at_].kind == Kind::kEnd) fail("'endif' is missing");
      if (tokens_[at_ + 1].text != "elif") break;
      at_ += 2;
    }
    if (tokens_[at_ + 1].text == "else") {
      expect_tag("else");
      statement->branches.push_back({nullptr, parse_block({"endif"})});
    }
    expect_tag("endif");
    return statement;
  }

  std::unique_ptr<Statement> parse_for() {
    auto statement = make(Statement::Kind::kFor);
    const bool parenthesis = accept("(");
    do {
      statement->names.push_back(expect_name());
    } while (accept(","));
    if (parenthesis) expect(")");
    if (!accept_name("in")) fail("expected 'in'");
    statement->expression = parse_or();  // no conditional: "if" filters the loop
    if (is_symbol(",")) statement->expression = rest_of_tuple(std::move(statement->expression));
    if (accept_name("if")) statement->filter = parse_expression();
    statement->recursive = accept_name("recursive");
    expect_block_end();
    ++loops_;
    statement->body = parse_block({"else", "endfor"});
    --loops_;
    if (peek().kind == Kind::kBlockBegin && tokens_[at_ + 1].text == "else") {
      expect_tag("else");
      statement->orelse = parse_block({"endfor"});
    }
    expect_tag("endfor");
    return statement;
  }

  std::unique_ptr<Statement> parse_set() {
    auto statement = make(Statement::Kind::kSet);
    statement->names.push_back(expect_name());
    if (accept(".")) {
      statement->member = expect_name();
    } else {
      while (accept(",")) statement->names.push_back(expect_name());
    }
    if (accept("=")) {
      statement->expression = parse_tuple();
      expect_block_end();
      return statement;
    }
    if (statement->names.size() > 1 || !statement->member.empty()) fail("expected '='");
    statement->kind = Statement::Kind::kSetBlock;
    while (accept("|")) statement->expression = parse_filter(std::move(statement->expression));
    statement->body = parse_body("endset");
    return statement;
  }

  std::unique_ptr<Statement> parse_filter_block() {
    auto statement = make(Statement::Kind::kSetBlock);
    do {
      statement->expression = parse_filter(std::move(statement->expression));
    } while (accept("|"));
    statement->body = parse_body("endfilter");
    return statement;
  }

  std::unique_ptr<Statement> parse_with() {
    auto statement = make(Statement::Kind::kWith);
    while (peek().kind != Kind::kBlockEnd) {
      statement->names.push_back(expect_name());
      expect("=");
      statement->values.push_back(parse_expression());
      if (peek().kind != Kind::kBlockEnd) expect(",");
    }
    statement->body = parse_body("endwith");
    return statement;
  }

  std::unique_ptr<Statement> parse_macro() {
    auto statement = make(Statement::Kind::kMacro);
    statement->text = expect_name();
    expect("(");
    parse_parameters(*statement);
    parse_macro_body(*statement, "endmacro");
    return statement;
  }

  // {% call(parameters) callee(arguments) %}
  std::unique_ptr<Statement> parse_call_block() {
    auto statement = make(Statement::Kind::kCall);
    statement->text = "caller";
    if (accept("(")) parse_parameters(*statement);
    statement->expression = parse_expression();
    if (statement->expression->kind != Expression::Kind::kCall) fail("expected a call");
    parse_macro_body(*statement, "endcall");
    return statement;
  }

  // Parameters after "(".
  void parse_parameters(Statement& macro) {
    while (!accept(")")) {
      macro.parameters.push_back({expect_name(), nullptr});
      if (accept("=")) macro.parameters.back().otherwise = parse_expression();
      if (!is_symbol(")")) expect(",");
    }
  }
  void parse_macro_body(Statement& macro, std::string_view end) {
    const int outer_loops = std::exchange(loops_, 0);
    const bool outer_more = std::exchange(speaks_of_varargs_, false), outer_names = std::exchange(speaks_of_kwargs_, false);
    macro.body = parse_body(end);
    macro.takes_more = std::exchange(speaks_of_varargs_, outer_more);
    macro.takes_names = std::exchange(speaks_of_kwargs_, outer_names);
    loops_ = outer_loops;
  }

  // ---- Expressions, loosest first.

  ExpressionPtr node(Expression::Kind kind, ExpressionPtr a = nullptr, ExpressionPtr b = nullptr) const {
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->line = peek().line;
    if (a) adopt(*expression, std::move(a));
    if (b) adopt(*expression, std::move(b));
    return expression;
  }
  void adopt(Expression& parent, ExpressionPtr child) const {
    if (child) grow(parent, *child);
    parent.children.push_back(std::move(child));
  }
  // Operators in a row lean left, as deep as they are many, without any descent; whoever walks the tree, if only to take it down,
  // has a stack.
  void grow(Expression& parent, const Expression& child) const {
    parent.height = std::max(parent.height, child.height + 1);
    if (parent.height > kMaxNesting) fail(fmt::format("an expression of more than {} levels", kMaxNesting));
  }
  ExpressionPtr binary(Operator op, ExpressionPtr a, ExpressionPtr b) const {
    auto expression = node(Expression::Kind::kBinary, std::move(a), std::move(b));
    expression->op = op;
    return expression;
  }

  ExpressionPtr rest_of_tuple(ExpressionPtr first) {
    auto tuple = node(Expression::Kind::kTuple, std::move(first));
    while (accept(",")) {
      if (peek().kind == Kind::kBlockEnd || peek().kind == Kind::kPrintEnd || is_symbol(")")) break;
      adopt(*tuple, parse_expression());
    }
    return tuple;
  }
  ExpressionPtr parse_tuple() {
    ExpressionPtr first = parse_expression();
    return is_symbol(",") ? rest_of_tuple(std::move(first)) : std::move(first);
  }

  ExpressionPtr parse_expression() {
    Descent descent(*this);
    ExpressionPtr value = parse_or();
    while (accept_name("if")) {
      auto conditional = node(Expression::Kind::kConditional, std::move(value), parse_or());
      adopt(*conditional, accept_name("else") ? parse_expression() : nullptr);
      value = std::move(conditional);
    }
    return value;
  }

  ExpressionPtr parse_or() {
    ExpressionPtr left = parse_and();
    while (accept_name("or")) left = binary(Operator::kOr, std::move(left), parse_and());
    return left;
  }
  ExpressionPtr parse_and() {
    ExpressionPtr left = parse_not();
    while (accept_name("and")) left = binary(Operator::kAnd, std::move(left), parse_not());
    return left;
  }
  ExpressionPtr parse_not() {
    Descent descent(*this);
    if (accept_name("not")) return node(Expression::Kind::kNot, parse_not());
    return parse_comparison();
  }

  ExpressionPtr parse_comparison() {
    ExpressionPtr left = parse_sum();
    Operator op;
    if (!accept_comparison(op)) return left;
    ExpressionPtr result = binary(op, std::move(left), parse_sum());
    Operator next;
    if (!accept_comparison(next)) return result;
    result->kind = Expression::Kind::kComparison;
    result->ops = {op};
    do {
      result->ops.push_back(next);
      adopt(*result, parse_sum());
    } while (accept_comparison(next));
    return result;
  }
  bool accept_comparison(Operator& op) {
    static constexpr std::pair<std::string_view, Operator> kSymbols[] = {
        {"==", Operator::kEqual},      {"!=", Operator::kNotEqual}, {"<", Operator::kLess},
        {"<=", Operator::kLessEqual},  {">", Operator::kGreater},   {">=", Operator::kGreaterEqual}};
    for (const auto& [symbol, meaning] : kSymbols) {
      if (accept(symbol)) return op = meaning, true;
    }
    if (accept_name("in")) return op = Operator::kIn, true;
    if (is_name("not") && tokens_[at_ + 1].kind == Kind::kName && tokens_[at_ + 1].text == "in") {
      at_ += 2;
      return op = Operator::kNotIn, true;
    }
    return false;
  }

  ExpressionPtr parse_sum() {
    ExpressionPtr left = parse_concat();
    while (true) {
      if (accept("+")) {
        left = binary(Operator::kAdd, std::move(left), parse_concat());
      } else if (accept("-")) {
        left = binary(Operator::kSubtract, std::move(left), parse_concat());
      } else {
        return left;
      }
    }
  }
  ExpressionPtr parse_concat() {
    ExpressionPtr left = parse_product();
    while (accept("~")) left = binary(Operator::kConcat, std::move(left), parse_product());
    return left;
  }
  ExpressionPtr parse_product() {
    ExpressionPtr left = parse_power();
    while (true) {
      if (accept("*")) {
        left = binary(Operator::kMultiply, std::move(left), parse_power());
      } else if (accept("/")) {
        left = binary(Operator::kDivide, std::move(left), parse_power());
      } else if (accept("//")) {
        left = binary(Operator::kFloorDivide, std::move(left), parse_power());
      } else if (accept("%")) {
        left = binary(Operator::kModulo, std::move(left), parse_power());
      } else {
        return left;
      }
    }
  }
  ExpressionPtr parse_power() {
    ExpressionPtr left = parse_unary(true);
    while (accept("**")) left = binary(Operator::kPower, std::move(left), parse_unary(true));
    return left;
  }

  ExpressionPtr parse_unary(bool with_filters) {
    Descent descent(*this);
    ExpressionPtr value;
    if (accept("-")) {
      value = node(Expression::Kind::kNegate, parse_unary(false));
    } else if (accept("+")) {
      value = node(Expression::Kind::kPlus, parse_unary(false));
    } else {
      value = parse_postfix(parse_primary());
    }
    return with_filters ? parse_filters(std::move(value)) : std::move(value);
  }

  ExpressionPtr parse_primary() {
    const Token token = take();
    switch (token.kind) {
      case Kind::kName: return parse_name(token);
      case Kind::kString: {
        std::string text = token.text;
        while (peek().kind == Kind::kString) text += take().text;
        return constant(Value::trusted(text));
      }
      case Kind::kInteger: return constant(static_cast<int64_t>(std::stoll(token.text)));
      case Kind::kFloat: return constant(std::stod(token.text));
      case Kind::kSymbol:
        if (token.text == "(") return parse_parenthesis();
        if (token.text == "[") return parse_list();
        if (token.text == "{") return parse_dict();
        [[fallthrough]];
      default: --at_; fail(fmt::format("unexpected '{}'", token.text));
    }
  }

  ExpressionPtr constant(Value value) const {
    auto expression = node(Expression::Kind::kConstant);
    expression->value = std::move(value);
    return expression;
  }
  ExpressionPtr parse_name(const Token& token) {
    speaks_of_varargs_ |= token.text == "varargs";
    speaks_of_kwargs_ |= token.text == "kwargs";
    if (token.text == "true" || token.text == "True") return constant(true);
    if (token.text == "false" || token.text == "False") return constant(false);
    if (token.text == "none" || token.text == "None") return constant(Value::None{});
    auto expression = node(Expression::Kind::kName);
    expression->name = token.text;
    return expression;
  }
  ExpressionPtr parse_parenthesis() {
    if (accept(")")) return node(Expression::Kind::kTuple);
    ExpressionPtr inner = parse_tuple();
    expect(")");
    return inner;
  }
  ExpressionPtr parse_list() {
    auto list = node(Expression::Kind::kList);
    while (!accept("]")) {
      adopt(*list, parse_expression());
      if (!is_symbol("]")) expect(",");
    }
    return list;
  }
  ExpressionPtr parse_dict() {
    auto dict = node(Expression::Kind::kDict);
    while (!accept("}")) {
      adopt(*dict, parse_expression());
      expect(":");
      adopt(*dict, parse_expression());
      if (!is_symbol("}")) expect(",");
    }
    return dict;
  }

  ExpressionPtr parse_postfix(ExpressionPtr value) {
    while (true) {
      if (accept(".")) {
        const bool number = peek().kind == Kind::kInteger;
        auto member = node(number ? Expression::Kind::kSubscript : Expression::Kind::kMember, std::move(value));
        if (number) {
          adopt(*member, constant(static_cast<int64_t>(std::stoll(take().text))));
        } else {
          member->name = expect_name();
        }
        value = std::move(member);
      } else if (accept("[")) {
        value = parse_subscript(std::move(value));
      } else if (accept("(")) {
        auto call = node(Expression::Kind::kCall, std::move(value));
        parse_call(*call);
        value = std::move(call);
      } else {
        return value;
      }
    }
  }

  ExpressionPtr parse_subscript(ExpressionPtr value) {
    ExpressionPtr parts[3];
    int n = 0;
    bool slice = false;
    while (!accept("]")) {
      if (accept(":")) {
        slice = true;
        if (++n > 2) fail("a slice has at most three parts");
      } else {
        if (parts[n]) fail("expected ']'");
        parts[n] = parse_expression();
      }
    }
    if (!slice && !parts[0]) fail("expected an index before ']'");
    auto subscript = node(slice ? Expression::Kind::kSlice : Expression::Kind::kSubscript, std::move(value));
    for (int i = 0; i < (slice ? 3 : 1); ++i) adopt(*subscript, std::move(parts[i]));
    return subscript;
  }

  // Arguments after "(".
  void parse_call(Expression& called) {
    Call& call = called.call;
    while (!accept(")")) {
      if (peek().kind == Kind::kName && tokens_[at_ + 1].kind == Kind::kSymbol && tokens_[at_ + 1].text == "=") {
        std::string name = take().text;
        ++at_;
        call.named.emplace_back(std::move(name), parse_expression());
        grow(called, *call.named.back().second);
      } else {
        if (!call.named.empty()) fail("a positional argument after a named one");
        call.positional.push_back(parse_expression());
        grow(called, *call.positional.back());
      }
      if (!is_symbol(")")) expect(",");
    }
  }

  // "name(arguments)" over its operand, which is null where it is what a block prints.
  ExpressionPtr parse_filter(ExpressionPtr operand) {
    auto filter = node(Expression::Kind::kFilter, std::move(operand));
    filter->name = expect_name();
    if (accept("(")) parse_call(*filter);
    return filter;
  }
  ExpressionPtr parse_filters(ExpressionPtr value) {
    while (true) {
      if (accept("|")) {
        value = parse_filter(std::move(value));
      } else if (accept_name("is")) {
        auto test = node(Expression::Kind::kTest, std::move(value));
        test->negated = accept_name("not");
        test->name = expect_name();
        if (accept("(")) {
          parse_call(*test);
        } else if (begins_argument()) {
          test->call.positional.push_back(parse_postfix(parse_primary()));
          grow(*test, *test->call.positional.back());
        }
        value = std::move(test);
      } else {
        return value;
      }
    }
  }
  // "x is divisibleby 3": what may follow the name of a test without a bracket.
  bool begins_argument() const {
    if (peek().kind == Kind::kString || peek().kind == Kind::kInteger || peek().kind == Kind::kFloat) return true;
    if (is_symbol("[") || is_symbol("{")) return true;
    if (peek().kind != Kind::kName) return false;
    for (const char* word : {"else", "or", "and", "is", "if", "not", "in"}) {
      if (is_name(word)) return false;
    }
    return true;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;
  bool speaks_of_varargs_ = false, speaks_of_kwargs_ = false;  // the macro that is being read
};

}  // namespace

Block parse(const std::string& source) { return Parser(tokenize(source)).parse_template(); }

}  // namespace owlet::jinja
