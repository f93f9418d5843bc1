// AVX2 with FMA and F16C: every x86 processor since about 2013.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/quantized_row.h"
#include "quant/blocks.h"

namespace owlet::cpu {

struct Avx2 {
  static constexpr const char* kName = "avx2";
  static constexpr int64_t kLanes = 8;
  static constexpr int64_t kGemmRows = 6;  // 12 of the 16 registers are sums
  static constexpr int64_t kSmallRows = 4;
  static constexpr bool kHasBF16 = false;
  using F = __m256;

  static F zero() { return _mm256_setzero_ps(); }
  static F set1(float x) { return _mm256_set1_ps(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static __m256i mask(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F load_partial(const float* p, int64_t n) { return _mm256_maskload_ps(p, mask(n)); }
  static void store_partial(float* p, F x, int64_t n) { _mm256_maskstore_ps(p, mask(n), x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F sqrt(F x) { return _mm256_sqrt_ps(x); }
  static F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F scale_by_power(F x, F k) {
    const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(power));
  }
  static float sum(F x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  static float largest(F x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

  static F interleave_low(F a, F b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
  }
  static F interleave_high(F a, F b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
  }
  static F round_to_bf16(F x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const F rounded = _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
    return _mm256_blendv_ps(rounded, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  }

  static F widen(__m128i x, HalfTag) { return _mm256_cvtph_ps(x); }
  static F widen(__m128i x, BFloatTag) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
  template <class Tag>
  static F load(const uint16_t* p, Tag tag) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), tag); }
  static F load(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static F set1(uint16_t x, HalfTag) { return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<int16_t>(x))); }
  static void store(uint16_t* p, F x, HalfTag) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
  template <class Tag>
  static F load_partial(const uint16_t* p, int64_t n, Tag tag) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded, tag);
  }
  // Packing leaves each half of a vector in its place: words of four codes come as 0, 2, 4, 6, 1, 3, 5, 7.
  static PairSums round_to_codes(const float* x, F inverse, int8_t* q) {
    const auto eight = [&](int i) {
      const F scaled = mul(load(x + 8 * i), inverse);
      const F fits = _mm256_cmp_ps(_mm256_andnot_ps(set1(-0.0f), scaled), set1(127.5f), _CMP_LT_OQ);
      return _mm256_cvtps_epi32(_mm256_and_ps(scaled, fits));
    };
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(eight(0), eight(1)), _mm256_packs_epi32(eight(2), eight(3)));
    const __m256i codes = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), codes);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
    pairs = _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0x4e));
    pairs = _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0xb1));
    const int32_t sums[2] = {_mm256_extract_epi32(pairs, 0), _mm256_extract_epi32(pairs, 4)};
    return std::bit_cast<PairSums>(sums);
  }

  // Block formats; see block_codes.h and code_panel.h.
  using Quad = __m256i;
  static constexpr int32_t kSignedOffset = 0;
  static constexpr bool kSumsPairs = true;
  // A vector of activations costs a load, which two groups of outputs share.
  static constexpr int64_t kProductRows = 4;
  static constexpr int64_t kProductGroups = 2;

  static __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  // Four vectors with a row in each 128-bit lane: out[j] gets the 32-bit columns j, in each lane four rows.
  [[gnu::always_inline]] static void turn_lanes(const __m256i* in, __m256i* out) {
    const __m256i low01 = _mm256_unpacklo_epi32(in[0], in[1]), low23 = _mm256_unpacklo_epi32(in[2], in[3]);
    const __m256i high01 = _mm256_unpackhi_epi32(in[0], in[1]), high23 = _mm256_unpackhi_epi32(in[2], in[3]);
    out[0] = _mm256_unpacklo_epi64(low01, low23);
    out[1] = _mm256_unpackhi_epi64(low01, low23);
    out[2] = _mm256_unpacklo_epi64(high01, high23);
    out[3] = _mm256_unpackhi_epi64(high01, high23);
  }
  template <class At>
  [[gnu::always_inline]] static void turn16(const At& at, Quad* quads) {
    __m256i pairs[4];
    for (int i = 0; i < 4; ++i) pairs[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(at(i))), load16(at(i + 4)), 1);
    turn_lanes(pairs, quads);
  }
  template <class At>
  [[gnu::always_inline]] static Quad words(const At& at) {
    int32_t word[8];
    for (int i = 0; i < 8; ++i) std::memcpy(&word[i], at(i), 4);
    return load32(word);
  }
  static Quad bits(Quad x, int shift, int mask) {
    return _mm256_and_si256(_mm256_srl_epi16(x, _mm_cvtsi32_si128(shift)), _mm256_set1_epi8(static_cast<char>(mask)));
  }
  template <int kShift>
  static Quad join(Quad low, Quad high) { return _mm256_or_si256(low, _mm256_slli_epi16(high, kShift)); }
  static Quad look_up(const int8_t (&table)[16], Quad x) { return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(table)), x); }
  static Quad from_signed(Quad codes) { return codes; }
  template <int J>
  static Quad spread(Quad words) {
    constexpr int b = J / 2;
    const __m256i its_byte = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(b, b, b, b, b + 4, b + 4, b + 4, b + 4, b + 8, b + 8, b + 8, b + 8, b + 12, b + 12, b + 12, b + 12));
    const __m256i its_bit = _mm256_set1_epi32(J % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010));
    const __m256i set = _mm256_and_si256(_mm256_shuffle_epi8(words, its_byte), its_bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(set, its_bit), _mm256_set1_epi8(16));
  }
  static Quad byte_at(Quad x, int k) {
    return _mm256_and_si256(_mm256_srl_epi32(x, _mm_cvtsi32_si128(8 * k)), _mm256_set1_epi32(255));
  }
  static Quad signed_byte_at(Quad x, int k) { return _mm256_srai_epi32(_mm256_sll_epi32(x, _mm_cvtsi32_si128(24 - 8 * k)), 24); }
  static Quad plus(Quad ints, int n) { return _mm256_add_epi32(ints, _mm256_set1_epi32(n)); }
  static F floats(Quad ints) { return _mm256_cvtepi32_ps(ints); }

  // Of runs whose sixteens are worth different scales.
  struct Scales {
    __m256i scales[2];  // s of both, twice in each lane
    void set_scales(Quad s0, Quad s1) {
      scales[0] = pair(s0, s0);
      scales[1] = pair(s1, s1);
    }
    static __m256i pair(__m256i low, __m256i high) { return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa); }
  };
  struct ScalesAndT : Scales {
    __m256i t;  // of both
    void set_t(Quad t0, Quad t1) { t = pair(t0, t1); }
    F times_t(const QuantizedBlock& x) const { return _mm256_cvtepi32_ps(_mm256_madd_epi16(t, _mm256_set1_epi32(x.starts[0]))); }
  };

  // out[r][g] = Σ q_w q_x over a run, exact, of R rows of activations and G groups of weights. Products of unsigned codes by signed ones
  // are summed in 16 bits; those of eight bits by eight are |w| · (x with w's sign), two of which stay below 2 · 128 · 127.
  template <class Codes, class Panel, int64_t R, int64_t G>
  [[gnu::always_inline]] static void products(const Panel (&w)[G], const QuantizedBlock* x, int64_t stride, F (&out)[R][G]) {
    constexpr bool kSigned = Codes::kKind == CodeKind::kSigned, kStarts = !kSigned && Codes::kOffset > 0;
    constexpr int kQuads = kSigned ? 1 : pairs_together<Codes>();
    __m256i pairs[R][G], sum[R][G];
#pragma GCC unroll 16
    for (int j = 0; j < 8; ++j) {
      __m256i quads[G];
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g) now(quads[g] = w[g].quads[j]);
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
        const QuantizedBlock& block = x[r * stride];
        const __m256i four = four_of(block, j);
        __m256i twos[G];
#pragma GCC unroll 4
        for (int64_t g = 0; g < G; ++g) {
          twos[g] = kSigned ? _mm256_maddubs_epi16(_mm256_abs_epi8(quads[g]), _mm256_sign_epi8(four, quads[g])) : _mm256_maddubs_epi16(quads[g], four);
        }
        static_assert(G <= 2);
        if constexpr (!kSigned && G == 2) now(twos[0], twos[1]);
#pragma GCC unroll 4
        for (int64_t g = 0; g < G; ++g) {
          if (j % kQuads != 0) {
            pairs[r][g] = _mm256_add_epi16(pairs[r][g], twos[g]);
          } else {
            pairs[r][g] = kStarts ? _mm256_add_epi16(twos[g], _mm256_set1_epi32(block.starts[j / kQuads])) : twos[g];
          }
          if constexpr (!kSigned) now(pairs[r][g]);
          if ((j + 1) % kQuads != 0) continue;
          __m256i weight = _mm256_set1_epi16(1);
          if constexpr (kInHalves<Codes>) weight = w[g].worth.scales[j / 4];
          const __m256i four_sums = _mm256_madd_epi16(pairs[r][g], weight);
          sum[r][g] = j + 1 == kQuads ? four_sums : _mm256_add_epi32(sum[r][g], four_sums);
          if constexpr (kSigned) now(sum[r][g]);
        }
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g) {
        if constexpr (!kSigned) now(sum[r][g]);
        out[r][g] = _mm256_cvtepi32_ps(sum[r][g]);
      }
    }
  }
  // It is in its register here and now: compilers put additions off, and run out of registers; or load weights anew for each row.
  [[gnu::always_inline]] static void now(__m256i& x) { asm volatile("" : "+x"(x)); }
  [[gnu::always_inline]] static void now(__m256i& x, __m256i& y) { asm volatile("" : "+x"(x), "+x"(y)); }
  static __m256i four_of(const QuantizedBlock& x, int j) {
    int32_t four;
    std::memcpy(&four, x.q + 4 * j, 4);
    return _mm256_set1_epi32(four);
  }
};

}  // namespace owlet::cpu
