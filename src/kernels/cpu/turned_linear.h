// y = x · Wᵀ for weights in blocks of codes, or in bfloat16 where the processor multiplies that. Activations are quantized (or rounded)
// once; a group of kLanes outputs is one vector, and some groups pass by the rows together:
//
//   for each run of 32 along the input: sum = fma(d_w · d_x, Σ q_w q_x, sum), the inner sum in exact integers
//
// and what the least values add (or pair by pair of bfloat16), always in this order, so a row of y is bitwise the same alone, in any batch,
// on any number of threads. The codes of a group are turned so that a lane belongs to an output: one row uses them at once; for more rows
// a part of the group's runs is turned, which stays in the first cache while tiles of rows pass by, each with its sums so far.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/cpu/code_panel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/workers.h"
#include "kernels/ops.h"

namespace owlet::cpu {

template <class S>
class TurnedLinear {
 public:
  explicit TurnedLinear(ThreadPool& pool) : pool_(pool) {}

  // Products of x: [N, I] with weights [O, I] in blocks of one type; with bfloat16 of I a multiple of kBlock, if S::kHasBF16.
  void run(std::span<const Ops::Product> products, Into into, TensorView x) {
    with_block(products.front().weight_OI.dtype, [&]<class Block>() { product<Block>(products, into, x); });
  }

  // Weights that lie turned in memory are read in one stream and need not be turned for every product. Of [O, I], whose rows lie one behind
  // the other: the bytes that they take so, and what turns them.
  static int64_t turned_bytes(TensorView w) {
    int64_t bytes = 0;
    with_block(w.dtype, [&]<class Block>() { bytes = TurnedRows<S, Block>::bytes(w.rows(), blocks_of<Block>(w)); });
    return bytes;
  }
  void turn(void* to, TensorView w) {
    with_block(w.dtype, [&]<class Block>() {
      pool_.parallel_for((w.rows() + kLanes - 1) / kLanes, 1, [&](int64_t begin, int64_t end) {
        for (int64_t g = begin; g < end; ++g) {
          RowGroup<S, Block, BlockTurner<S, Block>> group(w.data, w.rows(), g * kLanes, blocks_of<Block>(w), to);
          for (int64_t b = 0; b < blocks_of<Block>(w); ++b) group.open(b);
        }
      });
    });
  }

 private:
  using F = typename S::F;
  static constexpr int64_t kLanes = S::kLanes;
  static constexpr int64_t kRows = S::kProductRows, kGroups = S::kProductGroups;  // of a tile
  static constexpr int64_t kWidth = kGroups * kLanes;
  // Runs that are turned at once, in whole blocks.
  template <class Codes>
  static constexpr int64_t kPart = (20 << 10) / (kGroups * sizeof(Panel<S, Codes>)) / Codes::kRuns * Codes::kRuns;

  // Whether there are registers for a whole tile beside what turns a run.
  template <class Rows>
  static constexpr bool kAsRead = Rows::kTurned && requires { requires S::kTilesAsRead; };
  template <class Rows>
  static constexpr int64_t kFewRows = kAsRead<Rows> ? kRows : 1;

  template <class Block, class Rows>
  using Groups = std::array<RowGroup<S, Block, Rows>, kGroups>;

  // Activations as the products pass over them: part by part, of each all tiles of kRows rows, the last one of what is left, and of a tile
  // a run of all rows, then the next.
  template <class Codes>
  struct Activations {
    ActivationsOf<Codes>* blocks;
    int64_t rows, runs;
    int64_t height(int64_t row) const { return std::min(kRows, rows - row); }      // of the tile that begins with this row
    int64_t part(int64_t run) const { return std::min(kPart<Codes>, runs - run); }  // runs of the part that begins with this run
    ActivationsOf<Codes>* at(int64_t row, int64_t run) const { return blocks + run * rows + row * part(run); }
  };

  struct Target {
    float* y;
    int64_t stride;
    int64_t outputs;  // of these groups
    bool add;
    Target rows_from(int64_t r) const { return {y + r * stride, stride, outputs, add}; }
    Target group(int64_t g) const { return {y + g * kLanes, stride, outputs - g * kLanes, add}; }
  };

  template <class Visit>
  static void with_block(DType dtype, const Visit& visit) {
    switch (dtype) {
      case DType::kQ8_0: return visit.template operator()<BlockQ8_0>();
      case DType::kQ4_0: return visit.template operator()<BlockQ4_0>();
      case DType::kQ4_1: return visit.template operator()<BlockQ4_1>();
      case DType::kQ5_0: return visit.template operator()<BlockQ5_0>();
      case DType::kQ5_1: return visit.template operator()<BlockQ5_1>();
      case DType::kIQ4_NL: return visit.template operator()<BlockIQ4_NL>();
      case DType::kIQ4_XS: return visit.template operator()<BlockIQ4_XS>();
      case DType::kQ2_K: return visit.template operator()<BlockQ2_K>();
      case DType::kQ3_K: return visit.template operator()<BlockQ3_K>();
      case DType::kQ4_K: return visit.template operator()<BlockQ4_K>();
      case DType::kQ5_K: return visit.template operator()<BlockQ5_K>();
      case DType::kQ6_K: return visit.template operator()<BlockQ6_K>();
      case DType::kBF16:
        if constexpr (S::kHasBF16) return visit.template operator()<BlockBF16>();
        [[fallthrough]];
      default: OWLET_CHECK(false, "[linear] {} is not turned", to_string(dtype));
    }
  }
  template <class Block>
  static int64_t blocks_of(TensorView w) { return w.cols() / (kBlock * BlockCodes<Block, S>::kRuns); }

  template <class Block>
  void product(std::span<const Ops::Product> products, Into into, TensorView x) {
    const auto activations = encode<BlockCodes<Block, S>>(x);
    if (activations.rows == 0) return;
    int64_t bundles = 0;
    for (const Ops::Product& p : products) bundles += bundles_of(p);
    const int threads = threads_for(pool_, x.rows() * bundles * kWidth * x.cols());
    float* sums = sums_.get<float>(threads * x.rows() * kWidth);
    parts_.run(pool_, threads, bundles, Bundles<Block>{products, into, activations, sums});
  }

  // kGroups groups each, of all products, one after the other.
  template <class Block>
  struct Bundles {
    std::span<const Ops::Product> products;
    Into into;
    const Activations<BlockCodes<Block, S>>& x;
    float* sums;  // of each thread, the vectors of each row

    void begin(int64_t part) const {
      const Place at = find(part);
      with_rows(at.p, [&]<class Rows>() { group<Rows>(at.p, at.bundle * kGroups).fetch_first(); });
    }
    void operator()(int thread, int64_t part) const {
      const Place at = find(part);
      const int64_t outputs = at.p.weight_OI.rows(), first = at.bundle * kWidth;
      const Target to{at.p.out_NO.f32() + first, outputs, std::min(kWidth, outputs - first), into == Into::kAdd};
      with_rows(at.p, [&]<class Rows>() {
        if (x.rows > kFewRows<Rows>) {
          return many_rows<Block, Rows>(groups<Rows>(at.p, at.bundle, std::make_index_sequence<kGroups>{}), x, sums + thread * x.rows * kWidth, to);
        }
        for (int64_t g = 0; g * kLanes < to.outputs; ++g) few_rows<kFewRows<Rows>>(group<Rows>(at.p, at.bundle * kGroups + g), x, to.group(g));
      });
    }

   private:
    struct Place {
      const Ops::Product& p;
      int64_t bundle;
    };
    Place find(int64_t bundle) const {
      const Ops::Product* p = products.data();
      for (; bundle >= bundles_of(*p); ++p) bundle -= bundles_of(*p);
      return {*p, bundle};
    }
    template <class Visit>
    static void with_rows(const Ops::Product& p, const Visit& visit) {
      p.weight_OI.group == kLanes ? visit.template operator()<TurnedRows<S, Block>>() : visit.template operator()<LyingRows<S, Block>>();
    }
    template <class Rows, size_t... G>
    Groups<Block, Rows> groups(const Ops::Product& p, int64_t bundle, std::index_sequence<G...>) const {
      return {group<Rows>(p, bundle * kGroups + static_cast<int64_t>(G))...};
    }
    // Behind the last group comes the last group again.
    template <class Rows>
    RowGroup<S, Block, Rows> group(const Ops::Product& p, int64_t g) const {
      const int64_t last = (p.weight_OI.rows() - 1) / kLanes;
      return {p.weight_OI.data, p.weight_OI.rows(), std::min(g, last) * kLanes, x.runs / BlockCodes<Block, S>::kRuns};
    }
  };

  template <class Codes>
  Activations<Codes> encode(TensorView x) {
    const int64_t runs = x.cols() / kBlock;
    auto* blocks = x_.get<ActivationsOf<Codes>>(x.rows() * runs + kRows);
    const Activations<Codes> out{blocks, x.rows(), runs};
    pool_.parallel_for((x.rows() + kRows - 1) / kRows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin * kRows; first < std::min(end * kRows, x.rows()); first += kRows) {
        const int64_t height = out.height(first);
        for (int64_t r = 0; r < height; ++r) {
          const float* row = x.f32() + (first + r) * x.cols();
          for (int64_t run = 0; run < runs; run += kPart<Codes>) encode_row<Codes>(row + run * kBlock, out.at(first, run) + r, height, out.part(run));
        }
      }
    });
    return out;
  }
  template <class Codes>
  static void encode_row(const float* x, ActivationsOf<Codes>* out, int64_t stride, int64_t runs) {
    if constexpr (Codes::kKind == CodeKind::kPairs) {
      round_activations<S>(x, out, stride, runs);
    } else {
      quantize_activations<S, kRunsPerScale<Codes>>(x, out, stride, runs, Codes::kKind, Codes::kKind == CodeKind::kSigned ? S::kSignedOffset : Codes::kOffset);
    }
  }
  static int64_t bundles_of(const Ops::Product& p) { return (p.weight_OI.rows() + kWidth - 1) / kWidth; }

  // Runs of a group as they are read, from run `first` on, and R rows that use them at once, `stride` blocks from a run to the next. `visit` gets
  // each, with its number.
  template <int64_t R, class Block, class Rows, class Visit>
  [[gnu::always_inline]] static void as_read(RowGroup<S, Block, Rows>& group, int64_t first, int64_t runs, const ActivationsOf<BlockCodes<Block, S>>* x,
                                             int64_t stride, F (&sums)[R][1], const Visit& visit) {
    using Codes = BlockCodes<Block, S>;
    for (int64_t i = 0; i < runs; i += Codes::kRuns) {
      OpenBlock<S, Block> block = group.open((first + i) / Codes::kRuns);
      // One row waits for memory, and lines of a large block come sooner if all are asked for at once, as for a copy.
      if constexpr (R == 1 && Codes::kRuns > 1) asm("" : "+m"(block));
      BlockSums<S, Codes, R, 1> of_block(sums);
#pragma GCC unroll 8
      for (int run = 0; run < Codes::kRuns; ++run, x += stride) {
        const Panel<S, Codes> panel[1] = {block.run(run)};
        visit(panel, i + run);
        of_block.add(panel, x, 1);
      }
      of_block.end(x - stride, 1);
    }
  }

  // At most R rows, and the weights as they are read. Behind the last row comes what is not written.
  template <int64_t R, class Block, class Rows>
  [[gnu::noinline]] static void few_rows(RowGroup<S, Block, Rows> group, const Activations<BlockCodes<Block, S>>& x, const Target& to) {
    if constexpr (R > 1) {
      if (x.rows <= R / 2) return few_rows<R / 2>(group, x, to);
    }
    F sums[R][1];
    for (int64_t r = 0; r < R; ++r) sums[r][0] = S::zero();
    as_read(group, 0, x.runs, x.blocks, x.rows, sums, [&](const auto&, int64_t run) { group.template fetch_ahead<R>(run); });
    write(sums, x.rows, to);
  }

  template <class Block, class Rows>
  [[gnu::noinline]] static void many_rows(Groups<Block, Rows> groups, const Activations<BlockCodes<Block, S>>& x, float* sums, const Target& to) {
    using Codes = BlockCodes<Block, S>;
    static_assert(kPart<Codes> > 0);
    Panel<S, Codes> panels[kPart<Codes>][kGroups];
    for (int64_t first = 0; first < x.runs; first += kPart<Codes>) {
      const int64_t runs = x.part(first);
      Upcoming upcoming = groups[0].upcoming(kGroups * first, kGroups * runs, runs * ((x.rows + kRows - 1) / kRows));
      const auto part = [&](int64_t r) { return Part<Codes>{panels, x.at(r, first), runs, x.height(r), first == 0, first + runs == x.runs, upcoming}; };
      int64_t r = 0;
      if constexpr (kAsRead<Rows>) {
        first_tile(groups[0], first, part(0), panels, sums, to);
        r = kRows;
      } else {
        for (int64_t run = 0; run < runs; run += Codes::kRuns) turn_block<Block>(groups, (first + run) / Codes::kRuns, panels + run);
      }
      for (; r < x.rows; r += kRows) {
        upcoming.stop_at_end();
        tiles<kRows>(part(r), x.height(r), sums + r * kWidth, to.rows_from(r));
      }
    }
  }
  template <class Block, class Rows, class Panels>
  [[gnu::always_inline]] static void turn_block(Groups<Block, Rows>& groups, int64_t block, Panels* panels) {
    for (int64_t g = 0; g < kGroups; ++g) {
      const OpenBlock<S, Block> open = groups[static_cast<size_t>(g)].open(block);
#pragma GCC unroll 8
      for (int run = 0; run < BlockCodes<Block, S>::kRuns; ++run) panels[run][g] = open.run(run);
    }
  }

  // Some runs of a tile, the first and the last of the product's among them or not; `stride` blocks from a run to the next.
  template <class Codes>
  struct Part {
    const Panel<S, Codes> (*panels)[kGroups];
    const ActivationsOf<Codes>* x;
    int64_t runs, stride;
    bool first, last;
    Upcoming& upcoming;
  };
  // R rows if there are as many, then halves of them.
  template <int64_t R, class Codes>
  static void tiles(Part<Codes> part, int64_t rows, float* kept, const Target& to) {
    int64_t r = 0;
    for (; r + R <= rows; r += R, part.x += R) tile<R>(part, kept + r * kWidth, to.rows_from(r));
    if constexpr (R > 1) {
      if (r < rows) tiles<R / 2>(part, rows - r, kept + r * kWidth, to.rows_from(r));
    }
  }
  template <int64_t R, class Codes>
  [[gnu::noinline]] static void tile(const Part<Codes>& part, float* kept, const Target& to) {
    F sums[R][kGroups];
    begin(part, kept, sums);
    const ActivationsOf<Codes>* x = part.x;
    Upcoming upcoming = part.upcoming;
    for (int64_t first = 0; first < part.runs; first += kRunsPerScale<Codes>) {
      BlockSums<S, Codes, R, kGroups> of_block(sums);
#pragma GCC unroll 8
      for (int64_t run = first; run < first + kRunsPerScale<Codes>; ++run, x += part.stride) {
        upcoming.fetch();
        of_block.add(part.panels[run], x, 1);
      }
      of_block.end(x - part.stride, 1);
    }
    part.upcoming = upcoming;
    end(part, kept, sums, to);
  }
  // The first of many, as a group's weights are read: they are turned for the other tiles meanwhile.
  template <class Block, class Rows>
  [[gnu::noinline]] static void first_tile(RowGroup<S, Block, Rows>& group, int64_t first, const Part<BlockCodes<Block, S>>& part,
                                           Panel<S, BlockCodes<Block, S>> (*panels)[1], float* kept, const Target& to) {
    F sums[kRows][1];
    begin(part, kept, sums);
    Upcoming upcoming = part.upcoming;
    RowGroup<S, Block, Rows> rows = group;
    as_read(rows, first, part.runs, part.x, part.stride, sums, [&](const auto& panel, int64_t run) {
      upcoming.fetch();
      panels[run][0] = panel[0];
    });
    group = rows;
    part.upcoming = upcoming;
    end(part, kept, sums, to);
  }
  template <class Codes, int64_t R>
  [[gnu::always_inline]] static void begin(const Part<Codes>& part, const float* kept, F (&sums)[R][kGroups]) {
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t g = 0; g < kGroups; ++g) sums[r][g] = part.first ? S::zero() : S::load(kept + r * kWidth + g * kLanes);
    }
  }
  template <class Codes, int64_t R>
  [[gnu::always_inline]] static void end(const Part<Codes>& part, float* kept, F (&sums)[R][kGroups], const Target& to) {
    if (part.last) return write(sums, R, to);
    for (int64_t r = 0; r < R; ++r) {
      for (int64_t g = 0; g < kGroups; ++g) S::store(kept + r * kWidth + g * kLanes, sums[r][g]);
    }
  }

  template <int64_t R, int64_t G>
  [[gnu::always_inline]] static void write(F (&sums)[R][G], int64_t rows, const Target& to) {
    for (int64_t g = 0; g < G; ++g) {
      const Target target = to.group(g);
      if (target.outputs <= 0) return;
      for (int64_t r = 0; r < R; ++r) {
        if (r >= rows) break;
        float* y = target.y + r * target.stride;
        if (target.add) sums[r][g] = S::add(load_up_to<S>(y, target.outputs), sums[r][g]);
        store_up_to<S>(y, sums[r][g], target.outputs);
      }
    }
  }

  ThreadPool& pool_;
  SharedParts parts_;
  Scratch x_, sums_;
};

}  // namespace owlet::cpu
