#include "io/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "core/bit_cast.h"

namespace owlet {
namespace {

using Kind = PickleValue::Kind;
constexpr size_t kMaxValues = 200'000, kMaxSteps = 2'000'000;
constexpr size_t kMaxArguments = 8;  // of what is built by copying them

bool is_allowed(std::string_view module, std::string_view name) {
  constexpr std::array<std::string_view, 20> kTorch = {
      "Size", "FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage", "IntStorage", "LongStorage", "ShortStorage",
      "CharStorage", "ByteStorage", "BoolStorage", "float32", "float64", "float16", "bfloat16", "int32", "int64", "int16", "uint8", "bool"};
  if (module == "torch") return std::find(kTorch.begin(), kTorch.end(), name) != kTorch.end();
  if (module == "torch._utils") return name == "_rebuild_tensor_v2" || name == "_rebuild_parameter";
  return module == "collections" && name == "OrderedDict";
}

class Machine {
 public:
  explicit Machine(std::string_view bytes) : rest_(bytes) {}

  Result<Pickle> run() {
    for (size_t step = 0; step < kMaxSteps; ++step) {
      OWLET_ASSIGN(const std::string_view op, take(1));
      if (op[0] == '.') {
        OWLET_ASSIGN(pickle_.root, pop());
        return std::move(pickle_);
      }
      OWLET_TRY(execute(static_cast<uint8_t>(op[0])));
    }
    return make_error(ErrorCode::kTooLarge, "the pickle has more than {} steps", kMaxSteps);
  }

 private:
  using Value = PickleValue;

  Result<std::string_view> take(uint64_t n) {
    if (n > rest_.size()) return corrupt("the pickle ends too early");
    const std::string_view bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return bytes;
  }
  Result<uint64_t> number(size_t n) {
    OWLET_ASSIGN(const std::string_view bytes, take(n));
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), n);
    return value;
  }
  Status push(Value value) {
    if (pickle_.values.size() >= kMaxValues) return make_error(ErrorCode::kTooLarge, "the pickle has more than {} values", kMaxValues);
    stack_.push_back(&pickle_.values.emplace_back(std::move(value)));
    return {};
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Result<Value*> pop() {
    if (stack_.size() <= floor()) return corrupt("the pickle takes from an empty stack");
    Value* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Result<Value*> top(Kind kind) {
    if (stack_.size() <= floor() || stack_.back()->kind != kind) return corrupt("the pickle fills something that is no container");
    return stack_.back();
  }
  Result<std::vector<Value*>> pop_to_mark() {
    if (marks_.empty()) return corrupt("the pickle lacks a mark");
    std::vector<Value*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  Result<std::vector<Value*>> pop_n(size_t n) {
    std::vector<Value*> items(n);
    for (size_t i = n; i-- > 0;) {
      OWLET_ASSIGN(items[i], pop());
    }
    return items;
  }

  Status push_int(size_t n, bool is_signed) {
    OWLET_ASSIGN(uint64_t value, number(n));
    if (is_signed && n > 0 && n < 8 && (value >> (8 * n - 1)) != 0) value |= ~uint64_t{0} << (8 * n);
    return push({.kind = Kind::kInt, .integer = static_cast<int64_t>(value)});
  }
  Status push_text(size_t length_bytes) {
    OWLET_ASSIGN(const uint64_t n, number(length_bytes));
    OWLET_ASSIGN(const std::string_view text, take(n));
    return push({.kind = Kind::kText, .text = text});
  }
  Status push_float() {
    OWLET_ASSIGN(const std::string_view bytes, take(8));
    uint64_t bits = 0;
    for (const char c : bytes) bits = bits << 8 | static_cast<uint8_t>(c);
    return push({.kind = Kind::kFloat, .number = bit_cast<double>(bits)});
  }
  Status push_tuple(Result<std::vector<Value*>> items) {
    if (!items.ok()) return std::move(items).error();
    return push({.kind = Kind::kTuple, .items = std::move(items).value()});
  }
  Status push_global(std::string_view module, std::string_view name) {
    if (!is_allowed(module, name)) {
      return Error{ErrorCode::kUnsupported, fmt::format("the checkpoint wants '{}.{}', which is refused: it could run code", module, name),
                   "save only tensors: torch.save(model.state_dict(), …)"};
    }
    return push({.kind = Kind::kGlobal, .text = module, .name = name});
  }
  Result<std::string_view> line() {
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return corrupt("the pickle ends too early");
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  Status add_items(Kind kind, Result<std::vector<Value*>> items) {
    if (!items.ok()) return std::move(items).error();
    OWLET_ASSIGN(Value* const container, top(kind));
    if (kind == Kind::kDict && items->size() % 2 != 0) return corrupt("a dict of the pickle has a key without a value");
    container->items.insert(container->items.end(), items->begin(), items->end());
    return {};
  }
  Status reduce() {
    OWLET_ASSIGN(Value* const arguments, pop());
    OWLET_ASSIGN(Value* const global, pop());
    if (global->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) return corrupt("the pickle calls what is no function");
    if (global->name == "OrderedDict" && arguments->items.empty()) return push({.kind = Kind::kDict});
    const size_t n = arguments->items.size();
    if (global->name == "_rebuild_tensor_v2" && n <= kMaxArguments) return push({.kind = Kind::kTensor, .items = arguments->items});
    if ((global->name == "Size" && n == 1) || (global->name == "_rebuild_parameter" && n >= 1)) {
      stack_.push_back(arguments->items[0]);
      return {};
    }
    return corrupt("the pickle gives {}.{} arguments that it does not take", global->text, global->name);
  }
  Status memoize(uint64_t key) {
    if (stack_.size() <= floor()) return corrupt("the pickle remembers from an empty stack");
    if (memo_.size() >= kMaxValues) return make_error(ErrorCode::kTooLarge, "the pickle remembers more than {} values", kMaxValues);
    memo_[key] = stack_.back();
    return {};
  }
  Status recall(uint64_t key) {
    const auto it = memo_.find(key);
    if (it == memo_.end()) return corrupt("the pickle recalls what it never remembered");
    stack_.push_back(it->second);
    return {};
  }
  Status execute_global(uint8_t op);
  Status execute(uint8_t op);

  std::string_view rest_;
  Pickle pickle_;
  std::vector<Value*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Value*> memo_;
};

// What names things, and what is built of them.
Status Machine::execute_global(uint8_t op) {
  if (op == 'c') {
    OWLET_ASSIGN(const std::string_view module, line());
    OWLET_ASSIGN(const std::string_view name, line());
    return push_global(module, name);
  }
  if (op == 0x93) {
    OWLET_ASSIGN(const auto names, pop_n(2));
    return push_global(names[0]->text, names[1]->text);
  }
  if (op == 'R') return reduce();
  if (op == 'Q') {
    OWLET_ASSIGN(const Value* const id, pop());
    if (id->kind != Kind::kTuple || id->items.size() > kMaxArguments) return corrupt("the pickle names no storage");
    return push({.kind = Kind::kStorage, .items = id->items});
  }
  if (op == 'b') {  // attributes of a state dict (its version numbers): not needed
    OWLET_TRY(pop().status());
    return top(Kind::kDict).status();
  }
  return make_error(ErrorCode::kUnsupported, "the pickle holds the instruction 0x{:02x}, which a state dict has no use for", op);
}

Status Machine::execute(uint8_t op) {
  switch (op) {
    case 0x80: return take(1).status();
    case 0x95: return take(8).status();
    case '(': marks_.push_back(stack_.size()); return {};
    case '0': return pop().status();
    case '1': return pop_to_mark().status();
    case 'N': return push({});
    case 0x88: return push({.kind = Kind::kBool, .integer = 1});
    case 0x89: return push({.kind = Kind::kBool});
    case 'J': return push_int(4, true);
    case 'K': return push_int(1, false);
    case 'M': return push_int(2, false);
    case 0x8a: {
      OWLET_ASSIGN(const uint64_t n, number(1));
      if (n > 8) return corrupt("the pickle holds an integer of {} bytes", n);
      return push_int(n, true);
    }
    case 'G': return push_float();
    case 0x8c: return push_text(1);
    case 'X': return push_text(4);
    case 0x8d: return push_text(8);
    case ']': return push({.kind = Kind::kList});
    case '}': return push({.kind = Kind::kDict});
    case ')': return push({.kind = Kind::kTuple});
    case 't': return push_tuple(pop_to_mark());
    case 0x85: return push_tuple(pop_n(1));
    case 0x86: return push_tuple(pop_n(2));
    case 0x87: return push_tuple(pop_n(3));
    case 'a': return add_items(Kind::kList, pop_n(1));
    case 'e': return add_items(Kind::kList, pop_to_mark());
    case 's': return add_items(Kind::kDict, pop_n(2));
    case 'u': return add_items(Kind::kDict, pop_to_mark());
    case 0x94: return memoize(memo_.size());
    case 'q':
    case 'r': {
      OWLET_ASSIGN(const uint64_t key, number(op == 'q' ? 1 : 4));
      return memoize(key);
    }
    case 'h':
    case 'j': {
      OWLET_ASSIGN(const uint64_t key, number(op == 'h' ? 1 : 4));
      return recall(key);
    }
    default: return execute_global(op);
  }
}

}  // namespace

Result<Pickle> read_pickle(std::string_view bytes) { return Machine(bytes).run(); }

}  // namespace owlet
