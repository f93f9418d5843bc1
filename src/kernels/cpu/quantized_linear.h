// y = x · Wᵀ for weights in blocks of 32 codes. Activations are quantized once; a group of kLanes outputs is one vector:
//
//   for each block along the input: sum = fma(d_w · d_x, Σ q_w q_x, sum), the inner sum in exact integers
//
// always in this order, so a row of y is bitwise the same alone, in any batch, on any number of threads. The codes of a group are
// turned so that a lane belongs to an output; few rows use them at once, many rows find them turned in the cache.
#pragma once

#include <algorithm>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/quantized_row.h"
#include "kernels/cpu/scratch.h"
#include "kernels/ops.h"

namespace owlet::cpu {

template <class S>
class QuantizedLinear {
 public:
  explicit QuantizedLinear(ThreadPool& pool) : pool_(pool) {}

  // y: [N, O], x: [N, I], w: [O, I] in `Block`s.
  template <class Block>
  void run(TensorView y, Into into, TensorView x, TensorView w) {
    using Codes = typename S::template Codes<Block>;
    const int64_t blocks = w.cols() / kBlock, n = x.rows(), outputs = w.rows();
    QuantizedBlock* rows = x_.get<QuantizedBlock>(n * blocks);
    pool_.parallel_for(n, 4, [&](int64_t begin, int64_t end) {
      quantize_activations<S>(x.f32() + begin * x.cols(), rows + begin * blocks, (end - begin) * blocks, Codes::kOffset);
    });
    Codes* turned = n > kDirectRows ? codes_.get<Codes>(blocks * pool_.size()) : nullptr;
    pool_.run([&](int thread, int n_threads) {
      const int64_t groups = (outputs + kLanes - 1) / kLanes;
      for (int64_t g = groups * thread / n_threads; g < groups * (thread + 1) / n_threads; ++g) {
        const Group<Block> group(w, g * kLanes, blocks);
        const Target to{y.f32() + g * kLanes, outputs, std::min(kLanes, outputs - g * kLanes), into == Into::kAdd};
        if (!turned) {
          all_rows<kDirectRows>(rows, n, blocks, to, [&](int64_t b) { return S::turn(group.at(b)); });
          continue;
        }
        Codes* mine = turned + thread * blocks;
        for (int64_t b = 0; b < blocks; ++b) mine[b] = S::turn(group.at(b));
        all_rows<kDirectRows>(rows, n, blocks, to, [&](int64_t b) -> const Codes& { return mine[b]; });
      }
    });
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kDirectRows = S::kSmallRows;  // rows of a tile

  // The rows of W that make kLanes outputs; behind the last row comes the last row again.
  template <class B>
  struct Group {
    using Block = B;
    Group(TensorView w, int64_t first, int64_t blocks) {
      for (int64_t i = 0; i < kLanes; ++i) row[i] = w.as<const Block>() + std::min(first + i, w.rows() - 1) * blocks;
    }
    struct At {
      using Block = B;
      const Block* const* row;
      int64_t b;
      const Block& operator[](int64_t i) const { return row[i][b]; }
    };
    At at(int64_t b) const { return {row, b}; }
    const Block* row[kLanes];
  };
  struct Target {
    float* y;
    int64_t stride;
    int64_t outputs;  // of this group
    bool add;
  };

  // Tiles of R rows, then halves of them.
  template <int64_t R, class CodesAt>
  static void all_rows(const QuantizedBlock* x, int64_t n, int64_t blocks, const Target& to, const CodesAt& codes_at) {
    int64_t r = 0;
    for (; r + R <= n; r += R) tile<R>(x + r * blocks, blocks, {to.y + r * to.stride, to.stride, to.outputs, to.add}, codes_at);
    if constexpr (R > 1) {
      if (r < n) {
        all_rows<R / 2>(x + r * blocks, n - r, blocks, {to.y + r * to.stride, to.stride, to.outputs, to.add}, codes_at);
      }
    }
  }

  template <int64_t R, class CodesAt>
  static void tile(const QuantizedBlock* x, int64_t blocks, const Target& to, const CodesAt& codes_at) {
    F sum[R];
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) sum[r] = S::zero();
    for (int64_t b = 0; b < blocks; ++b) {
      const auto& codes = codes_at(b);
#pragma GCC unroll 8
      for (int64_t r = 0; r < R; ++r) {
        const QuantizedBlock& xb = x[r * blocks + b];
        sum[r] = S::fma(S::mul(codes.scale, S::set1(xb.d)), S::dots(codes, xb), sum[r]);
      }
    }
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) {
      float* y = to.y + r * to.stride;
      if (to.add) sum[r] = S::add(load_up_to<S>(y, to.outputs), sum[r]);
      store_up_to<S>(y, sum[r], to.outputs);
    }
  }

  ThreadPool& pool_;
  Scratch x_, codes_;
};

}  // namespace owlet::cpu
