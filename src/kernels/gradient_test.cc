// Every backward pass of the reference against central differences of its forward pass, in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/random.h"
#include "kernels/backend.h"

namespace owlet {
namespace {

constexpr double kStep = 1e-5;  // the differences' own error is of the order of its square
constexpr double kTolerance = 1e-8;

class Gradient : public testing::Test {
 protected:
  Tensor tensor(Shape shape, double low = -1, double high = 1) {
    Tensor out(DType::kF64, shape);
    for (double& x : out.span<double>()) x = low + (high - low) * random_.uniform();
    return out;
  }

  // Σ out · dout: a number whose derivative by `out` is dout.
  static double loss(const Tensor& out, const Tensor& dout) {
    double sum = 0;
    for (size_t i = 0; i < out.span<double>().size(); ++i)
      sum += out.span<double>()[i] * dout.span<double>()[i];
    return sum;
  }

  // dx against the differences of `forward` by every element of x.
  static void expect_gradient(const Tensor& x, const Tensor& dx, const std::function<double()>& forward) {
    for (size_t i = 0; i < x.span<double>().size(); ++i) {
      double& at = x.span<double>()[i];
      const double kept = at;
      at = kept + kStep;
      const double above = forward();
      at = kept - kStep;
      const double below = forward();
      at = kept;
      const double want = (above - below) / (2 * kStep);
      ASSERT_NEAR(dx.span<double>()[i], want, kTolerance * (1 + std::fabs(want))) << "element " << i;
    }
  }

  std::unique_ptr<Ops> ops_ = make_reference_ops();
  Random random_{7, 0, 0};
};

TEST_F(Gradient, Embedding) {
  const Tensor table = tensor({5, 4}), out = tensor({6, 4}), dout = tensor({6, 4}),
               dtable(DType::kF64, {5, 4});
  const std::vector<int32_t> ids{3, 1, 3, 0, 0, 3};
  ops_->embedding_backward(dtable, dout, ids);
  expect_gradient(table, dtable, [&] {
    ops_->embedding(out, table, ids);
    return loss(out, dout);
  });
}

TEST_F(Gradient, RmsNorm) {
  const Tensor x = tensor({3, 7}), weight = tensor({7}), out = tensor({3, 7}), rstd = tensor({3}),
               dout = tensor({3, 7});
  const Tensor dx = tensor({3, 7}), dweight(DType::kF64, {7});
  const auto forward = [&] {
    ops_->rms_norm(out, rstd, x, weight, 1e-2);
    return loss(out, dout);
  };
  forward();
  ops_->rms_norm_backward(dx, Into::kWrite, dweight, dout, x, weight, rstd);
  expect_gradient(x, dx, forward);
  expect_gradient(weight, dweight, forward);
}

TEST_F(Gradient, Linear) {
  const Tensor x = tensor({4, 6}), weight = tensor({5, 6}), out = tensor({4, 5}), dout = tensor({4, 5});
  const Tensor dx = tensor({4, 6}), dweight(DType::kF64, {5, 6});
  const auto forward = [&] {
    ops_->linear(out, Into::kWrite, x, weight, Precision::kF32);
    return loss(out, dout);
  };
  ops_->linear_backward_input(dx, Into::kWrite, dout, weight, Precision::kF32);
  ops_->linear_backward_weight(dweight, dout, x, Precision::kF32);
  expect_gradient(x, dx, forward);
  expect_gradient(weight, dweight, forward);
}

TEST_F(Gradient, Bias) {
  const Tensor x = tensor({4, 5}), bias = tensor({5}), out = tensor({4, 5}), dout = tensor({4, 5});
  const Tensor dbias(DType::kF64, {5});
  ops_->bias_backward(dbias, dout);
  expect_gradient(bias, dbias, [&] {
    ops_->copy(out, x);
    ops_->add_bias(out, bias);
    return loss(out, dout);
  });
}

TEST_F(Gradient, SoftCap) {
  const Tensor x = tensor({3, 6}, -5, 5), out = tensor({3, 6}), dout = tensor({3, 6}), dx(DType::kF64, {3, 6});
  const auto forward = [&] {
    ops_->copy(out, x);
    ops_->soft_cap(out, 2.5);
    return loss(out, dout);
  };
  forward();
  ops_->copy(dx, dout);
  ops_->soft_cap_backward(dx, out, 2.5);
  expect_gradient(x, dx, forward);
}

// Heads of 6, whole and with two numbers at their end that stay.
TEST_F(Gradient, Rope) {
  for (const auto& [interleaved, head_dim] : {std::pair{false, 6}, {true, 6}, {false, 8}, {true, 8}}) {
    // Angles' cosines and sines: the gradient of a rotation is the rotation back.
    const Tensor cos_sin(DType::kF64, {9, 6});
    for (int64_t p = 0; p < 9; ++p) {
      for (int64_t i = 0; i < 3; ++i) {
        const double angle = static_cast<double>(p) / std::pow(10.0, static_cast<double>(i));
        cos_sin.span<double>()[static_cast<size_t>(p * 6 + i)] = std::cos(angle);
        cos_sin.span<double>()[static_cast<size_t>(p * 6 + i + 3)] = std::sin(angle);
      }
    }
    const Shape shape{4, 2 * head_dim};
    const Tensor x = tensor(shape), out = tensor(shape), dout = tensor(shape), dx(DType::kF64, shape);
    const std::vector<int32_t> positions{0, 8, 3, 3};
    ops_->copy(dx, dout);
    ops_->rope_backward(dx, head_dim, cos_sin, positions, interleaved);
    expect_gradient(x, dx, [&, interleaved = interleaved, head_dim = head_dim] {
      ops_->copy(out, x);
      ops_->rope(out, head_dim, cos_sin, positions, interleaved);
      return loss(out, dout);
    });
  }
}

TEST_F(Gradient, Attention) {
  const std::vector<int32_t> first_row{0, 0, 0, 3, 3};
  const Tensor q = tensor({5, 12}), k = tensor({5, 6}), v = tensor({5, 6}), out = tensor({5, 12}),
               lse = tensor({5, 4});
  const Tensor dout = tensor({5, 12}), dq = tensor({5, 12}), dk = tensor({5, 6}), dv = tensor({5, 6});
  const AttentionShape plain{4, 2, 3, 0.6}, window{4, 2, 3, 0.6, 2}, cap{4, 2, 3, 2.5, 0, 0.8}, both{4, 2, 3, 2.5, 2, 0.8};
  for (const AttentionShape& shape : {plain, window, cap, both}) {
    const auto forward = [&] {
      ops_->attention(out, lse, q, k, v, first_row, shape);
      return loss(out, dout);
    };
    forward();
    ops_->attention_backward(dq, dk, dv, dout, q, k, v, out, lse, first_row, shape);
    expect_gradient(q, dq, forward);
    expect_gradient(k, dk, forward);
    expect_gradient(v, dv, forward);
  }
}

TEST_F(Gradient, Glu) {
  const Tensor gate = tensor({3, 5}, -4, 4), up = tensor({3, 5}), out = tensor({3, 5}), dout = tensor({3, 5});
  const Tensor dgate = tensor({3, 5}), dup = tensor({3, 5});
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
    const auto forward = [&] {
      ops_->glu(out, gate, up, activation);
      return loss(out, dout);
    };
    ops_->glu_backward(dgate, dup, dout, gate, up, activation);
    expect_gradient(gate, dgate, forward);
    expect_gradient(up, dup, forward);
  }
}

TEST_F(Gradient, CrossEntropy) {
  const Tensor logits = tensor({4, 6}, -3, 3), losses = tensor({4}), gradient(DType::kF64, {4, 6});
  const std::vector<int32_t> targets{2, -1, 5, 0};
  ops_->copy(gradient, logits);
  ops_->cross_entropy(losses, gradient, targets, 0.25);
  expect_gradient(logits, gradient, [&] {
    ops_->cross_entropy(losses, logits, targets, 0);
    double sum = 0;
    for (const double x : losses.span<double>()) sum += x / 4;
    return sum;
  });
}

// With the z-loss the gradient is of loss + z · lse²; lse = loss + the target's logit.
TEST_F(Gradient, CrossEntropyWithZLoss) {
  const Tensor logits = tensor({3, 6}, -3, 3), losses = tensor({3}), gradient(DType::kF64, {3, 6});
  const std::vector<int32_t> targets{2, -1, 5};
  ops_->copy(gradient, logits);
  ops_->cross_entropy(losses, gradient, targets, 0.5, 0.01);
  expect_gradient(logits, gradient, [&] {
    ops_->cross_entropy(losses, logits, targets, 0);
    double sum = 0;
    for (size_t i = 0; i < 3; ++i) {
      if (targets[i] < 0) continue;
      const double loss = losses.span<double>()[i], lse = loss + logits.span<double>()[6 * i + static_cast<size_t>(targets[i])];
      sum += (loss + 0.01 * lse * lse) / 2;
    }
    return sum;
  });
}

TEST_F(Gradient, ScaleColumns) {
  const Tensor x = tensor({4, 5}), scale = tensor({5}), out = tensor({4, 5}), dout = tensor({4, 5}), dx = tensor({4, 5}),
               dscale(DType::kF64, {5});
  ops_->scale_columns(dx, dout, scale);
  ops_->scale_columns_backward(dscale, dout, x);
  const auto forward = [&] {
    ops_->scale_columns(out, x, scale);
    return loss(out, dout);
  };
  expect_gradient(x, dx, forward);
  expect_gradient(scale, dscale, forward);
}

TEST_F(Gradient, Dropout) {
  const Tensor x = tensor({20, 5}), out = tensor({20, 5}), dout = tensor({20, 5}), dx = tensor({20, 5});
  const Draw draw{3, 4, 5};
  ops_->dropout(dx, Into::kWrite, dout, 0.25, draw);
  expect_gradient(x, dx, [&] {
    ops_->dropout(out, Into::kWrite, x, 0.25, draw);
    return loss(out, dout);
  });
  EXPECT_NEAR(static_cast<double>(std::count(dx.span<double>().begin(), dx.span<double>().end(), 0.0)), 25, 12);
}

// Gradients through weights that are stored smaller are those of the numbers the weights stand for.
TEST_F(Gradient, LinearInputThroughStoredWeights) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    const Tensor weight(dtype, {3, 32}), decoded = tensor({3, 32}), dout = tensor({2, 3});
    for (int64_t i = 0; i < weight.bytes(); ++i)
      weight.view().as<uint8_t>()[i] = static_cast<uint8_t>(i * 7 % 61);
    const std::vector<int32_t> all{0, 1, 2};
    ops_->embedding(decoded, weight, all);
    const Tensor got = tensor({2, 32}), want = tensor({2, 32});
    ops_->linear_backward_input(got, Into::kWrite, dout, weight, Precision::kF32);
    ops_->linear_backward_input(want, Into::kWrite, dout, decoded, Precision::kF32);
    for (size_t i = 0; i < 64; ++i)
      ASSERT_EQ(got.span<double>()[i], want.span<double>()[i]) << to_string(dtype);
  }
}

}  // namespace
}  // namespace owlet
