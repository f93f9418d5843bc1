// Every backend against the reference, and against itself in other batches and on other numbers of threads.
#include "kernels/conformance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/backend.h"
#include "quant/blocks.h"

namespace owlet::conformance {
namespace {

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

// Pages are used again by others: what a page holds behind a sequence's end, even NaN, must not reach its
// results.
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

TEST_P(EachBackend, PagesBehindTheEndDoNotMatter) {
  Backend backend(GetParam());
  const AttentionShape shape{2, 1, 8, 0.35};
  const std::vector<int32_t> table{1, 0};
  const SequenceRows sequence{0, 3, 17, table};
  Tensor q(DType::kF32, {3, 16}), k(DType::kF32, {2, 16, 1, 8}), v(DType::kF32, {2, 16, 1, 8}),
      out(DType::kF32, {3, 16});
  for (int64_t i = 0; i < q.numel(); ++i) q.f32()[i] = static_cast<float>(i % 5) - 2.0f;
  for (int64_t i = 0; i < k.numel(); ++i) k.f32()[i] = v.f32()[i] = static_cast<float>(i % 7) - 3.0f;
  backend.ops().attention_paged(out, q, {k, v}, {&sequence, 1}, shape);
  const std::vector<float> want(out.f32(), out.f32() + out.numel());
  for (int64_t i = 4 * 8; i < 16 * 8; ++i)
    k.f32()[i] = v.f32()[i] = NAN;  // page 0 holds positions 16 and on; 20 is the first unused
  backend.ops().attention_paged(out, q, {k, v}, {&sequence, 1}, shape);
  EXPECT_EQ(std::memcmp(want.data(), out.f32(), want.size() * sizeof(float)), 0);
}

// A sequence with a window may have given back the pages before it: what they hold now must not reach its results, whether its
// rows come together or alone.
TEST_P(EachBackend, PagesBeforeTheWindowDoNotMatter) {
  Backend backend(GetParam());
  constexpr int64_t kFirst = 150, kRows = 20, kLength = kFirst + kRows;
  const AttentionShape shape{2, 1, 8, 0.35, 30};
  const std::vector<int32_t> table{10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  Tensor q(DType::kF32, {kRows, 16}), k(DType::kF32, {11, 16, 1, 8}), v(DType::kF32, {11, 16, 1, 8}), out(DType::kF32, {kRows, 16});
  for (int64_t i = 0; i < q.numel(); ++i) q.f32()[i] = static_cast<float>(i % 5) - 2.0f;
  for (int64_t i = 0; i < k.numel(); ++i) k.f32()[i] = v.f32()[i] = static_cast<float>(i % 7) - 3.0f;
  const SequenceRows whole{0, kRows, kFirst, table};
  backend.ops().attention_paged(out, q, {k, v}, {&whole, 1}, shape);
  const std::vector<float> want(out.f32(), out.f32() + out.numel());
  out.zero();
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t position = 0; position <= kFirst + row - shape.window; ++position) {
      const int64_t slot = table[static_cast<size_t>(position / 16)] * 16 + position % 16;
      std::fill_n(k.f32() + slot * 8, 8, NAN);
      std::fill_n(v.f32() + slot * 8, 8, NAN);
    }
    const SequenceRows alone{row, row + 1, kFirst + row, table};
    backend.ops().attention_paged(out, q, {k, v}, {&alone, 1}, shape);
  }
  EXPECT_EQ(std::memcmp(want.data(), out.f32(), want.size() * sizeof(float)), 0);
  static_assert(kLength <= 11 * 16);
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

TEST(Backends, AnUnknownInstructionSetNamesTheOthers) {
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool, "mmx");
  ASSERT_FALSE(ops.ok());
  EXPECT_NE(ops.error().to_string().find("generic"), std::string::npos);
}

TEST(CheckDeathTest, NamesTheOpAndTheShapes) {
  const auto ops = make_reference_ops();
  const Tensor x(DType::kF32, {8, 320}), out(DType::kF32, {8, 64}), weight(DType::kF32, {320});
  EXPECT_DEATH(ops->rms_norm(out, {}, x, weight, 1e-5),
               "\\[rms_norm\\] out_ND is f32 \\[8, 64\\], expected f32 \\[8, 320\\]");
  const std::vector<int32_t> ids{0, 8};
  EXPECT_DEATH(ops->embedding(Tensor(DType::kF32, {2, 320}), x, ids), "\\[embedding\\] ids\\[1\\] is 8");
}

}  // namespace
}  // namespace owlet::conformance
