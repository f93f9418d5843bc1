// NEON with the products of small matrices of Armv8.6, in 8 bits and in bfloat16 (Apple M2 and later, Graviton 3 and later): two lines by
// two, eight bytes or four numbers of each, in one instruction.
#pragma once

#include "kernels/cpu/neon/simd.h"

namespace owlet::cpu {

struct NeonMm : Neon {
  static constexpr const char* kName = "neonmm";

  // Vectors of 4 pairs of bfloat16, kept as if they were floats; dot_pairs adds two products to each of 4 sums.
  static constexpr bool kHasBF16 = true;
  static bfloat16x8_t pairs(F x) { return vreinterpretq_bf16_f32(x); }
  static F bf16_pairs(F first, F second) {  // (x0, x1) (x2, x3) …
    return vreinterpretq_f32_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(first), second));
  }
  static F bf16_zip(F even, F odd) {  // (even0, odd0) (even1, odd1) …
    const uint16x8_t a = vreinterpretq_u16_bf16(vcvtq_low_bf16_f32(even)), b = vreinterpretq_u16_bf16(vcvtq_low_bf16_f32(odd));
    return vreinterpretq_f32_u16(vzip1q_u16(a, b));
  }
  static F dot_pairs(F a, F b, F c) { return vbfdotq_f32(c, pairs(a), pairs(b)); }
  static F dot_pairs(Quad a, uint32_t b, F c) { return vbfdotq_f32(c, vreinterpretq_bf16_u8(a), vreinterpretq_bf16_u32(vdupq_n_u32(b))); }

  // sum[i][v] += Σ_d a(i, d) · b(d, v), over panels of pairs (gemm.h): R lines of a and two vectors of b to each d. Two d at a time make matrices
  // of two lines by four numbers; an odd last one stands beside zeros.
  template <int64_t R>
  static void multiply_pairs(const float* a, const float* b, int64_t depth, F (&sum)[R][2]) {
    static_assert(R % 4 == 0);
    F square[R / 2][4];  // lines 2i and 2i + 1 by columns 2j and 2j + 1
    for (auto& line : square) {
      for (F& s : line) s = zero();
    }
    for (int64_t d = 0; d < depth; d += 2, a += 2 * R, b += 4 * kLanes) {
      const bool two = d + 1 < depth;
      F columns[4];
      for (int64_t v = 0; v < 2; ++v) {
        const F b0 = load(b + v * kLanes), b1 = two ? load(b + (2 + v) * kLanes) : zero();
        columns[2 * v] = vzip1q_f32(b0, b1);
        columns[2 * v + 1] = vzip2q_f32(b0, b1);
      }
#pragma GCC unroll 4
      for (int64_t i = 0; i < R; i += kLanes) {
        const F a0 = load(a + i), a1 = two ? load(a + R + i) : zero();
        const F lines[2] = {vzip1q_f32(a0, a1), vzip2q_f32(a0, a1)};
#pragma GCC unroll 2
        for (int64_t h = 0; h < 2; ++h) {
#pragma GCC unroll 4
          for (int64_t j = 0; j < 4; ++j) {
            F& s = square[i / 2 + h][j];
            s = vbfmmlaq_f32(s, pairs(lines[h]), pairs(columns[j]));
          }
        }
      }
    }
    for (int64_t i = 0; i < R; i += 2) {
      for (int64_t v = 0; v < 2; ++v) {
        const float64x2_t left = vreinterpretq_f64_f32(square[i / 2][2 * v]), right = vreinterpretq_f64_f32(square[i / 2][2 * v + 1]);
        sum[i][v] = add(sum[i][v], vreinterpretq_f32_f64(vzip1q_f64(left, right)));
        sum[i + 1][v] = add(sum[i + 1][v], vreinterpretq_f32_f64(vzip2q_f64(left, right)));
      }
    }
  }

  // out[r] = Σ q_w q_x over a run, exact, of R rows of activations: outputs two by two with rows two by two.
  template <class Codes, class Panel, int64_t R>
  static void products(const Panel (&w)[1], const QuantizedBlock* x, int64_t stride, F (&out)[R][1]) {
    if constexpr (R % 2 != 0) {
      Neon::products<Codes>(w, x, stride, out);
    } else {
      int32x4_t square[R / 2][2], sum[R];  // [outputs 0 and 1 by rows r and r + 1, then outputs 2 and 3]
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) sum[r] = kInHalves<Codes> ? vdupq_n_s32(0) : start<Codes>(x[r * stride], 0);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        int8x16_t outputs[2][2];  // of eight codes: outputs 0 and 1, 2 and 3
        for (int eight = 0; eight < 2; ++eight) {
          const int32x4_t q0 = ints(w[0].quads[4 * half + 2 * eight]), q1 = ints(w[0].quads[4 * half + 2 * eight + 1]);
          outputs[eight][0] = vreinterpretq_s8_s32(vzip1q_s32(q0, q1));
          outputs[eight][1] = vreinterpretq_s8_s32(vzip2q_s32(q0, q1));
        }
#pragma GCC unroll 16
        for (int64_t r = 0; r < R; r += 2) {
          const int64x2_t x0 = vreinterpretq_s64_s8(vld1q_s8(x[r * stride].q + 16 * half));
          const int64x2_t x1 = vreinterpretq_s64_s8(vld1q_s8(x[(r + 1) * stride].q + 16 * half));
          const int8x16_t rows[2] = {vreinterpretq_s8_s64(vzip1q_s64(x0, x1)), vreinterpretq_s8_s64(vzip2q_s64(x0, x1))};
          int32x4_t (&of_two)[2] = square[r / 2];
          for (int h = 0; h < 2; ++h) {
            const int32x4_t before = half == 0 || kInHalves<Codes> ? vdupq_n_s32(0) : of_two[h];
            of_two[h] = vmmlaq_s32(vmmlaq_s32(before, outputs[0][h], rows[0]), outputs[1][h], rows[1]);
          }
          if (half == 0 && !kInHalves<Codes>) continue;
          const int32x4_t of_rows[2] = {vuzp1q_s32(of_two[0], of_two[1]), vuzp2q_s32(of_two[0], of_two[1])};
          for (int h = 0; h < 2; ++h) {
            if constexpr (kInHalves<Codes>) {
              sum[r + h] = vmlaq_s32(sum[r + h], vaddq_s32(of_rows[h], start<Codes>(x[(r + h) * stride], half)), w[0].worth.scales[half]);
            } else {
              sum[r + h] = vaddq_s32(sum[r + h], of_rows[h]);
            }
          }
        }
      }
      for (int64_t r = 0; r < R; ++r) out[r][0] = vcvtq_f32_s32(sum[r]);
    }
  }
};

}  // namespace owlet::cpu
