// For tests: computes what an ONNX graph says, in float64, one operator after the other, as the ONNX specification words them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "io/test_onnx.h"

namespace owlet::testing_onnx {

using Dims = std::vector<int64_t>;

inline int64_t product(const Dims& dims) { return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>()); }

// Numbers of every type; whole ones and truth values are exact.
struct Array {
  Dims dims;
  std::vector<double> x;
};

inline Array scalar(double x) { return {{}, {x}}; }

inline Dims broadcast_dims(Dims a, Dims b) {
  const size_t rank = std::max(a.size(), b.size());
  a.insert(a.begin(), rank - a.size(), 1);
  b.insert(b.begin(), rank - b.size(), 1);
  for (size_t i = 0; i < rank; ++i) {
    EXPECT_TRUE(a[i] == b[i] || a[i] == 1 || b[i] == 1) << a[i] << " beside " << b[i];
    if (a[i] == 1) a[i] = b[i];
  }
  return a;
}

// out[i] = a[index(i)], where index gets and gives coordinates.
inline Array pick(const Array& a, const Dims& dims, const std::function<Dims(const Dims&)>& index) {
  Array out{dims, std::vector<double>(static_cast<size_t>(product(dims)))};
  Dims at(dims.size(), 0);
  for (double& value : out.x) {
    const Dims from = index(at);
    int64_t offset = 0;
    for (size_t i = 0; i < a.dims.size(); ++i) offset = offset * a.dims[i] + from[i];
    value = a.x.at(static_cast<size_t>(offset));
    for (size_t i = dims.size(); i-- > 0 && ++at[i] == dims[i];) at[i] = 0;
  }
  return out;
}

inline Array expand(const Array& a, const Dims& dims) {
  return pick(a, dims, [&](const Dims& at) {
    Dims from(at.end() - static_cast<std::ptrdiff_t>(a.dims.size()), at.end());
    for (size_t i = 0; i < from.size(); ++i) from[i] = a.dims[i] == 1 ? 0 : from[i];
    return from;
  });
}

inline Array map(Array a, const std::function<double(double)>& f) {
  std::transform(a.x.begin(), a.x.end(), a.x.begin(), f);
  return a;
}

inline Array zip(const Array& a, const Array& b, const std::function<double(double, double)>& f) {
  const Dims dims = broadcast_dims(a.dims, b.dims);
  Array out = expand(a, dims);
  const Array right = expand(b, dims);
  std::transform(out.x.begin(), out.x.end(), right.x.begin(), out.x.begin(), f);
  return out;
}

inline Array where(const Array& condition, const Array& a, const Array& b) {
  const Dims dims = broadcast_dims(condition.dims, broadcast_dims(a.dims, b.dims));
  const Array chosen = expand(condition, dims), other = expand(b, dims);
  Array out = expand(a, dims);
  for (size_t i = 0; i < out.x.size(); ++i) out.x[i] = chosen.x[i] != 0 ? out.x[i] : other.x[i];
  return out;
}

inline Array matmul(const Array& a, const Array& b) {
  const int64_t m = a.dims[a.dims.size() - 2], k = a.dims.back(), n = b.dims.back();
  EXPECT_EQ(k, b.dims[b.dims.size() - 2]);
  Dims batch = broadcast_dims(Dims(a.dims.begin(), a.dims.end() - 2), Dims(b.dims.begin(), b.dims.end() - 2));
  const auto with = [&](int64_t rows, int64_t columns) {
    Dims dims = batch;
    dims.insert(dims.end(), {rows, columns});
    return dims;
  };
  const Array left = expand(a, with(m, k)), right = expand(b, with(k, n));
  Array out{with(m, n), std::vector<double>(static_cast<size_t>(product(batch) * m * n))};
  for (int64_t i = 0; i < product(batch) * m; ++i) {
    const double* column = right.x.data() + i / m * k * n;
    for (int64_t p = 0; p < k; ++p) {
      const double factor = left.x[static_cast<size_t>(i * k + p)];
      for (int64_t j = 0; j < n; ++j) out.x[static_cast<size_t>(i * n + j)] += factor * column[p * n + j];
    }
  }
  return out;
}

inline Array transpose(const Array& a, const Dims& order) {
  Dims dims;
  for (const int64_t i : order) dims.push_back(a.dims[static_cast<size_t>(i)]);
  return pick(a, dims, [&](const Dims& at) {
    Dims from(at.size());
    for (size_t i = 0; i < at.size(); ++i) from[static_cast<size_t>(order[i])] = at[i];
    return from;
  });
}

inline Array reshape(Array a, const Array& dims) {
  Dims to;
  for (size_t i = 0; i < dims.x.size(); ++i) to.push_back(dims.x[i] == 0 ? a.dims.at(i) : static_cast<int64_t>(dims.x[i]));
  const auto rest = std::find(to.begin(), to.end(), -1);
  if (rest != to.end()) *rest = static_cast<int64_t>(a.x.size()) / -product(to);
  EXPECT_EQ(product(to), static_cast<int64_t>(a.x.size()));
  a.dims = to;
  return a;
}

inline Array unsqueeze(Array a, const Array& axes) {
  const auto rank = static_cast<int64_t>(a.dims.size() + axes.x.size());
  for (const double axis : axes.x) a.dims.insert(a.dims.begin() + static_cast<int64_t>(axis < 0 ? axis + static_cast<double>(rank) : axis), 1);
  return a;
}

inline Array gather(const Array& table, const Array& rows) {
  Dims dims = rows.dims;
  dims.insert(dims.end(), table.dims.begin() + 1, table.dims.end());
  const auto n = static_cast<std::ptrdiff_t>(product(Dims(table.dims.begin() + 1, table.dims.end())));
  Array out{dims, {}};
  for (const double row : rows.x) {
    const auto begin = table.x.begin() + static_cast<std::ptrdiff_t>(row) * n;
    out.x.insert(out.x.end(), begin, begin + n);
  }
  return out;
}

inline Array concat(const std::vector<Array>& parts, int64_t axis) {
  const size_t at = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(parts.front().dims.size()) : axis);
  Array out{parts.front().dims, {}};
  out.dims[at] = 0;
  for (const Array& part : parts) out.dims[at] += part.dims[at];
  const int64_t outer = product(Dims(out.dims.begin(), out.dims.begin() + static_cast<std::ptrdiff_t>(at)));
  for (int64_t i = 0; i < outer; ++i) {
    for (const Array& part : parts) {
      const auto n = static_cast<std::ptrdiff_t>(part.x.size()) / outer;
      out.x.insert(out.x.end(), part.x.begin() + i * n, part.x.begin() + (i + 1) * n);
    }
  }
  return out;
}

inline std::vector<Array> split(const Array& a, const Array& sizes) {
  std::vector<Array> parts;
  int64_t begin = 0;
  for (const double size : sizes.x) {
    Dims dims = a.dims;
    dims.back() = static_cast<int64_t>(size);
    parts.push_back(pick(a, dims, [&](Dims at) {
      at.back() += begin;
      return at;
    }));
    begin += dims.back();
  }
  EXPECT_EQ(begin, a.dims.back());
  return parts;
}

// Of rows of the last dimension.
inline Array each_row(Array a, const std::function<void(double* row, int64_t n)>& f) {
  const int64_t n = a.dims.back();
  for (size_t i = 0; i < a.x.size(); i += static_cast<size_t>(n)) f(a.x.data() + i, n);
  return a;
}

inline Array softmax(Array a) {
  return each_row(std::move(a), [](double* x, int64_t n) {
    const double most = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - most);
    for (int64_t i = 0; i < n; ++i) x[i] /= sum;
  });
}

inline Array mean_of_rows(const Array& a) {
  Array out{a.dims, {}};
  out.dims.back() = 1;
  each_row(a, [&](const double* x, int64_t n) { out.x.push_back(std::accumulate(x, x + n, 0.0) / static_cast<double>(n)); });
  return out;
}

inline std::vector<Array> quantize(const Array& a) {
  const double low = std::min(0.0, *std::min_element(a.x.begin(), a.x.end())), high = std::max(0.0, *std::max_element(a.x.begin(), a.x.end()));
  const double scale = (high - low) / 255, zero = std::clamp(std::nearbyint(-low / scale), 0.0, 255.0);
  return {map(a, [&](double x) { return std::clamp(std::nearbyint(x / scale) + zero, 0.0, 255.0); }), scalar(scale), scalar(zero)};
}

inline Array range(double begin, double end) {
  Array out{{static_cast<int64_t>(end - begin)}, std::vector<double>(static_cast<size_t>(end - begin))};
  std::iota(out.x.begin(), out.x.end(), begin);
  return out;
}

inline Array shape_of(const Array& a) { return {{static_cast<int64_t>(a.dims.size())}, {a.dims.begin(), a.dims.end()}}; }

inline Array cast(const Array& a, int64_t type) { return type == 9 ? map(a, [](double x) { return x != 0; }) : a; }

using Operator = std::function<std::vector<Array>(const std::vector<Array>&, const std::map<std::string, Dims>&)>;

inline Operator one(double (*f)(double)) {
  return [f](const auto& in, const auto&) { return std::vector{map(in[0], f)}; };
}
inline Operator two(double (*f)(double, double)) {
  return [f](const auto& in, const auto&) { return std::vector{zip(in[0], in[1], f)}; };
}

// The operators that our graphs may use: all of them are of the standard set.
inline const std::map<std::string, Operator>& operators() {
  using In = const std::vector<Array>&;
  using Attributes = const std::map<std::string, Dims>&;
  static const std::map<std::string, Operator> all = {
      {"Identity", one([](double x) { return x; })},
      {"Sqrt", one([](double x) { return std::sqrt(x); })},
      {"Cos", one([](double x) { return std::cos(x); })},
      {"Sin", one([](double x) { return std::sin(x); })},
      {"Tanh", one([](double x) { return std::tanh(x); })},
      {"Sigmoid", one([](double x) { return 1 / (1 + std::exp(-x)); })},
      {"Add", two([](double a, double b) { return a + b; })},
      {"Sub", two([](double a, double b) { return a - b; })},
      {"Mul", two([](double a, double b) { return a * b; })},
      {"Div", two([](double a, double b) { return a / b; })},
      {"Pow", two([](double a, double b) { return std::pow(a, b); })},
      {"Max", two([](double a, double b) { return std::max(a, b); })},
      {"And", two([](double a, double b) -> double { return a != 0 && b != 0; })},
      {"Greater", two([](double a, double b) -> double { return a > b; })},
      {"LessOrEqual", two([](double a, double b) -> double { return a <= b; })},
      {"Where", [](In in, Attributes) { return std::vector{where(in[0], in[1], in[2])}; }},
      {"Cast", [](In in, Attributes a) { return std::vector{cast(in[0], a.at("to")[0])}; }},
      {"Shape", [](In in, Attributes) { return std::vector{shape_of(in[0])}; }},
      {"Range", [](In in, Attributes) { return std::vector{range(in[0].x[0], in[1].x[0])}; }},
      {"Gather", [](In in, Attributes) { return std::vector{gather(in[0], in[1])}; }},
      {"Concat", [](In in, Attributes a) { return std::vector{concat(in, a.at("axis")[0])}; }},
      {"Split", [](In in, Attributes) { return split(in[0], in[1]); }},
      {"Reshape", [](In in, Attributes) { return std::vector{reshape(in[0], in[1])}; }},
      {"Unsqueeze", [](In in, Attributes) { return std::vector{unsqueeze(in[0], in[1])}; }},
      {"Transpose", [](In in, Attributes a) { return std::vector{transpose(in[0], a.at("perm"))}; }},
      {"Softmax", [](In in, Attributes) { return std::vector{softmax(in[0])}; }},
      {"ReduceMean", [](In in, Attributes) { return std::vector{mean_of_rows(in[0])}; }},
      {"ReduceMax", [](In in, Attributes) { return std::vector{scalar(*std::max_element(in[0].x.begin(), in[0].x.end()))}; }},
      {"MatMul", [](In in, Attributes) { return std::vector{matmul(in[0], in[1])}; }},
      {"Gemm", [](In in, Attributes) { return std::vector{matmul(in[0], transpose(in[1], {1, 0}))}; }},
      {"DynamicQuantizeLinear", [](In in, Attributes) { return quantize(in[0]); }},
      {"MatMulInteger", [](In in, Attributes) {
         const auto less = [](double a, double b) { return a - b; };
         return std::vector{matmul(zip(in[0], in[2], less), zip(in[1], in[3], less))};
       }}};
  return all;
}

inline Array to_array(const OnnxFile::Tensor& tensor) {
  const auto fill = [&](const auto& values) { return Array{tensor.dims, {values.begin(), values.end()}}; };
  if (tensor.type == 1) return fill(tensor.values<float>());
  if (tensor.type == 2) return fill(tensor.values<uint8_t>());
  EXPECT_EQ(tensor.type, 7);
  return fill(tensor.values<int64_t>());
}

// Everything that the graph computes from `inputs`, by name. A value that is used before it is there, or given twice, is a failure.
inline std::map<std::string, Array> run(const OnnxFile& graph, std::map<std::string, Array> values) {
  for (const auto& input : graph.inputs) EXPECT_TRUE(values.contains(input.name)) << input.name;
  for (const auto& [name, tensor] : graph.tensors) EXPECT_TRUE(values.emplace(name, to_array(tensor)).second) << name;
  for (const OnnxFile::Node& node : graph.nodes) {
    std::vector<Array> inputs;
    for (const std::string& input : node.inputs) inputs.push_back(values.at(input));
    const std::vector<Array> outputs = operators().at(node.op)(inputs, node.attributes);
    for (size_t i = 0; i < node.outputs.size(); ++i) EXPECT_TRUE(values.emplace(node.outputs[i], outputs.at(i)).second) << node.outputs[i];
  }
  return values;
}

}  // namespace owlet::testing_onnx
