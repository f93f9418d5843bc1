// Writing down a computation as an ONNX graph, value by value: what reads like a forward pass here is one when a runtime has the
// file. Standard operators only, so that any runtime will do.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/onnx.h"

namespace owlet {

class OnnxGraph {
 public:
  using Value = std::string;  // the name of what a node, an input or a tensor gives
  using Attributes = std::vector<OnnxAttribute>;
  explicit OnnxGraph(OnnxWriter& writer) : writer_(writer) {}

  // What the names of the nodes that follow begin with.
  void enter(std::string scope) { scope_ = std::move(scope); }

  // Constants; the same one is stored once.
  Value number(float value);
  Value integer(int64_t value);
  Value byte(uint8_t value);
  Value integers(const std::vector<int64_t>& values);
  Value floats(const std::string& name, const std::vector<float>& values);
  Value tensor(OnnxTensor tensor);

  // Any operator of the standard set; `result` gives the value a name of its own.
  Value op(std::string_view type, const std::vector<Value>& inputs, const Attributes& attributes = {}, std::string result = {});
  std::vector<Value> split(const Value& x, const std::vector<int64_t>& sizes);        // of the last dimension
  std::vector<Value> quantize(const Value& x);                                        // uint8, its scale, its zero point

  Value add(const Value& a, const Value& b) { return op("Add", {a, b}); }
  Value subtract(const Value& a, const Value& b) { return op("Sub", {a, b}); }
  Value multiply(const Value& a, const Value& b) { return op("Mul", {a, b}); }
  Value scale(const Value& x, double factor);  // x itself where the factor is 1
  Value matmul(const Value& a, const Value& b) { return op("MatMul", {a, b}); }
  Value to_float(const Value& x) { return cast(x, OnnxType::kFloat); }
  Value cast(const Value& x, OnnxType type) { return op("Cast", {x}, {{"to", static_cast<int64_t>(type)}}); }
  Value concat(const std::vector<Value>& parts, int64_t axis, std::string result = {});
  // 0 in dims: as it was; −1: the rest.
  Value reshape(const Value& x, const std::vector<int64_t>& dims) { return op("Reshape", {x, integers(dims)}); }
  Value transpose(const Value& x, const std::vector<int64_t>& order) { return op("Transpose", {x}, {{"perm", order}}); }
  Value unsqueeze(const Value& x, const std::vector<int64_t>& axes) { return op("Unsqueeze", {x, integers(axes)}); }
  Value gather(const Value& table, const Value& rows) { return op("Gather", {table, rows}); }
  Value size_of(const Value& x, int64_t axis) { return op("Gather", {op("Shape", {x}), integer(axis)}); }

  Value rms_norm(const Value& x, const Value& weight, double eps);
  Value softmax(const Value& x) { return op("Softmax", {x}, {{"axis", int64_t{-1}}}); }
  Value silu(const Value& x) { return multiply(x, op("Sigmoid", {x})); }
  Value gelu_tanh(const Value& x);
  Value soft_cap(const Value& x, double cap);  // cap · tanh(x / cap); x itself where the cap is 0

 private:
  std::string name_for(std::string_view type);
  bool is_new(const std::string& name) { return constants_.insert(name).second; }

  OnnxWriter& writer_;
  std::string scope_;
  int64_t n_values_ = 0;
  std::set<std::string> constants_;
};

}  // namespace owlet
