#include "model/onnx_graph.h"

#include <fmt/ranges.h>

#include <cmath>
#include <numbers>

namespace owlet {
namespace {

template <class T>
OnnxContent bytes_of(std::vector<T> values) {
  return [values = std::move(values)](const OnnxPut& put) { return put(std::as_bytes(std::span(values))); };
}

}  // namespace

std::string OnnxGraph::name_for(std::string_view type) { return fmt::format("{}/{}_{}", scope_, type, n_values_++); }

OnnxGraph::Value OnnxGraph::tensor(OnnxTensor tensor) {
  Value name = tensor.name;
  if (is_new(name)) writer_.add_tensor(std::move(tensor));
  return name;
}

OnnxGraph::Value OnnxGraph::number(float value) {
  return tensor({fmt::format("float_{}", value), OnnxType::kFloat, {}, bytes_of(std::vector{value})});
}

OnnxGraph::Value OnnxGraph::integer(int64_t value) {
  return tensor({fmt::format("int64_{}", value), OnnxType::kInt64, {}, bytes_of(std::vector{value})});
}

OnnxGraph::Value OnnxGraph::byte(uint8_t value) {
  return tensor({fmt::format("uint8_{}", value), OnnxType::kUint8, {}, bytes_of(std::vector{value})});
}

OnnxGraph::Value OnnxGraph::integers(const std::vector<int64_t>& values) {
  std::string name = fmt::format("int64s_{}", fmt::join(values, "_"));
  return tensor({std::move(name), OnnxType::kInt64, {static_cast<int64_t>(values.size())}, bytes_of(values)});
}

OnnxGraph::Value OnnxGraph::floats(const std::string& name, const std::vector<float>& values) {
  return tensor({name, OnnxType::kFloat, {static_cast<int64_t>(values.size())}, bytes_of(values)});
}

OnnxGraph::Value OnnxGraph::op(std::string_view type, const std::vector<Value>& inputs, const Attributes& attributes, std::string result) {
  if (result.empty()) result = name_for(type);
  writer_.add_node(type, inputs, {result}, attributes);
  return result;
}

std::vector<OnnxGraph::Value> OnnxGraph::split(const Value& x, const std::vector<int64_t>& sizes) {
  std::vector<Value> parts;
  for (size_t i = 0; i < sizes.size(); ++i) parts.push_back(name_for("Split"));
  writer_.add_node("Split", {x, integers(sizes)}, parts, {{"axis", int64_t{-1}}});
  return parts;
}

std::vector<OnnxGraph::Value> OnnxGraph::quantize(const Value& x) {
  std::vector<Value> parts = {name_for("DynamicQuantizeLinear"), name_for("scale"), name_for("zero_point")};
  writer_.add_node("DynamicQuantizeLinear", {x}, parts);
  return parts;
}

OnnxGraph::Value OnnxGraph::scale(const Value& x, double factor) {
  return factor == 1.0 ? x : multiply(x, number(static_cast<float>(factor)));
}

OnnxGraph::Value OnnxGraph::concat(const std::vector<Value>& parts, int64_t axis, std::string result) {
  return op("Concat", parts, {{"axis", axis}}, std::move(result));
}

// In the form that runtimes know to be one norm.
OnnxGraph::Value OnnxGraph::rms_norm(const Value& x, const Value& weight, double eps) {
  const Value square = op("Pow", {x, number(2)});
  const Value mean = op("ReduceMean", {square}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
  const Value root = op("Sqrt", {add(mean, number(static_cast<float>(eps)))});
  return multiply(op("Div", {x, root}), weight);
}

// 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))
OnnxGraph::Value OnnxGraph::gelu_tanh(const Value& x) {
  const Value cube = multiply(x, multiply(x, x));
  const Value inner = scale(add(x, scale(cube, 0.044715)), std::sqrt(2 / std::numbers::pi));
  return multiply(scale(x, 0.5), add(op("Tanh", {inner}), number(1)));
}

OnnxGraph::Value OnnxGraph::soft_cap(const Value& x, double cap) {
  return cap > 0 ? scale(op("Tanh", {op("Div", {x, number(static_cast<float>(cap))})}), cap) : x;
}

}  // namespace owlet
