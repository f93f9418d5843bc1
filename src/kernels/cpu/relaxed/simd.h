// WebAssembly's vectors with the dot products of relaxed SIMD, signed bytes by seven bits without a sign. Relaxed is what they make of an
// eighth bit; codes below 128 have none, and so every bit of the results is that of wasm/.
#pragma once

#include "kernels/cpu/wasm/simd.h"

namespace owlet::cpu {

struct Relaxed : Wasm {
  static constexpr const char* kName = "relaxed";
  static constexpr int64_t kProductRows = 4;

  static constexpr bool kSumsPairs = true;

  // Of runs whose sixteens are worth different scales.
  struct Scales {
    Quad scales[2];  // s of both, twice in each lane
    void set_scales(Quad s0, Quad s1) {
      scales[0] = pair(s0, s0);
      scales[1] = pair(s1, s1);
    }
  };
  struct ScalesAndT : Scales {
    Quad t;  // of both
    void set_t(Quad t0, Quad t1) { t = pair(t0, t1); }
    F times_t(const QuantizedBlock& x) const { return floats(dot(t, splat(x.starts[0]))); }
  };

  // out[r] = Σ q_w q_x over a run, exact, of R rows of activations. Products of codes of B bits are summed in 16 bits: as many as
  // 2 (2^B − 1) 127 allows, or where sums begin with what the offset takes away, as many as 2 · 2^(B − 1) · 127 allows.
  template <class Codes, class Panel, int64_t R>
  [[gnu::always_inline]] static void products(const Panel (&w)[1], const QuantizedBlock* x, int64_t stride, F (&out)[R][1]) {
    if constexpr (Codes::kKind == CodeKind::kSigned) {
      Wasm::products<Codes>(w, x, stride, out);
    } else {
      constexpr bool kStarts = Codes::kOffset > 0;
      constexpr int kQuads = pairs_together<Codes>();
      Quad sum[R];
#pragma unroll
      for (int first = 0; first < 8; first += kQuads) {
        Quad pairs[R];
#pragma unroll
        for (int j = first; j < first + kQuads; ++j) {
          const Quad quad = w[0].quads[j];
#pragma unroll
          for (int64_t r = 0; r < R; ++r) {
            const v128_t four = wasm_v128_load32_splat(x[r * stride].q + 4 * j);
            const v128_t low = wasm_i16x8_relaxed_dot_i8x16_i7x16(four, quad.low), high = wasm_i16x8_relaxed_dot_i8x16_i7x16(four, quad.high);
            if (j == first && kStarts) pairs[r] = splat(x[r * stride].starts[first / kQuads]);
            pairs[r].low = j == first && !kStarts ? low : wasm_i16x8_add(pairs[r].low, low);
            pairs[r].high = j == first && !kStarts ? high : wasm_i16x8_add(pairs[r].high, high);
          }
        }
#pragma unroll
        for (int64_t r = 0; r < R; ++r) {
          Quad sums;
          if constexpr (kInHalves<Codes>) {
            sums = dot(pairs[r], w[0].worth.scales[first / 4]);
          } else {
            sums = {wasm_i32x4_extadd_pairwise_i16x8(pairs[r].low), wasm_i32x4_extadd_pairwise_i16x8(pairs[r].high)};
          }
          sum[r] = first == 0 ? sums : plus(sum[r], sums);
        }
      }
#pragma unroll
      for (int64_t r = 0; r < R; ++r) out[r][0] = floats(sum[r]);
    }
  }

 private:
  // Integers of 16 bits, two to a lane.
  static Quad pair(Quad low, Quad high) {
    const auto of = [](v128_t a, v128_t b) { return wasm_i16x8_shuffle(a, b, 0, 8, 2, 10, 4, 12, 6, 14); };
    return {of(low.low, high.low), of(low.high, high.high)};
  }
  static Quad dot(Quad a, Quad b) { return {wasm_i32x4_dot_i16x8(a.low, b.low), wasm_i32x4_dot_i16x8(a.high, b.high)}; }
};

}  // namespace owlet::cpu
