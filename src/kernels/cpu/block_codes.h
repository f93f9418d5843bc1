// Every format as the products see it: runs of 32 codes of one byte each, and what a code is worth; or of 32 numbers as they are.
//
//   kSigned   x = d · q            codes of eight bits with a sign
//   kOffset   x = d · (q − offset) unsigned codes of a few bits
//   kLeast    x = d · q + m        … with a least value
//   kHalves   x = d · s · q − m · t, s and t small integers of each sixteen numbers
//   kPairs    bfloat16, two to a quad: multiplied as they are, where the processor does that
//
// d and m are floats of a run; where a block has integer scales, of the block. Where the bits lie is told in quant/.
//
// kLanes rows are read at once. Their bytes are turned as they lie, so that a lane of four bytes belongs to a row, and the bits are
// taken apart then. `in` gives them so (block_rows.h). What an instruction set S offers for that, with `at(i)` the bytes of row i:
//
//   S::Quad                    four bytes of each row, lane by lane as in memory
//   S::turn16(at, quads)       16 bytes: quads[j] lane i holds bytes 4j … 4j + 3 of row i
//   S::words(at)               four bytes
//   S::bits(quad, shift, mask) (byte >> shift) & mask of each byte
//   S::join<n>(low, high)      low | high << n
//   S::look_up(table, quad)    table[byte], for bytes below 16
//   S::from_signed(quad)       codes with a sign as products take them: plus kSignedOffset
//   S::spread<J>(words)        16 or 0 in four bytes, for bits 4J … 4J + 3 of each row's word
//   S::byte_at(quad, k)        byte k of each row as an integer of 32 bits;  S::signed_byte_at;  S::plus(ints, n);  S::floats(ints)
#pragma once

#include <cstdint>

#include "quant/blocks.h"
#include "quant/uneven_steps.h"

namespace owlet::cpu {

enum class CodeKind : uint8_t { kSigned, kOffset, kLeast, kHalves, kPairs };

template <class In, class Field, class Quad>
[[gnu::always_inline]] inline void turn32(In& in, const Field& field, Quad* quads) {
  for (int half = 0; half < 2; ++half) {
    in.turn16([&](const auto& row) { return reinterpret_cast<const uint8_t*>(field(row)) + 16 * half; }, quads + 4 * half);
  }
}

// Of `bits` bits, where they are unsigned.
template <CodeKind kind, int bits, int offset = 0>
struct OneRun {
  static constexpr CodeKind kKind = kind;
  static constexpr int kBits = bits, kOffset = offset, kRuns = 1, kQuads = 8, kReadTwice = 0;
};
template <CodeKind kind, int bits, int offset = 0>
struct EightRuns {
  static constexpr CodeKind kKind = kind;
  static constexpr int kBits = bits, kOffset = offset, kRuns = 8, kQuads = 8, kReadTwice = 0;
};

// open(in) reads a block of each row; quad<J>(run) are then codes 4J … 4J + 3 of a run, scale(i) the integers s, of a
// run or of each half of one, and t_of(i) the integers t, which are taken away (kHalves without them: t is offset · s).
template <class Block, class S>
struct BlockCodes;

template <class S>
struct BlockCodes<BlockQ8_0, S> : OneRun<CodeKind::kSigned, 8> {
  typename S::Quad q[8];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    turn32(in, [&](const auto& row) { return row.q; }, q);
  }
  template <int J>
  typename S::Quad quad(int) const { return S::from_signed(q[J]); }
};

// Rows of bfloat16 where they lie.
struct BlockBF16 {
  uint16_t q[kBlock];
};
template <class S>
struct BlockCodes<BlockBF16, S> {
  static constexpr CodeKind kKind = CodeKind::kPairs;
  static constexpr int kRuns = 1, kQuads = 16, kReadTwice = 0;
  typename S::Quad q[16];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    for (int part = 0; part < 4; ++part) in.turn16([&](const auto& row) { return row.q + 8 * part; }, q + 4 * part);
  }
  template <int J>
  typename S::Quad quad(int) const { return q[J]; }
};

// 16 bytes of two nibbles a run, the low ones first.
template <class S>
struct Nibbles {
  typename S::Quad packed[4];
  template <class In, class Field>
  [[gnu::always_inline]] void open_at(In& in, const Field& field) { in.turn16(field, packed); }
  template <int J>
  typename S::Quad nibble() const { return S::bits(packed[J % 4], J / 4 * 4, 15); }
};

template <class S, class Block, CodeKind kind, int offset>
struct FourBits : OneRun<kind, 4, offset>, Nibbles<S> {
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    this->open_at(in, [&](const auto& row) { return row.q; });
  }
  template <int J>
  typename S::Quad quad(int) const { return this->template nibble<J>(); }
};
template <class S>
struct BlockCodes<BlockQ4_0, S> : FourBits<S, BlockQ4_0, CodeKind::kOffset, 8> {};
template <class S>
struct BlockCodes<BlockQ4_1, S> : FourBits<S, BlockQ4_1, CodeKind::kLeast, 0> {};

template <class S, class Block, CodeKind kind, int offset>
struct FiveBits : OneRun<kind, 5, offset>, Nibbles<S> {
  typename S::Quad high;
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    this->open_at(in, [&](const auto& row) { return row.q; });
    high = in.words([&](const auto& row) { return row.high; });
  }
  template <int J>
  typename S::Quad quad(int) const { return S::template join<0>(this->template nibble<J>(), S::template spread<J>(high)); }
};
template <class S>
struct BlockCodes<BlockQ5_0, S> : FiveBits<S, BlockQ5_0, CodeKind::kOffset, 16> {};
template <class S>
struct BlockCodes<BlockQ5_1, S> : FiveBits<S, BlockQ5_1, CodeKind::kLeast, 0> {};

template <class S>
struct BlockCodes<BlockIQ4_NL, S> : OneRun<CodeKind::kSigned, 8>, Nibbles<S> {
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    this->open_at(in, [&](const auto& row) { return row.q; });
  }
  template <int J>
  typename S::Quad quad(int) const { return S::from_signed(S::look_up(kUnevenSteps, this->template nibble<J>())); }
};

template <class S>
struct BlockCodes<BlockIQ4_XS, S> : EightRuns<CodeKind::kSigned, 8> {
  static constexpr int kReadTwice = 2;  // bytes of a block that two words have in common
  Nibbles<S> runs[8];
  typename S::Quad low, high;
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    for (int run = 0; run < 8; ++run) runs[run].open_at(in, [&](const auto& row) { return row.q + 16 * run; });
    low = in.words([&](const auto& row) { return row.scales_low; });
    high = in.words([&](const auto& row) { return reinterpret_cast<const uint8_t*>(&row.scales_high); });
  }
  template <int J>
  typename S::Quad quad(int run) const { return S::from_signed(S::look_up(kUnevenSteps, runs[run].template nibble<J>())); }
  typename S::Quad scale(int run) const {
    const auto four = S::bits(low, run % 2 * 4, 15), two = S::bits(high, run % 4 * 2, 3);
    return S::plus(S::template join<4>(S::byte_at(four, run / 2), S::byte_at(two, run / 4)), -32);
  }
};

// Q4_K and Q5_K: nibbles of two runs in 32 bytes, and eight pairs of six bits in three words (quant/k_scales.h), here four to a word.
template <class S, int bits>
struct PairsOfRuns : EightRuns<CodeKind::kLeast, bits> {
  typename S::Quad packed[4][8], s[2], t[2];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    for (int pair = 0; pair < 4; ++pair) turn32(in, [&](const auto& row) { return row.q + 32 * pair; }, packed[pair]);
    typename S::Quad w[3];
    for (int k = 0; k < 3; ++k) w[k] = in.words([&](const auto& row) { return row.scales + 4 * k; });
    s[0] = S::bits(w[0], 0, 63);
    t[0] = S::bits(w[1], 0, 63);
    s[1] = S::template join<4>(S::bits(w[2], 0, 15), S::bits(w[0], 6, 3));
    t[1] = S::template join<4>(S::bits(w[2], 4, 15), S::bits(w[1], 6, 3));
  }
  template <int J>
  typename S::Quad quad(int run) const { return S::bits(packed[run / 2][J], run % 2 * 4, 15); }
  typename S::Quad scale(int run) const { return S::byte_at(s[run / 4], run % 4); }
  typename S::Quad t_of(int run) const { return S::byte_at(t[run / 4], run % 4); }
};
template <class S>
struct BlockCodes<BlockQ4_K, S> : PairsOfRuns<S, 4> {};
template <class S>
struct BlockCodes<BlockQ5_K, S> : PairsOfRuns<S, 5> {
  typename S::Quad high[8];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    PairsOfRuns<S, 5>::open(in);
    turn32(in, [&](const auto& row) { return row.high; }, high);
  }
  template <int J>
  typename S::Quad quad(int run) const {
    return S::template join<4>(PairsOfRuns<S, 5>::template quad<J>(run), S::bits(high[J], run, 1));
  }
};

template <class S>
struct BlockCodes<BlockQ6_K, S> : EightRuns<CodeKind::kHalves, 6, 32> {
  typename S::Quad low[4][8], high[2][8], s[4];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    for (int k = 0; k < 4; ++k) turn32(in, [&](const auto& row) { return row.low + 32 * k; }, low[k]);
    for (int k = 0; k < 2; ++k) turn32(in, [&](const auto& row) { return row.high + 32 * k; }, high[k]);
    in.turn16([&](const auto& row) { return reinterpret_cast<const uint8_t*>(row.scales); }, s);
  }
  template <int J>
  typename S::Quad quad(int run) const {
    return S::template join<4>(S::bits(low[run / 4 * 2 + run % 2][J], run % 4 / 2 * 4, 15), S::bits(high[run / 4][J], run % 4 * 2, 3));
  }
  typename S::Quad scale(int half) const { return S::signed_byte_at(s[half / 4], half % 4); }
};

template <class S>
struct BlockCodes<BlockQ3_K, S> : EightRuns<CodeKind::kHalves, 3, 4> {
  typename S::Quad low[2][8], high[8], s[4];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    for (int k = 0; k < 2; ++k) turn32(in, [&](const auto& row) { return row.q + 32 * k; }, low[k]);
    turn32(in, [&](const auto& row) { return row.high; }, high);
    typename S::Quad w[3];
    for (int k = 0; k < 3; ++k) w[k] = in.words([&](const auto& row) { return row.scales + 4 * k; });
    for (int k = 0; k < 4; ++k) s[k] = S::template join<4>(S::bits(w[k % 2], k / 2 * 4, 15), S::bits(w[2], 2 * k, 3));
  }
  template <int J>
  typename S::Quad quad(int run) const {
    return S::template join<2>(S::bits(low[run / 4][J], run % 4 * 2, 3), S::bits(high[J], run, 1));
  }
  typename S::Quad scale(int half) const { return S::plus(S::byte_at(s[half / 4], half % 4), -32); }
};

template <class S>
struct BlockCodes<BlockQ2_K, S> : EightRuns<CodeKind::kHalves, 2> {
  typename S::Quad packed[2][8], s[4];
  template <class In>
  [[gnu::always_inline]] void open(In& in) {
    for (int k = 0; k < 2; ++k) turn32(in, [&](const auto& row) { return row.q + 32 * k; }, packed[k]);
    in.turn16([&](const auto& row) { return row.scales; }, s);
  }
  template <int J>
  typename S::Quad quad(int run) const { return S::bits(packed[run / 4][J], run % 4 * 2, 3); }
  typename S::Quad scale(int half) const { return S::byte_at(S::bits(s[half / 4], 0, 15), half % 4); }
  typename S::Quad t_of(int half) const { return S::byte_at(S::bits(s[half / 4], 4, 15), half % 4); }
};

}  // namespace owlet::cpu
