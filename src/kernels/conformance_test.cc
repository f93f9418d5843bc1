// Every backend against the reference, and against itself in other batches and on other numbers of threads.
#include "kernels/conformance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/bit_cast.h"
#include "core/random.h"
#include "kernels/backend.h"
#include "kernels/profiled_ops.h"
#include "quant/blocks.h"

namespace owlet::conformance {
namespace {

// WebAssembly has threads only where it is built for them.
#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
constexpr bool kHasThreads = false;
#else
constexpr bool kHasThreads = true;
#endif

// A backend by its name, with the threads it runs on.
class Backend {
 public:
  explicit Backend(const std::string& name, int n_threads = 1) : pool_(n_threads) {
    if (name == "reference") {
      ops_ = make_reference_ops();
    } else {
      ops_ = make_cpu_ops(pool_, std::string_view(name).substr(4)).value();
    }
  }
  Ops& ops() { return *ops_; }
  Call run(const Case& c, int64_t begin, int64_t end, DType activations = DType::kF32) {
    Call call(*ops_, activations, begin, end);
    c.call(call);
    return call;
  }

 private:
  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
};

// Sums of n products in float32 are off by about √n roundings of what they are made of (Higham & Mary 2019);
// here: of the largest number of the tensor. A dropped or doubled element is a thousand times larger.
double bound(const std::vector<double>& want, int64_t terms) {
  double largest = 0;
  for (const double x : want) largest = std::max(largest, std::isfinite(x) ? std::fabs(x) : 0.0);
  return 4 * std::sqrt(static_cast<double>(terms)) * std::numeric_limits<float>::epsilon() * largest;
}

void expect_close(const Call& got, const Call& want) {
  ASSERT_EQ(got.slots().size(), want.slots().size());
  for (size_t s = 0; s < got.slots().size(); ++s) {
    const std::vector<double> a = numbers(got.slots()[s].tensor), b = numbers(want.slots()[s].tensor);
    ASSERT_EQ(a.size(), b.size());
    const double limit = bound(b, want.terms);
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == b[i]) continue;  // infinities of a float16 cache too
      ASSERT_NEAR(a[i], b[i], limit) << got.slots()[s].name << "[" << i << "]";
    }
  }
}

// The same bytes; `part` holds rows from `first_row` on of what `whole` holds.
void expect_same(const Call& part, const Call& whole, int64_t first_row) {
  const bool all = part.n() == whole.n();
  for (size_t s = 0; s < part.slots().size(); ++s) {
    const auto& [name, role, tensor] = part.slots()[s];
    if (role == Role::kSums && !all) continue;
    const auto* bytes = whole.slots()[s].tensor.view().as<std::byte>();
    if (role == Role::kRows) bytes += first_row * (tensor.bytes() / part.n());
    ASSERT_EQ(std::memcmp(tensor.view().data, bytes, static_cast<size_t>(tensor.bytes())), 0)
        << name << ", rows " << first_row << " to " << first_row + part.n();
  }
}

struct Line {
  std::string backend;
  const Case* c;
};
void PrintTo(const Line& line, std::ostream* out) { *out << line.backend << ": " << line.c->name; }

std::vector<Line> lines(bool with_reference) {
  std::vector<Line> out;
  for (const std::string& backend : backends()) {
    if (backend == "reference" && !with_reference) continue;
    for (const Case& c : cases()) out.push_back({backend, &c});
  }
  return out;
}

std::string line_name(const testing::TestParamInfo<Line>& info) {
  std::string name = info.param.backend + "_" + info.param.c->name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

class Conformance : public testing::TestWithParam<Line> {};
class ConformanceOfThreads : public testing::TestWithParam<Line> {};

TEST_P(Conformance, Match) {
  const Case& c = *GetParam().c;
  const Call got = Backend(GetParam().backend).run(c, 0, c.n_rows);
  const Call want = Backend("reference").run(c, 0, c.n_rows, DType::kF64);
  expect_close(got, want);
}

TEST_P(Conformance, InvariantToBatch) {
  const Case& c = *GetParam().c;
  Backend backend(GetParam().backend);
  const Call whole = backend.run(c, 0, c.n_rows);
  std::vector<int64_t> cuts = c.cuts;
  for (int64_t row = 0; c.cuts.empty() && row <= c.n_rows; ++row) cuts.push_back(row);
  const int64_t middle = cuts[cuts.size() / 2];
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    expect_same(backend.run(c, cuts[i], cuts[i + 1]), whole, cuts[i]);
  if (middle > 0 && middle < c.n_rows) {
    expect_same(backend.run(c, 0, middle), whole, 0);
    expect_same(backend.run(c, middle, c.n_rows), whole, middle);
  }
}

TEST_P(ConformanceOfThreads, Invariant) {
  const Case& c = *GetParam().c;
  const Call one = Backend(GetParam().backend, 1).run(c, 0, c.n_rows);
  for (const int n_threads : {2, 3})
    expect_same(Backend(GetParam().backend, n_threads).run(c, 0, c.n_rows), one, 0);
}

INSTANTIATE_TEST_SUITE_P(All, Conformance, testing::ValuesIn(lines(true)), line_name);
INSTANTIATE_TEST_SUITE_P(All, ConformanceOfThreads, testing::ValuesIn(lines(false)), line_name);

class EachBackend : public testing::TestWithParam<std::string> {};

// Codes that no encoder writes but a file may hold: products of bytes at their limits must not saturate.
TEST_P(EachBackend, LinearWithExtremeCodes) {
  Backend backend(GetParam());
  for (const int code : {-128, 127}) {
    for (const float x : {-1.0f, 1.0f}) {
      Tensor weight(DType::kQ8_0, {4, 64}), input(DType::kF32, {1, 64}), out(DType::kF32, {1, 4});
      BlockQ8_0 block{0x3c00, {}};  // d = 1
      std::fill(std::begin(block.q), std::end(block.q), static_cast<int8_t>(code));
      std::fill_n(weight.view().as<BlockQ8_0>(), 8, block);
      std::fill_n(input.f32(), 64, x);
      backend.ops().linear(out, Into::kWrite, input, weight, Precision::kF32);
      for (int i = 0; i < 4; ++i)
        EXPECT_NEAR(out.f32()[i], 64.0f * x * static_cast<float>(code), 0.01) << code << " · " << x;
    }
  }
}

// Weights that lie turned give the bits that rows do, alone and beside others; outputs that fill no group of any instruction set.
TEST_P(EachBackend, TurnedWeightsGiveTheSameBits) {
  Backend backend(GetParam(), kHasThreads ? 2 : 1);
  const int64_t n_out = 37, n_in = 1536;  // more than is turned at once
  Random random{.seed = 3};
  const auto numbers = [&](Shape shape) {
    const Tensor out(DType::kF32, shape);
    for (float& x : out.span<float>()) x = static_cast<float>(random.normal());
    return out;
  };
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kIQ4_NL, DType::kIQ4_XS, DType::kQ2_K, DType::kQ3_K,
                            DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kBF16}) {
    const Tensor rows(dtype, {n_out, n_in});
    // Any bytes, as long as those of half-precision numbers are numbers.
    for (std::byte& x : std::span(rows.view().as<std::byte>(), static_cast<size_t>(rows.bytes()))) x = static_cast<std::byte>(random.below(256) & 0x3b);
    const int64_t bytes = backend.ops().turned_bytes(rows, Precision::kBF16);
    if (bytes == 0 && (GetParam() == "reference" || dtype == DType::kBF16)) continue;
    ASSERT_GE(bytes, rows.bytes()) << to_string(dtype);
    std::vector<std::byte> memory(static_cast<size_t>(bytes));
    const TensorView turned = backend.ops().turn(memory.data(), rows);
    for (const int64_t n : {1, 2, 3, 8, 19}) {
      const Tensor x = numbers({n, n_in}), want(DType::kF32, {n, n_out}), got(DType::kF32, {n, n_out}), beside(DType::kF32, {n, n_out});
      backend.ops().linear(want, Into::kWrite, x, rows, Precision::kBF16);
      const std::array<Ops::Product, 2> products = {Ops::Product{got, turned}, {beside, rows}};
      backend.ops().linears(products, x, Precision::kBF16);
      for (const Tensor& y : {got, beside}) {
        EXPECT_EQ(std::memcmp(y.f32(), want.f32(), static_cast<size_t>(want.bytes())), 0) << to_string(dtype) << ", " << n << " rows";
      }
    }
  }
}

// Small whole numbers, whose sums are exact in any order: products that are cut into slabs and pieces lose and double nothing.
TEST_P(EachBackend, LargeProductsAreExact) {
  Backend backend(GetParam());
  const auto fill = [](const TensorView& x, int64_t a, int64_t b) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      const auto value = static_cast<float>((i * a + i / b) % 5 - 2);
      x.dtype == DType::kBF16 ? static_cast<void>(x.as<uint16_t>()[i] = static_cast<uint16_t>(bit_cast<uint32_t>(value) >> 16))
                              : static_cast<void>(x.f32()[i] = value);
    }
  };
  const auto at = [](const TensorView& x, int64_t i) {
    return x.dtype == DType::kBF16 ? bit_cast<float>(static_cast<uint32_t>(x.as<uint16_t>()[i]) << 16) : x.f32()[i];
  };
  // More numbers than a piece of a decoded weight (2^22) or a slab of a packed one (2^23).
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    const int64_t n = 2, i_size = 64, o_size = 140'000;
    const Tensor x(DType::kF32, {n, i_size}), w(dtype, {o_size, i_size}), y(DType::kF32, {n, o_size}), dx(DType::kF32, {n, i_size});
    fill(x, 3, 7);
    fill(w, 7, 11);
    backend.ops().linear(y, Into::kWrite, x, w, Precision::kBF16);
    for (int64_t o = 0; o < o_size; o += 997) {
      float sum = 0;
      for (int64_t i = 0; i < i_size; ++i) sum += x.f32()[i_size + i] * at(w, o * i_size + i);
      ASSERT_EQ(y.f32()[o_size + o], sum) << o;
    }
    fill(y, 2, 13);
    backend.ops().linear_backward_input(dx, Into::kWrite, y, w, Precision::kF32);
    for (int64_t i = 0; i < i_size; ++i) {
      float sum = 0;
      for (int64_t o = 0; o < o_size; ++o) sum += y.f32()[o_size + o] * at(w, o * i_size + i);
      ASSERT_EQ(dx.f32()[i_size + i], sum) << i;
    }
  }
  const int64_t rows = 1500;  // several chunks of sums
  const Tensor dout(DType::kF32, {rows, 7}), x(DType::kF32, {rows, 33}), dw(DType::kF32, {7, 33});
  fill(dout, 3, 5);
  fill(x, 2, 3);
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    dw.zero();
    backend.ops().linear_backward_weight(dw, dout, x, precision);
    for (int64_t e = 0; e < dw.numel(); ++e) {
      float sum = 0;
      for (int64_t r = 0; r < rows; ++r) sum += dout.f32()[r * 7 + e / 33] * x.f32()[r * 33 + e % 33];
      ASSERT_EQ(dw.f32()[e], sum) << e;
    }
  }
}

// What a damaged model's activations may be: no number, and beside it some so far apart that no step of 8 bits holds both.
TEST_P(EachBackend, LinearOfWhatIsNoNumberStaysDefined) {
  Backend backend(GetParam());
  const Tensor weight(DType::kQ8_0, {4, 64});
  Tensor input(DType::kF32, {1, 64}), out(DType::kF32, {1, 4});
  constexpr float kOdd[] = {1e30f, std::numeric_limits<float>::quiet_NaN(), 1e-3f, -std::numeric_limits<float>::infinity()};
  for (int64_t stride : {1, 4, 8, 16}) {
    for (int64_t i = 0; i < 64; ++i) input.f32()[i] = kOdd[i / stride % 4];
    backend.ops().linear(out, Into::kWrite, input, weight, Precision::kF32);
    for (const float x : out.span<float>()) EXPECT_TRUE(x == 0 || std::isnan(x)) << x;  // the weights are zeros
  }
}

// Float32 pages of one key head full of small numbers, in which one token's can be overwritten.
struct SomePages {
  SomePages(std::vector<int32_t> order, int64_t head_dim)
      : table(std::move(order)), k(DType::kF32, {n(), 1, head_dim, kKvPageLen}), v(DType::kF32, {n(), 1, kKvPageLen, head_dim}) {
    for (int64_t i = 0; i < k.numel(); ++i) k.f32()[i] = v.f32()[i] = static_cast<float>(i % 7) - 3.0f;
  }
  KvPages views() const { return {k, v}; }
  void fill(int64_t position, float x) const {
    const int64_t e = v.shape().last(), slot = position % kKvPageLen, page = table[static_cast<size_t>(position / kKvPageLen)] * e * kKvPageLen;
    for (int64_t i = 0; i < e; ++i) k.f32()[page + i * kKvPageLen + slot] = v.f32()[page + slot * e + i] = x;
  }
  int64_t n() const { return static_cast<int64_t>(table.size()); }
  std::vector<int32_t> table;
  Tensor k, v;
};

// Pages are used again by others: what a page holds behind a sequence's end, even NaN, must not reach its results.
TEST_P(EachBackend, PagesBehindTheEndDoNotMatter) {
  Backend backend(GetParam());
  const AttentionShape shape{2, 1, 8, 0.35};
  const SomePages pages({1, 0}, 8);
  constexpr int64_t kFirst = kKvPageLen + 1, kRows = 3;
  const SequenceRows sequence{0, kRows, kFirst, pages.table};
  const Tensor q(DType::kF32, {kRows, 16}), out(DType::kF32, {kRows, 16});
  for (int64_t i = 0; i < q.numel(); ++i) q.f32()[i] = static_cast<float>(i % 5) - 2.0f;
  backend.ops().attention_paged(out, q, pages.views(), {&sequence, 1}, shape);
  const std::vector<float> want(out.f32(), out.f32() + out.numel());
  for (int64_t position = kFirst + kRows; position < 2 * kKvPageLen; ++position) pages.fill(position, NAN);
  backend.ops().attention_paged(out, q, pages.views(), {&sequence, 1}, shape);
  EXPECT_EQ(std::memcmp(want.data(), out.f32(), want.size() * sizeof(float)), 0);
}

// A sequence with a window may have given back the pages before it: what they hold now must not reach its results, whether its
// rows come together or alone.
TEST_P(EachBackend, PagesBeforeTheWindowDoNotMatter) {
  Backend backend(GetParam());
  constexpr int64_t kFirst = 150, kRows = 20;
  const AttentionShape shape{2, 1, 8, 0.35, 30};
  const SomePages pages({5, 0, 1, 2, 3, 4}, 8);
  const Tensor q(DType::kF32, {kRows, 16}), out(DType::kF32, {kRows, 16});
  for (int64_t i = 0; i < q.numel(); ++i) q.f32()[i] = static_cast<float>(i % 5) - 2.0f;
  const SequenceRows whole{0, kRows, kFirst, pages.table};
  backend.ops().attention_paged(out, q, pages.views(), {&whole, 1}, shape);
  const std::vector<float> want(out.f32(), out.f32() + out.numel());
  out.zero();
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t position = 0; position <= kFirst + row - shape.window; ++position) pages.fill(position, NAN);
    const SequenceRows alone{row, row + 1, kFirst + row, pages.table};
    backend.ops().attention_paged(out, q, pages.views(), {&alone, 1}, shape);
  }
  EXPECT_EQ(std::memcmp(want.data(), out.f32(), want.size() * sizeof(float)), 0);
  static_assert(kFirst + kRows <= 6 * kKvPageLen);
}

// The segments of a long text go to several threads where there is little else to share: the same to the bit, and the same as among
// the rows of its prompt.
TEST_P(EachBackend, ALongTextIsSharedByThreads) {
  constexpr int64_t kRows = 70, kFirst = 2500, kPages = (kFirst + kRows) / kKvPageLen + 1;
  for (const int64_t window : {0, 1500}) {
    const AttentionShape shape{2, 1, 32, 0.2, window};
    std::vector<int32_t> table(kPages);
    std::iota(table.rbegin(), table.rend(), 0);
    const SomePages pages(table, 32);
    const Tensor q(DType::kF32, {kRows, 64}), together(DType::kF32, {kRows, 64}), alone(DType::kF32, {kRows, 64});
    for (int64_t i = 0; i < q.numel(); ++i) q.f32()[i] = static_cast<float>(i % 11) / 5 - 1.0f;
    const SequenceRows whole{0, kRows, kFirst, pages.table};
    Backend(GetParam()).ops().attention_paged(together, q, pages.views(), {&whole, 1}, shape);
    for (const int n_threads : {1, 3}) {
      if (n_threads > 1 && !kHasThreads) continue;
      Backend backend(GetParam(), n_threads);
      for (const int64_t row : {int64_t{0}, int64_t{33}, kRows - 1}) {
        const SequenceRows last{row, row + 1, kFirst + row, pages.table};
        backend.ops().attention_paged(alone, q, pages.views(), {&last, 1}, shape);
        EXPECT_EQ(std::memcmp(together.f32() + row * 64, alone.f32() + row * 64, 64 * sizeof(float)), 0) << row << ", " << n_threads;
      }
    }
  }
}

TEST_P(EachBackend, EmptyBatch) {
  Backend backend(GetParam());
  for (const Case& c : cases()) {
    if (c.name.starts_with("sum_of_squares")) continue;
    backend.run(c, 0, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EachBackend, testing::ValuesIn(backends()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(ProfiledOps, ComputeTheSameAndCountEveryCall) {
  const auto plain = make_reference_ops();
  ProfiledOps profiled(*plain);
  int64_t calls = 0;
  for (const Case& c : cases()) {
    Call want(*plain, DType::kF32, 0, c.n_rows), got(profiled, DType::kF32, 0, c.n_rows);
    c.call(want);
    c.call(got);
    expect_same(got, want, 0);
    ++calls;
  }
  for (const ProfiledOps::Line& line : profiled.lines()) calls -= line.calls;
  EXPECT_LE(calls, 0);  // some cases make several
  EXPECT_GE(profiled.lines().front().seconds, profiled.lines().back().seconds);
}

TEST(Backends, AnUnknownInstructionSetNamesTheOthers) {
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool, "mmx");
  ASSERT_FALSE(ops.ok());
  EXPECT_NE(ops.error().to_string().find(cpu_isas().back()), std::string::npos);
}

#if GTEST_HAS_DEATH_TEST
TEST(CheckDeathTest, NamesTheOpAndTheShapes) {
  const auto ops = make_reference_ops();
  const Tensor x(DType::kF32, {8, 320}), out(DType::kF32, {8, 64}), weight(DType::kF32, {320});
  EXPECT_DEATH(ops->rms_norm(out, {}, x, weight, 1e-5),
               "\\[rms_norm\\] out_ND is f32 \\[8, 64\\], expected f32 \\[8, 320\\]");
  const std::vector<int32_t> ids{0, 8};
  EXPECT_DEATH(ops->embedding(Tensor(DType::kF32, {2, 320}), x, ids), "\\[embedding\\] ids\\[1\\] is 8");
}
#endif

}  // namespace
}  // namespace owlet::conformance
