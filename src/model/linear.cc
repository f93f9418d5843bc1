#include "model/linear.h"

#include <cmath>
#include <numeric>

namespace owlet {
namespace {

// What a low-rank part reads: x, or what is left of it. `memory` keeps it.
TensorView dropped(const Context& context, TensorView x_NI, const LowRank& part, Tensor& memory) {
  if (!context.dropping || !context.dropping->on || part.dropout == 0) return x_NI;
  memory = Tensor(x_NI.dtype, x_NI.shape);
  context.ops.dropout(memory, Into::kWrite, x_NI, part.dropout, {context.dropping->seed, part.place, context.dropping->step});
  return memory;
}

// scale · x · aᵀ
Tensor narrowed(const Context& context, TensorView x_NI, const LowRank& part) {
  Tensor narrow_NR(x_NI.dtype, Shape{x_NI.rows(), part.a_RI.shape()[0]});
  context.ops.linear(narrow_NR, Into::kWrite, x_NI, part.a_RI, context.precision);
  if (part.scale != 1) context.ops.add_scaled(narrow_NR, part.scale, narrow_NR, 0, narrow_NR);
  return narrow_NR;
}

void add_low_rank(const Context& context, TensorView out_NO, TensorView x_NI, const LowRank& part) {
  Tensor memory;
  const Tensor narrow_NR = narrowed(context, dropped(context, x_NI, part, memory), part);
  context.ops.linear(out_NO, Into::kAdd, narrow_NR, part.b_OR, context.precision);
}

// x · weightᵀ and what the low-rank parts add.
void product(const Context& context, TensorView out_NO, Into into, TensorView x_NI, const Linear& linear) {
  context.ops.linear(out_NO, into, x_NI, linear.weight_OI, context.precision);
  for (const LowRank& part : linear.low_rank) add_low_rank(context, out_NO, x_NI, part);
}

// What the rows' own parts and the bias add.
void add_the_rest(const Context& context, TensorView out_NO, TensorView x_NI, const Linear& linear) {
  for (const auto& [begin, end, parts] : context.adapted) {
    const auto part = parts->find(&linear);
    if (part != parts->end()) add_low_rank(context, out_NO.row_range(begin, end), x_NI.row_range(begin, end), part->second);
  }
  if (linear.bias_O) context.ops.add_bias(out_NO, linear.bias_O);
}

const LowRank* with_magnitude(const Linear& linear) {
  return !linear.low_rank.empty() && linear.low_rank.back().magnitude_O ? &linear.low_rank.back() : nullptr;
}

}  // namespace

// ‖w + s·b·a‖² = ‖w‖² + 2s · b·(a·w) + s² · b·(a·aᵀ)·b for each row, in pieces of rows of w.
Tensor row_lengths(const Context& context, const Linear& linear) {
  constexpr int64_t kPiece = 256;
  const LowRank& part = linear.low_rank.back();
  const int64_t outputs = linear.weight_OI.shape()[0], inputs = linear.weight_OI.shape()[1], rank = part.a_RI.shape()[0];
  Tensor lengths(DType::kF32, {outputs}), gram(DType::kF32, {rank, rank});
  context.ops.linear(gram, Into::kWrite, part.a_RI, part.a_RI, Precision::kF32);
  const Tensor w(DType::kF32, {kPiece, inputs}), aw(DType::kF32, {kPiece, rank});
  std::vector<int32_t> ids(kPiece);
  for (int64_t begin = 0; begin < outputs; begin += kPiece) {
    const int64_t n = std::min(kPiece, outputs - begin);
    std::iota(ids.begin(), ids.end(), static_cast<int32_t>(begin));
    const TensorView rows = w.view().row_range(0, n), products = aw.view().row_range(0, n);
    context.ops.embedding(rows, linear.weight_OI, std::span(ids).first(static_cast<size_t>(n)));
    context.ops.linear(products, Into::kWrite, rows, part.a_RI, Precision::kF32);
    for (int64_t o = 0; o < n; ++o) {
      const float *row = rows.f32() + o * inputs, *p = products.f32() + o * rank, *b = part.b_OR.f32() + (begin + o) * rank;
      double squares = 0;
      for (int64_t i = 0; i < inputs; ++i) squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
      for (int64_t r = 0; r < rank; ++r) {
        double through = 0;
        for (int64_t q = 0; q < rank; ++q) through += static_cast<double>(gram.f32()[r * rank + q]) * static_cast<double>(b[q]);
        squares += part.scale * static_cast<double>(b[r]) * (2 * static_cast<double>(p[r]) + part.scale * through);
      }
      lengths.f32()[begin + o] = static_cast<float>(std::sqrt(std::max(squares, 0.0)));
    }
  }
  return lengths;
}

namespace {

// magnitude / length of each row.
Tensor row_factors(const LowRank& part, const Tensor& lengths) {
  Tensor factors(DType::kF32, lengths.shape());
  for (int64_t o = 0; o < lengths.numel(); ++o) {
    factors.f32()[o] = lengths.f32()[o] > 0 ? part.magnitude_O.f32()[o] / lengths.f32()[o] : 0.0f;
  }
  return factors;
}

// From the gradient of the rows that were given their length to that of the product before; adds to the magnitude's gradient.
Tensor through_magnitude(const Context& context, const LowRank& gradient, TensorView dout_NO, TensorView x_NI, const Linear& linear) {
  const LowRank& part = linear.low_rank.back();
  const Tensor lengths = row_lengths(context, linear);
  Tensor dproduct_NO(dout_NO.dtype, dout_NO.shape);
  if (gradient.magnitude_O) {
    const Tensor along(DType::kF32, lengths.shape());
    product(context, dproduct_NO, Into::kWrite, x_NI, linear);
    context.ops.scale_columns_backward(along, dout_NO, dproduct_NO);
    for (int64_t o = 0; o < lengths.numel(); ++o) {
      if (lengths.f32()[o] > 0) gradient.magnitude_O.f32()[o] += along.f32()[o] / lengths.f32()[o];
    }
  }
  context.ops.scale_columns(dproduct_NO, dout_NO, row_factors(part, lengths));
  return dproduct_NO;
}

void low_rank_backward(const Context& context, TensorView dx_NI, const LowRank& gradient, TensorView dout_NO, TensorView x_NI,
                       const LowRank& part) {
  Tensor memory;
  const TensorView read_NI = dropped(context, x_NI, part, memory);
  if (gradient.b_OR) context.ops.linear_backward_weight(gradient.b_OR, dout_NO, narrowed(context, read_NI, part), context.precision);
  const Tensor dnarrow_NR(x_NI.dtype, Shape{x_NI.rows(), part.a_RI.shape()[0]});
  context.ops.linear_backward_input(dnarrow_NR, Into::kWrite, dout_NO, part.b_OR, context.precision);
  if (part.scale != 1) context.ops.add_scaled(dnarrow_NR, part.scale, dnarrow_NR, 0, dnarrow_NR);
  if (gradient.a_RI) context.ops.linear_backward_weight(gradient.a_RI, dnarrow_NR, read_NI, context.precision);
  if (read_NI.data == x_NI.data) return context.ops.linear_backward_input(dx_NI, Into::kAdd, dnarrow_NR, part.a_RI, context.precision);
  context.ops.linear_backward_input(memory, Into::kWrite, dnarrow_NR, part.a_RI, context.precision);
  context.ops.dropout(dx_NI, Into::kAdd, memory, part.dropout, {context.dropping->seed, part.place, context.dropping->step});
}

}  // namespace

void linear_forward(const Context& context, TensorView out_NO, Into into, TensorView x_NI, const Linear& linear) {
  if (context.observer) context.observer->observe(linear.weight_OI, x_NI);
  if (const LowRank* part = with_magnitude(linear)) {
    const Tensor product_NO(out_NO.dtype, out_NO.shape);
    product(context, product_NO, Into::kWrite, x_NI, linear);
    const Tensor factors = row_factors(*part, row_lengths(context, linear));
    context.ops.scale_columns(into == Into::kWrite ? out_NO : product_NO.view(), product_NO, factors);
    if (into == Into::kAdd) context.ops.add_scaled(out_NO, 1, out_NO, 1, product_NO);
  } else {
    product(context, out_NO, into, x_NI, linear);
  }
  add_the_rest(context, out_NO, x_NI, linear);
}

void linears_forward(const Context& context, std::initializer_list<LinearOutput> outputs, TensorView x_NI) {
  std::vector<Ops::Product> together;
  for (const auto& [linear, out_NO] : outputs) {
    if (with_magnitude(linear)) {
      linear_forward(context, out_NO, Into::kWrite, x_NI, linear);
    } else {
      together.push_back({out_NO, linear.weight_OI});
    }
  }
  context.ops.linears(together, x_NI, context.precision);
  for (const auto& [linear, out_NO] : outputs) {
    if (with_magnitude(linear)) continue;
    if (context.observer) context.observer->observe(linear.weight_OI, x_NI);
    for (const LowRank& part : linear.low_rank) add_low_rank(context, out_NO, x_NI, part);
    add_the_rest(context, out_NO, x_NI, linear);
  }
}

void linear_backward(const Context& context, TensorView dx_NI, Into into, const Linear& gradient, TensorView dout_NO,
                     TensorView x_NI, const Linear& linear) {
  if (gradient.bias_O) context.ops.bias_backward(gradient.bias_O, dout_NO);
  Tensor memory;
  if (with_magnitude(linear)) {
    memory = through_magnitude(context, gradient.low_rank.empty() ? LowRank{} : gradient.low_rank.back(), dout_NO, x_NI, linear);
    dout_NO = memory;
  }
  if (gradient.weight_OI) context.ops.linear_backward_weight(gradient.weight_OI, dout_NO, x_NI, context.precision);
  context.ops.linear_backward_input(dx_NI, into, dout_NO, linear.weight_OI, context.precision);
  for (size_t i = 0; i < linear.low_rank.size(); ++i) {
    low_rank_backward(context, dx_NI, i < gradient.low_rank.size() ? gradient.low_rank[i] : LowRank{}, dout_NO, x_NI, linear.low_rank[i]);
  }
}

}  // namespace owlet
