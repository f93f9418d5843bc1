// What optimizers do to weights, in pieces of 256 numbers: a block of 8-bit moments.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/half.h"
#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/vectors.h"
#include "kernels/draws.h"
#include "kernels/ops.h"
#include "quant/dynamic_map.h"

namespace owlet::cpu {

template <class S>
class WeightUpdates {
 public:
  explicit WeightUpdates(ThreadPool& pool) : pool_(pool) {}

  void adamw(TensorView weight, TensorView gradient, TensorView m, TensorView v, const AdamWStep& step) {
    const AdamW constants(step);
    pieces(weight.numel(), [&](int64_t at, int64_t n) {
      Weights w(weight, at, n);
      Moments first(m, DynamicMap::kSigned, at, n), second(v, DynamicMap::kUnsigned, at, n);
      constants.apply(w.numbers, gradient.f32() + at, first.numbers, second.numbers, n);
      w.store(step.rounding);
      first.store();
      second.store();
    });
  }

  void decay_and_add(TensorView weight, double keep, double factor, TensorView x, const Draw& rounding) {
    const F keeps = S::set1(static_cast<float>(keep)), adds = S::set1(static_cast<float>(factor));
    pieces(weight.numel(), [&](int64_t at, int64_t n) {
      Weights w(weight, at, n);
      const float* from = x.f32() + at;
      over_vectors<S>(n, [&](auto load, auto store) { store(w.numbers, S::fma(adds, load(from), S::mul(load(w.numbers), keeps))); });
      w.store(rounding);
    });
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kPiece = kDynamicBlock;

  struct AdamW {
    F b1, c1, b2, c2, eps, keep, scale, rate, root;
    explicit AdamW(const AdamWStep& step) {
      const auto f = [](double x) { return S::set1(static_cast<float>(x)); };
      b1 = f(step.beta1), c1 = f(1 - step.beta1), b2 = f(step.beta2), c2 = f(1 - step.beta2), eps = f(step.eps);
      keep = f(1 - step.lr * step.weight_decay), scale = f(step.grad_scale);
      rate = f(-step.lr / (1 - std::pow(step.beta1, static_cast<double>(step.step))));
      root = f(1 / std::sqrt(1 - std::pow(step.beta2, static_cast<double>(step.step))));
    }
    void apply(float* w, const float* g, float* m, float* v, int64_t n) const {
      over_vectors<S>(n, [&](auto load, auto store) {
        const F grad = S::mul(load(g), scale);
        const F first = S::fma(c1, grad, S::mul(b1, load(m)));
        const F second = S::fma(S::mul(c2, grad), grad, S::mul(b2, load(v)));
        store(m, first);
        store(v, second);
        const F slope = S::div(first, S::add(S::mul(S::sqrt(second), root), eps));
        store(w, S::fma(rate, slope, S::mul(load(w), keep)));
      });
    }
  };

  // Some numbers of a weight: where they lie, or decoded from bfloat16.
  struct Weights {
    Weights(TensorView weight, int64_t begin, int64_t count) : at(begin), n(count) {
      if (weight.dtype == DType::kF32) {
        numbers = weight.f32() + at;
        return;
      }
      stored = weight.as<uint16_t>() + at;
      numbers = decoded;
      for (int64_t i = 0; i < n; ++i) decoded[i] = bf16_to_f32(stored[i]);
    }
    void store(const Draw& rounding) {
      if (!stored) return;
      uint16_t bits[kPiece];
      draw_bits(rounding, at, n, bits);
      for (int64_t i = 0; i < n; ++i) stored[i] = round_stochastically(decoded[i], bits[i]);
    }
    int64_t at, n;
    float* numbers = nullptr;
    uint16_t* stored = nullptr;
    float decoded[kPiece];
  };

  // Some numbers of a moment: where they lie, or decoded from their block of 8 bits.
  struct Moments {
    Moments(TensorView moment, DynamicMap of, int64_t begin, int64_t n) : map(of) {
      if (moment.dtype == DType::kF32) {
        numbers = moment.f32() + begin;
        return;
      }
      block = moment.as<DynamicBlock>() + begin / kPiece;
      numbers = decoded;
      decode_block(map, *block, decoded);
      std::fill(decoded + n, decoded + kPiece, 0.0f);
    }
    void store() {
      if (block) encode_block(map, decoded, *block);
    }
    DynamicMap map;
    float* numbers = nullptr;
    DynamicBlock* block = nullptr;
    float decoded[kPiece];
  };

  template <class Body>
  void pieces(int64_t n, const Body& body) {
    pool_.parallel_for(n, 16 * kPiece, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; at += kPiece) body(at, std::min(kPiece, end - at));
    });
  }

  ThreadPool& pool_;
};

}  // namespace owlet::cpu
