// Plain C++ in vectors of eight, which compilers turn into whatever the target's baseline has. Also what WebAssembly starts from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/bit_cast.h"
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
    return each([&](int i) { return a.x[i] * bit_cast<float>((static_cast<int32_t>(k.x[i]) + 127) << 23); });
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
  static F load(const int8_t* p) { return each([p](int i) { return static_cast<float>(p[i]); }); }
  static F set1(uint16_t x, HalfTag) { return set1(f16_to_f32(x)); }
  static void store(uint16_t* p, F x, HalfTag) { std::transform(x.x, x.x + kLanes, p, f32_to_f16); }
  static F load_partial(const uint16_t* p, int64_t n, HalfTag) { return each([=](int i) { return i < n ? f16_to_f32(p[i]) : 0.0f; }); }
  static F load_partial(const uint16_t* p, int64_t n, BFloatTag) { return each([=](int i) { return i < n ? bf16_to_f32(p[i]) : 0.0f; }); }

  // Block formats; see block_codes.h and code_panel.h.
  struct Quad {
    uint32_t word[kLanes];
  };
  static constexpr int32_t kSignedOffset = 0;
  static constexpr int64_t kProductRows = 4;
  static constexpr int64_t kProductGroups = 1;

  template <class Word>
  static Quad quad_of(const Word& word) {
    Quad out;
    for (int i = 0; i < kLanes; ++i) out.word[i] = word(i);
    return out;
  }
  template <class At>
  static Quad words(const At& at) {
    return quad_of([&](int i) {
      uint32_t word;
      std::memcpy(&word, at(i), 4);
      return word;
    });
  }
  template <class At>
  static void turn16(const At& at, Quad* quads) {
    for (int j = 0; j < 4; ++j) quads[j] = words([&](int i) { return reinterpret_cast<const char*>(at(i)) + 4 * j; });
  }
  static Quad bits(Quad x, int shift, int mask) {
    return quad_of([&](int i) { return (x.word[i] >> shift) & (0x01010101u * static_cast<uint32_t>(mask)); });
  }
  template <int kShift>
  static Quad join(Quad low, Quad high) { return quad_of([&](int i) { return low.word[i] | (high.word[i] << kShift); }); }
  static Quad look_up(const int8_t (&table)[16], Quad x) {
    return quad_of([&](int i) {
      uint32_t word = 0;
      for (int b = 0; b < 4; ++b) word |= static_cast<uint32_t>(static_cast<uint8_t>(table[(x.word[i] >> (8 * b)) & 15])) << (8 * b);
      return word;
    });
  }
  static Quad from_signed(Quad codes) { return codes; }
  template <int J>
  static Quad spread(Quad words) {
    return quad_of([&](int i) {
      uint32_t word = 0;
      for (int b = 0; b < 4; ++b) word |= ((words.word[i] >> (4 * J + b)) & 1) << (8 * b + 4);
      return word;
    });
  }
  static Quad byte_at(Quad x, int k) { return quad_of([&](int i) { return (x.word[i] >> (8 * k)) & 255; }); }
  static Quad signed_byte_at(Quad x, int k) {
    return quad_of([&](int i) { return static_cast<uint32_t>(int32_t{static_cast<int8_t>(x.word[i] >> (8 * k))}); });
  }
  static Quad plus(Quad ints, int n) { return quad_of([&](int i) { return ints.word[i] + static_cast<uint32_t>(n); }); }
  static F floats(Quad ints) { return each([&](int i) { return static_cast<float>(static_cast<int32_t>(ints.word[i])); }); }

  // Of runs whose sixteens are worth different scales.
  struct Scales {
    int32_t scales[2][kLanes];  // s of both
    void set_scales(Quad s0, Quad s1) { copy(s0, s1, scales); }
    static void copy(const Quad& a, const Quad& b, int32_t (&to)[2][kLanes]) {
      for (int i = 0; i < kLanes; ++i) {
        to[0][i] = static_cast<int32_t>(a.word[i]);
        to[1][i] = static_cast<int32_t>(b.word[i]);
      }
    }
  };
  struct ScalesAndT : Scales {
    int32_t t[2][kLanes];
    void set_t(Quad t0, Quad t1) { copy(t0, t1, t); }
    F times_t(const QuantizedBlock& x) const {
      return each([&](int i) { return static_cast<float>(t[0][i] * x.halves[0] + t[1][i] * x.halves[1]); });
    }
  };

  // out[r] = Σ q_w q_x over a run, exact, of R rows of activations.
  template <class Codes, class Panel, int64_t R>
  static void products(const Panel (&w)[1], const QuantizedBlock* x, int64_t stride, F (&out)[R][1]) {
    using Byte = std::conditional_t<Codes::kKind == CodeKind::kSigned, int8_t, uint8_t>;
    for (int64_t r = 0; r < R; ++r) {
      const QuantizedBlock& block = x[r * stride];
      out[r][0] = each([&](int i) {
        int32_t sums[2] = {};
        for (int half = 0; half < 2 && Codes::kOffset > 0; ++half) sums[half] = block.starts[half];
        for (int k = 0; k < kBlock; ++k) sums[k / 16] += static_cast<Byte>(w[0].quads[k / 4].word[i] >> (8 * (k % 4))) * block.q[k];
        if constexpr (kInHalves<Codes>) {
          for (int half = 0; half < 2; ++half) sums[half] *= w[0].worth.scales[half][i];
        }
        return static_cast<float>(sums[0] + sums[1]);
      });
    }
  }
};

}  // namespace owlet::cpu
