// y = x · Wᵀ in float32 for weights of any dtype, with a promise: a row of y is bitwise the same alone, in any batch, on any number
// of threads. Every element is one dot product in one order: vector lanes along the input, then one fixed tree. Weights of plain
// numbers are read where they lie; those in blocks are decoded some rows at a time, once for all rows of x.
#pragma once

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/quantized_row.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vectors.h"
#include "kernels/ops.h"

namespace owlet::cpu {

template <class S>
class DenseLinear {
 public:
  explicit DenseLinear(ThreadPool& pool) : pool_(pool) {}

  // y: [N, O], x: [N, I], w: [O, I].
  void run(TensorView y, Into into, TensorView x, TensorView w) {
    switch (w.dtype) {
      case DType::kF16: return product(y, into, x, w, Wide<HalfTag>{});
      case DType::kBF16: return product(y, into, x, w, Wide<BFloatTag>{});
      case DType::kF32: return product(y, into, x, w, Plain{});
      default: return x.rows() == 1 ? decoded_row_product(y, into, x, w) : decoded_product(y, into, x, w);
    }
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kOutputs = 4;             // of a tile
  static constexpr int64_t kRows = S::kGemmRows < 8 ? 3 : 4;  // of sixteen registers twelve are sums, of thirty-two sixteen
  static constexpr int64_t kGrain = 16;              // outputs that a thread takes at least
  static constexpr int64_t kBlockFloats = 48 << 10;  // of x that stay in the second cache while outputs pass by
  static constexpr int64_t kPiece = 256;             // numbers of a row that are decoded at once; block sizes divide it
  static constexpr int64_t kTileFloats = 64 << 10;   // of decoded weights that stay there while rows pass by

  struct Plain {
    using Word = float;
    static F load(const float* p) { return S::load(p); }
    static F load_partial(const float* p, int64_t n) { return S::load_partial(p, n); }
  };
  template <class Tag>
  struct Wide {
    using Word = uint16_t;
    static F load(const uint16_t* p) { return S::load(p, Tag{}); }
    static F load_partial(const uint16_t* p, int64_t n) { return S::load_partial(p, n, Tag{}); }
  };

  template <class Loader>
  void product(TensorView y, Into into, TensorView x, TensorView w, Loader) {
    using Word = typename Loader::Word;
    const int64_t k = x.cols(), n = x.rows(), outputs = w.rows();
    const int64_t block = std::max(kRows, kBlockFloats / std::max<int64_t>(k, 1) / kRows * kRows);
    pool_.parallel_for(outputs, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t row = 0; row < n; row += block) {
        const Target to{y.f32() + row * outputs, outputs, into == Into::kAdd};
        cover<Loader>(x.f32() + row * k, std::min(block, n - row), w.as<const Word>(), begin, end, k, to);
      }
    });
  }

  // A single row meets the weights piece by piece, which stay in the first cache.
  void decoded_row_product(TensorView y, Into into, TensorView x, TensorView w) {
    const int64_t k = x.cols(), row = row_bytes(w.dtype, k);
    const Target to{y.f32(), w.rows(), into == Into::kAdd};
    const auto outputs_from = [&]<int64_t O>(int64_t first, std::integral_constant<int64_t, O>) {
      float piece[O * kPiece];
      Sums<1, O> sums;
      for (int64_t at = 0; at < k; at += kPiece) {
        const int64_t here = std::min(kPiece, k - at);
        for (int64_t o = 0; o < O; ++o) {
          dequantize_row(w.dtype, w.as<const std::byte>() + (first + o) * row + row_bytes(w.dtype, at), piece + o * kPiece, here);
        }
        accumulate<Plain>(sums, x.f32() + at, k, piece, kPiece, here);
      }
      finish(sums, to.y + first, to);
    };
    pool_.parallel_for(w.rows(), kGrain, [&](int64_t begin, int64_t end) {
      int64_t o = begin;
      for (; o + kOutputs <= end; o += kOutputs) outputs_from(o, std::integral_constant<int64_t, kOutputs>{});
      for (; o < end; ++o) outputs_from(o, std::integral_constant<int64_t, 1>{});
    });
  }

  void decoded_product(TensorView y, Into into, TensorView x, TensorView w) {
    const int64_t k = x.cols(), n = x.rows(), outputs = w.rows(), row = row_bytes(w.dtype, k);
    const int64_t held = n <= kRows ? kOutputs : std::clamp(kTileFloats / k / kOutputs * kOutputs, kOutputs, kGrain);
    const int64_t block = std::max(kRows, kBlockFloats / k / kRows * kRows), stride = held * k + kLanes;
    float* tiles = tiles_.get<float>(stride * pool_.size());
    std::atomic<int64_t> next{0};
    pool_.run([&](int thread, int) {
      float* tile = tiles + thread * stride;
      for (int64_t o = next.fetch_add(held); o < outputs; o = next.fetch_add(held)) {
        const int64_t here = std::min(held, outputs - o);
        for (int64_t i = 0; i < here; ++i) dequantize_row(w.dtype, w.as<const std::byte>() + (o + i) * row, tile + i * k, k);
        for (int64_t r = 0; r < n; r += block) {
          const Target to{y.f32() + r * outputs + o, outputs, into == Into::kAdd};
          cover<Plain>(x.f32() + r * k, std::min(block, n - r), tile, 0, here, k, to);
        }
      }
    });
  }

  struct Target {
    float* y;
    int64_t stride;
    bool add;
  };

  // Outputs [begin, end) of some rows, in tiles that get smaller at the edges.
  template <class Loader>
  static void cover(const float* x, int64_t rows, const typename Loader::Word* w, int64_t begin, int64_t end, int64_t k,
                    const Target& to) {
    int64_t o = begin;
    for (; o + kOutputs <= end; o += kOutputs) {
      int64_t r = 0;
      for (; r + kRows <= rows; r += kRows) tile<Loader, kRows, kOutputs>(x + r * k, w + o * k, k, to.y + r * to.stride + o, to);
      for (; r < rows; ++r) tile<Loader, 1, kOutputs>(x + r * k, w + o * k, k, to.y + r * to.stride + o, to);
    }
    for (; o < end; ++o) {
      for (int64_t r = 0; r < rows; ++r) tile<Loader, 1, 1>(x + r * k, w + o * k, k, to.y + r * to.stride + o, to);
    }
  }

  // R rows by O outputs; each has an accumulator of its own.
  template <int64_t R, int64_t O>
  struct Sums {
    Sums() {
#pragma GCC unroll 16
      for (int64_t i = 0; i < R * O; ++i) of[i / O][i % O] = S::zero();
    }
    F of[R][O];
  };

  template <class Loader, int64_t R, int64_t O>
  static void tile(const float* x, const typename Loader::Word* w, int64_t k, float* y, const Target& to) {
    Sums<R, O> sums;
    accumulate<Loader>(sums, x, k, w, k, k);
    finish(sums, y, to);
  }

  // The next n numbers of rows of x and of w.
  template <class Loader, int64_t R, int64_t O>
  [[gnu::always_inline]] static void accumulate(Sums<R, O>& sums, const float* x, int64_t x_stride, const typename Loader::Word* w,
                                                int64_t w_stride, int64_t n) {
    Sums<R, O> sum = sums;
    const auto step = [&](const auto& load_x, const auto& load_w) {
      F xv[R];
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) xv[r] = load_x(x + r * x_stride);
#pragma GCC unroll 16
      for (int64_t o = 0; o < O; ++o) {
        const F wv = load_w(w + o * w_stride);
#pragma GCC unroll 16
        for (int64_t r = 0; r < R; ++r) sum.of[r][o] = S::fma(xv[r], wv, sum.of[r][o]);
      }
    };
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      step([i](const float* p) { return S::load(p + i); }, [i](const auto* p) { return Loader::load(p + i); });
    }
    if (const int64_t rest = n - i; rest > 0) {
      step([i, rest](const float* p) { return S::load_partial(p + i, rest); },
           [i, rest](const auto* p) { return Loader::load_partial(p + i, rest); });
    }
    sums = sum;
  }

  template <int64_t R, int64_t O>
  [[gnu::always_inline]] static void finish(const Sums<R, O>& sums, float* y, const Target& to) {
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t o = 0; o < O; ++o) {
        const float value = S::sum(sums.of[r][o]);
        float& out = y[r * to.stride + o];
        out = to.add ? out + value : value;
      }
    }
  }

  ThreadPool& pool_;
  Scratch tiles_;
};

}  // namespace owlet::cpu
