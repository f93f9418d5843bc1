// A run of 32 codes of kLanes rows of W, turned so that a lane belongs to a row, and how its products with activations are summed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

#include "kernels/cpu/block_rows.h"

namespace owlet::cpu {

// Whether something is added to the codes of a run that their sums do not begin with.
template <class Codes>
inline constexpr bool kHasLeast = Codes::kKind == CodeKind::kLeast || (kInHalves<Codes> && Codes::kOffset == 0);

// What the codes of a run are worth.
template <class S, class Codes>
struct RunWorth {
  typename S::F scale;  // d, or d · s
};
template <class S, class Codes>
  requires(Codes::kKind == CodeKind::kLeast)
struct RunWorth<S, Codes> {
  typename S::F scale;
  typename S::F least;  // m, or −m · t
};
template <class S, class Codes>
  requires(kInHalves<Codes> && !kHasLeast<Codes>)
struct RunWorth<S, Codes> : S::Scales {
  typename S::F scale;
};
template <class S, class Codes>
  requires(kInHalves<Codes> && kHasLeast<Codes>)
struct RunWorth<S, Codes> : S::ScalesAndT {
  typename S::F scale;
  typename S::F least;  // what t is worth
};
template <class S, class Codes>
  requires(Codes::kKind == CodeKind::kPairs)
struct RunWorth<S, Codes> {};

// A run of the rows that make kLanes outputs.
template <class S, class Codes>
struct Panel {
  typename S::Quad quads[Codes::kQuads];
  [[no_unique_address]] RunWorth<S, Codes> worth;
};

// Memory that will be read soon, asked for a few lines at a time while something else is computed.
struct Upcoming {
  uintptr_t next, end;
  uintptr_t step;  // bytes at a time
  void stop_at_end() { step = next < end ? step : 0; }  // now and then: the loops that fetch have no time to look
  [[gnu::always_inline]] void fetch() {
    for (const uintptr_t until = next + step; next < until; next += 64) __builtin_prefetch(reinterpret_cast<const void*>(next), 0, 2);
  }
};

// A block of kLanes rows of W, read.
template <class S, class Block>
class OpenBlock {
 public:
  using Codes = BlockCodes<Block, S>;

  // The next that `rows` come to (block_rows.h).
  template <class Rows>
  [[gnu::always_inline]] explicit OpenBlock(Rows& rows) {
    codes_.open(rows);
    if constexpr (kHasD) d_ = rows.halves([](const Block& row) { return row.d; });
    if constexpr (kHasM) m_ = rows.halves([](const Block& row) { return row.m; });
  }

  [[gnu::always_inline]] Panel<S, Codes> run(int run) const {
    return [&]<int... J>(std::integer_sequence<int, J...>) {
      return Panel<S, Codes>{{codes_.template quad<J>(run)...}, worth(run)};
    }(std::make_integer_sequence<int, Codes::kQuads>{});
  }

 private:
  static constexpr bool kHasD = requires(Block b) { b.d; }, kHasM = requires(Block b) { b.m; };

  [[gnu::always_inline]] RunWorth<S, Codes> worth(int run) const {
    RunWorth<S, Codes> out;
    if constexpr (kHasD) out.scale = d_;
    if constexpr (kInHalves<Codes>) {
      out.set_scales(codes_.scale(2 * run), codes_.scale(2 * run + 1));
      if constexpr (kHasM) {
        out.set_t(codes_.t_of(2 * run), codes_.t_of(2 * run + 1));
        out.least = S::sub(S::zero(), m_);
      }
    } else if constexpr (Codes::kRuns > 1) {
      out.scale = S::mul(d_, S::floats(codes_.scale(run)));
      if constexpr (kHasM) out.least = S::sub(S::zero(), S::mul(m_, S::floats(codes_.t_of(run))));
    } else if constexpr (kHasM) {
      out.least = m_;
    }
    return out;
  }

  Codes codes_;
  typename S::F d_, m_;
};

// The rows of W that make kLanes outputs, which come in one of the ways of block_rows.h. Opening all blocks with a BlockTurner turns them.
template <class S, class Block, class Rows = LyingRows<S, Block>>
class RowGroup {
 public:
  using Codes = BlockCodes<Block, S>;
  static constexpr int64_t kLanes = S::kLanes;

  // `first` of [rows, blocks], and what else `Rows` are made of.
  template <class... More>
  RowGroup(const void* w, int64_t rows, int64_t first, int64_t blocks, More... more)
      : rows_(w, rows, first, blocks, more...), group_(reinterpret_cast<uintptr_t>(w) + static_cast<uintptr_t>(first * blocks * Rows::kBlockBytes)) {}

  [[gnu::always_inline]] OpenBlock<S, Block> open(int64_t b) {
    rows_.open(b);
    return OpenBlock<S, Block>(rows_);
  }

  // While run i of all of a group's is read for R rows, as many bytes of what lies further on are on their way. No address behind the last group
  // can fault.
  template <int64_t R>
  [[gnu::always_inline]] void fetch_ahead(int64_t i) const {
    constexpr int64_t kBytes = (kLanes * Rows::kBlockBytes + Codes::kRuns - 1) / Codes::kRuns;
    constexpr bool kClose = R == 1 && kInBursts;
    fetch<kClose ? kNear : kFar, kClose ? 3 : 2>(i * kBytes, kBytes);
  }
  // What lies before that is for who begins with this group.
  void fetch_first() const { fetch<0, 2>(0, kFar); }
  // `runs` runs from run i on, in so many steps, for who reads many at once and then multiplies.
  Upcoming upcoming(int64_t i, int64_t runs, int64_t steps) const {
    constexpr int64_t kBytes = kLanes * Rows::kBlockBytes;
    const uintptr_t begin = group_ + static_cast<uintptr_t>(kFar + i * kBytes / Codes::kRuns);
    const int64_t bytes = runs * kBytes / Codes::kRuns, lines = (bytes + 63) / 64;
    return {begin, begin + static_cast<uintptr_t>(bytes), static_cast<uintptr_t>((lines + steps - 1) / steps * 64)};
  }

 private:
  // A group's rows lie in one piece and so do the groups, but processors do not guess streams as many as rows. One stream they do guess: where
  // nothing but its lines is waited for, many at once, these want to lie in the first cache.
  static constexpr int64_t kFar = 32 << 10, kNear = 3 << 10;
  static constexpr bool kInBursts = Rows::kTurned && kLanes * Rows::kBlockBytes >= 512;

  template <int64_t kAhead, int kCloseness>
  [[gnu::always_inline]] void fetch(int64_t from, int64_t bytes) const {
    constexpr int64_t kLine = 64;
    const uintptr_t address = group_ + static_cast<uintptr_t>(kAhead + from);
#pragma GCC unroll 16
    for (int64_t i = 0; i < bytes; i += kLine) __builtin_prefetch(reinterpret_cast<const void*>(address + static_cast<uintptr_t>(i)), 0, kCloseness);
  }

  Rows rows_;
  uintptr_t group_;
};

// sums[r][g] += the products of a run of G groups' weights with R rows of activations, `stride` blocks from one to the next: pair by pair of
// bfloat16 …
template <class S, class Codes, int64_t R, int64_t G>
[[gnu::always_inline]] inline void add_products(const Panel<S, Codes> (&w)[G], const BF16Block* x, int64_t stride, typename S::F (&sums)[R][G]) {
#pragma GCC unroll 16
  for (int j = 0; j < Codes::kQuads; ++j) {
#pragma GCC unroll 16
    for (int64_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int64_t g = 0; g < G; ++g) sums[r][g] = S::dot_pairs(w[g].quads[j], x[r * stride].pairs[j], sums[r][g]);
    }
  }
}

// … or all products of codes at once, and what they are worth: but for the activations' scale, where a block's runs share it.
template <class S, class Codes, int64_t R, int64_t G>
[[gnu::always_inline]] inline void add_products(const Panel<S, Codes> (&w)[G], const QuantizedBlock* x, int64_t stride, typename S::F (&sums)[R][G]) {
  typename S::F products[R][G];
  S::template products<Codes>(w, x, stride, products);
#pragma GCC unroll 16
  for (int64_t r = 0; r < R; ++r) {
    const QuantizedBlock& block = x[r * stride];
    const typename S::F d = S::set1(block.d);
#pragma GCC unroll 4
    for (int64_t g = 0; g < G; ++g) {
      const auto& worth = w[g].worth;
      typename S::F& sum = sums[r][g];
      sum = S::fma(kRunsPerScale<Codes> > 1 ? worth.scale : S::mul(worth.scale, d), products[r][g], sum);
      if constexpr (Codes::kKind == CodeKind::kLeast) sum = S::fma(worth.least, S::set1(block.sum), sum);
      if constexpr (kInHalves<Codes> && kHasLeast<Codes>) sum = S::fma(S::mul(worth.least, d), worth.times_t(block), sum);
    }
  }
}

// Sums of some runs: where these share their activations' scale, each block's apart.
template <class S, class Codes, int64_t R, int64_t G>
class BlockSums {
 public:
  using Sums = typename S::F[R][G];
  [[gnu::always_inline]] explicit BlockSums(Sums& sums) : sums_(sums) {
    if constexpr (kShares) {
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
        for (int64_t g = 0; g < G; ++g) worths_[r][g] = S::zero();
      }
    }
  }
  // Of a run, and of R rows of activations, `stride` blocks from one row to the next.
  template <class Activations>
  [[gnu::always_inline]] void add(const Panel<S, Codes> (&w)[G], const Activations* x, int64_t stride) {
    if constexpr (kShares) add_products<S, Codes>(w, x, stride, worths_);
    else add_products<S, Codes>(w, x, stride, sums_);
  }
  // When a block's runs have been added; x of one of them.
  template <class Activations>
  [[gnu::always_inline]] void end(const Activations* x, int64_t stride) {
    if constexpr (kShares) {
#pragma GCC unroll 16
      for (int64_t r = 0; r < R; ++r) {
        const typename S::F d = S::set1(x[r * stride].d);
        for (int64_t g = 0; g < G; ++g) sums_[r][g] = S::fma(d, worths_[r][g], sums_[r][g]);
      }
    }
  }

 private:
  static constexpr bool kShares = kRunsPerScale<Codes> > 1;
  struct None {};
  Sums& sums_;
  [[no_unique_address]] std::conditional_t<kShares, Sums, None> worths_;
};

}  // namespace owlet::cpu
