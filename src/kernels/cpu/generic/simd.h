// Plain C++ in vectors of eight, which compilers turn into whatever the target's baseline has. Also what WebAssembly starts from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/half.h"
#include "kernels/cpu/quantized_row.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct Generic {
  static constexpr const char* kName = "generic";
  static constexpr int64_t kLanes = 8;
  static constexpr int64_t kGemmRows = 2;
  static constexpr int64_t kSmallRows = 1;
  static constexpr bool kHasBF16 = false;
  struct F {
    float x[kLanes];
  };

  template <class Function>
  static F each(const Function& f) {
    F out;
    for (int i = 0; i < kLanes; ++i) out.x[i] = f(i);
    return out;
  }
  static F zero() { return F{}; }
  static F set1(float x) { return each([x](int) { return x; }); }
  static F load(const float* p) { return each([p](int i) { return p[i]; }); }
  static void store(float* p, F x) { std::copy(x.x, x.x + kLanes, p); }
  static F load_partial(const float* p, int64_t n) { return each([p, n](int i) { return i < n ? p[i] : 0.0f; }); }
  static void store_partial(float* p, F x, int64_t n) { std::copy(x.x, x.x + n, p); }
  static F add(F a, F b) { return each([&](int i) { return a.x[i] + b.x[i]; }); }
  static F sub(F a, F b) { return each([&](int i) { return a.x[i] - b.x[i]; }); }
  static F mul(F a, F b) { return each([&](int i) { return a.x[i] * b.x[i]; }); }
  static F div(F a, F b) { return each([&](int i) { return a.x[i] / b.x[i]; }); }
  // Two roundings: a fused product is a library call where the baseline has none.
  static F fma(F a, F b, F c) { return each([&](int i) { return a.x[i] * b.x[i] + c.x[i]; }); }
  static F max(F a, F b) { return each([&](int i) { return a.x[i] > b.x[i] ? a.x[i] : b.x[i]; }); }
  static F min(F a, F b) { return each([&](int i) { return a.x[i] < b.x[i] ? a.x[i] : b.x[i]; }); }
  static F sqrt(F a) { return each([&](int i) { return std::sqrt(a.x[i]); }); }
  static F round(F a) { return each([&](int i) { return std::nearbyint(a.x[i]); }); }
  static F scale_by_power(F a, F k) {
    return each([&](int i) { return a.x[i] * std::bit_cast<float>((static_cast<int32_t>(k.x[i]) + 127) << 23); });
  }
  static float sum(F a) {
    return ((a.x[0] + a.x[4]) + (a.x[2] + a.x[6])) + ((a.x[1] + a.x[5]) + (a.x[3] + a.x[7]));
  }
  static float largest(F a) { return *std::max_element(a.x, a.x + kLanes); }

  static F interleave_low(F a, F b) { return each([&](int i) { return (i % 2 ? b : a).x[i / 2]; }); }
  static F interleave_high(F a, F b) { return each([&](int i) { return (i % 2 ? b : a).x[kLanes / 2 + i / 2]; }); }
  static F round_to_bf16(F a) { return each([&](int i) { return bf16_to_f32(f32_to_bf16(a.x[i])); }); }

  static F load(const uint16_t* p, HalfTag) { return each([p](int i) { return f16_to_f32(p[i]); }); }
  static F load(const uint16_t* p, BFloatTag) { return each([p](int i) { return bf16_to_f32(p[i]); }); }
  static F load_partial(const uint16_t* p, int64_t n, HalfTag) { return each([=](int i) { return i < n ? f16_to_f32(p[i]) : 0.0f; }); }
  static F load_partial(const uint16_t* p, int64_t n, BFloatTag) { return each([=](int i) { return i < n ? bf16_to_f32(p[i]) : 0.0f; }); }

  // 32 codes of each of kLanes weight rows.
  template <class Block>
  struct Codes {
    static constexpr int32_t kOffset = 0;
    int8_t q[kLanes][kBlock];
    F scale;
  };
  template <class Rows>
  static auto turn(const Rows& w) {
    using Block = typename Rows::Block;
    Codes<Block> codes;
    for (int64_t i = 0; i < kLanes; ++i) {
      const Block& block = w[i];
      codes.scale.x[i] = f16_to_f32(block.d);
      for (int64_t j = 0; j < kBlock; ++j) {
        if constexpr (std::is_same_v<Block, BlockQ8_0>) {
          codes.q[i][j] = block.q[j];
        } else {
          const int packed = block.q[j % (kBlock / 2)];
          codes.q[i][j] = static_cast<int8_t>((j < kBlock / 2 ? packed & 15 : packed >> 4) - 8);
        }
      }
    }
    return codes;
  }
  // Σ q_w q_x of each row, exact.
  template <class Block>
  static F dots(const Codes<Block>& w, const QuantizedBlock& x) {
    return each([&](int i) {
      int32_t sum = 0;
      for (int64_t j = 0; j < kBlock; ++j) sum += w.q[i][j] * x.q[j];
      return static_cast<float>(sum);
    });
  }
};

}  // namespace owlet::cpu
