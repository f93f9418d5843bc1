// y = x · Wᵀ with a promise: a row of y is bitwise the same alone, in any batch, on any number of threads. Every element is one dot
// product in one order: vector lanes along the input dimension, then one fixed tree.
#pragma once

#include <algorithm>
#include <vector>

#include "core/half.h"
#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/ops.h"
#include "kernels/cpu/quantized_row.h"

namespace owlet::cpu {

template <class S>
class Linear {
 public:
  explicit Linear(ThreadPool& pool) : pool_(pool) {}

  void run(TensorView y, Into into, TensorView x, TensorView w) {
    switch (w.dtype) {
      case DType::kF32: return dense(y, into, x, w.as<const float>(), w.rows(), Plain{});
      case DType::kF16: return dense(y, into, x, w.as<const uint16_t>(), w.rows(), Wide<HalfTag>{});
      case DType::kBF16: return dense(y, into, x, w.as<const uint16_t>(), w.rows(), Wide<BFloatTag>{});
      case DType::kQ8_0: return quantized<BlockQ8_0, 128>(y, into, x, w);
      case DType::kQ4_0: return quantized<BlockQ4_0, 8>(y, into, x, w);
      default: OWLET_CHECK(false, "[linear] weights of type {}", to_string(w.dtype));
    }
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kOutputs = 4;      // of a tile
  static constexpr int64_t kRowsDense = 4;
  static constexpr int64_t kRowsQuantized = 4;
  static constexpr int64_t kGrain = 16;       // outputs that a thread takes at least

  struct Plain {
    static F load(const float* p) { return S::load(p); }
    static F load_partial(const float* p, int64_t n) { return S::load_partial(p, n); }
  };
  template <class Tag>
  struct Wide {
    static F load(const uint16_t* p) { return S::load(p, Tag{}); }
    static F load_partial(const uint16_t* p, int64_t n) { return S::load_partial(p, n, Tag{}); }
  };

  // A tile of kR rows by kO outputs; each of its sums has its own accumulator.
  template <int64_t kR, int64_t kO, class W, class Loader>
  static void dense_tile(const float* x, const W* w, int64_t k, float* y, int64_t y_stride, bool add, Loader) {
    F sum[kR][kO];
    for (auto& row : sum) std::fill(row, row + kO, S::zero());
    const auto step = [&](auto&& load_x, auto&& load_w) {
      F wv[kO];
      for (int64_t o = 0; o < kO; ++o) wv[o] = load_w(w + o * k);
      for (int64_t r = 0; r < kR; ++r) {
        const F xv = load_x(x + r * k);
        for (int64_t o = 0; o < kO; ++o) sum[r][o] = S::fma(xv, wv[o], sum[r][o]);
      }
    };
    int64_t i = 0;
    for (; i + kLanes <= k; i += kLanes) {
      step([i](const float* p) { return S::load(p + i); }, [i](const W* p) { return Loader::load(p + i); });
    }
    if (const int64_t n = k - i; n > 0) {
      step([i, n](const float* p) { return S::load_partial(p + i, n); },
           [i, n](const W* p) { return Loader::load_partial(p + i, n); });
    }
    for (int64_t r = 0; r < kR; ++r) {
      for (int64_t o = 0; o < kO; ++o) {
        const float value = S::sum(sum[r][o]);
        float& out = y[r * y_stride + o];
        out = add ? out + value : value;
      }
    }
  }

  // Calls tile<rows, outputs>(row, output) over an area, with smaller tiles at its edges.
  template <int64_t kR, class Tile>
  static void cover(int64_t rows, int64_t begin, int64_t end, const Tile& tile) {
    using R = std::integral_constant<int64_t, kR>;
    using One = std::integral_constant<int64_t, 1>;
    using O = std::integral_constant<int64_t, kOutputs>;
    int64_t o = begin;
    for (; o + kOutputs <= end; o += kOutputs) {
      int64_t r = 0;
      for (; r + kR <= rows; r += kR) tile(r, o, R{}, O{});
      for (; r < rows; ++r) tile(r, o, One{}, O{});
    }
    for (; o < end; ++o) {
      for (int64_t r = 0; r < rows; ++r) tile(r, o, One{}, One{});
    }
  }

  template <class W, class Loader>
  void dense(TensorView y, Into into, TensorView x, const W* w, int64_t outputs, Loader loader) {
    const int64_t k = x.cols();
    const bool add = into == Into::kAdd;
    pool_.parallel_for(outputs, kGrain, [&](int64_t begin, int64_t end) {
      cover<kRowsDense>(x.rows(), begin, end, [&](int64_t r, int64_t o, auto rows, auto outs) {
        dense_tile<decltype(rows)::value, decltype(outs)::value>(x.f32() + r * k, w + o * k, k, y.f32() + r * outputs + o,
                                                                 outputs, add, loader);
      });
    });
  }

  template <int64_t kR, int64_t kO, class Block, int kOffset>
  static void quantized_tile(const QuantizedBlock* x, const Block* w, int64_t blocks, float* y, int64_t y_stride, bool add) {
    typename S::Sum sum[kR][kO];
    for (auto& row : sum) std::fill(row, row + kO, S::no_sum());
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t o = 0; o < kO; ++o) {
        const Block& block = w[o * blocks + b];
        const auto codes = S::codes(block);
        const float d = f16_to_f32(block.d);
        for (int64_t r = 0; r < kR; ++r) {
          const QuantizedBlock& xb = x[r * blocks + b];
          sum[r][o] = S::template dot_block<kOffset>(sum[r][o], codes, xb, d * xb.d);
        }
      }
    }
    for (int64_t r = 0; r < kR; ++r) {
      for (int64_t o = 0; o < kO; ++o) {
        const float value = S::total(sum[r][o]);
        float& out = y[r * y_stride + o];
        out = add ? out + value : value;
      }
    }
  }

  template <class Block, int kOffset>
  void quantized(TensorView y, Into into, TensorView x, TensorView w) {
    const int64_t k = x.cols(), blocks = k / kBlock, rows = x.rows(), outputs = w.rows();
    const bool add = into == Into::kAdd;
    x_.resize(static_cast<size_t>(rows * blocks));
    pool_.parallel_for(rows, 4, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) quantize_activations(x.f32() + r * k, x_.data() + r * blocks, k);
    });
    pool_.parallel_for(outputs, kGrain, [&](int64_t begin, int64_t end) {
      cover<kRowsQuantized>(rows, begin, end, [&](int64_t r, int64_t o, auto tile_rows, auto outs) {
        quantized_tile<decltype(tile_rows)::value, decltype(outs)::value, Block, kOffset>(
            x_.data() + r * blocks, w.as<const Block>() + o * blocks, blocks, y.f32() + r * outputs + o, outputs, add);
      });
    });
  }

  ThreadPool& pool_;
  std::vector<QuantizedBlock> x_;
};

}  // namespace owlet::cpu
