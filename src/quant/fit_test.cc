// The encoders' search against searches that leave nothing out, in float64.
#include "quant/fit.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/random.h"

namespace owlet {
namespace {

constexpr DType kFitted[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kIQ4_NL, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::vector<float> normals(size_t n, uint64_t seed) {
  Random random{.seed = seed};
  std::vector<float> x(n);
  for (float& value : x) value = static_cast<float>(0.02 * random.normal());
  return x;
}

// Some count a hundred times what others do.
std::vector<float> weights(size_t n, uint64_t seed) {
  Random random{.seed = seed};
  std::vector<float> w(n);
  for (float& value : w) value = static_cast<float>(std::exp(1.5 * random.normal()));
  return w;
}

double squared_error(DType dtype, const std::vector<float>& x, const std::vector<float>* given, const std::vector<float>* counted) {
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, static_cast<int64_t>(x.size()))));
  quantize_row(dtype, x.data(), bytes.data(), static_cast<int64_t>(x.size()), given ? given->data() : nullptr);
  std::vector<float> back(x.size());
  dequantize_row(dtype, bytes.data(), back.data(), static_cast<int64_t>(x.size()));
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (counted ? (*counted)[i] : 1.0) * std::pow(static_cast<double>(back[i]) - x[i], 2);
  return sum;
}

// Every scale on a fine grid around those that make sense.
double best_of_all_scales(const float* x, const float* w, int n, int least, int most) {
  double largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max(largest, std::fabs(static_cast<double>(x[i])));
  double best = std::numeric_limits<double>::infinity();
  for (int step = 1; step <= 4000; ++step) {
    for (const double sign : {-1.0, 1.0}) {
      const double scale = sign * 2 * largest / most * step / 4000;
      double error = 0;
      for (int i = 0; i < n; ++i) {
        const double v = std::clamp(std::round(x[i] / scale), static_cast<double>(least), static_cast<double>(most));
        error += w[i] * (x[i] - scale * v) * (x[i] - scale * v);
      }
      best = std::min(best, error);
    }
  }
  return best;
}

TEST(Fit, ScalesAreNearlyTheBest) {
  double ours = 0, best = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto x = normals(kBlock, seed), w = weights(kBlock, 100 + seed);
    ours += squared_error(DType::kQ4_0, x, &w, &w);
    best += best_of_all_scales(x.data(), w.data(), kBlock, -8, 7);
  }
  EXPECT_LT(ours, 1.04 * best);
  fmt::print("q4_0: {:.4f} of the least error\n", ours / best);
}

// Every pair of ends on a grid; offsets below 0 are allowed.
double best_of_all_ranges(const float* x, const float* w, int n, int most) {
  double least = x[0], greatest = x[0];
  for (int i = 1; i < n; ++i) {
    least = std::min(least, static_cast<double>(x[i]));
    greatest = std::max(greatest, static_cast<double>(x[i]));
  }
  const double range = greatest - least;
  double best = std::numeric_limits<double>::infinity();
  for (int a = -30; a <= 100; ++a) {
    for (int b = -30; b <= 100; ++b) {
      const double low = least + range * a / 300, scale = (range - range * (a + b) / 300) / most;
      double error = 0;
      for (int i = 0; i < n; ++i) {
        const double v = std::clamp(std::round((x[i] - low) / scale), 0.0, static_cast<double>(most));
        error += w[i] * (x[i] - low - scale * v) * (x[i] - low - scale * v);
      }
      best = std::min(best, error);
    }
  }
  return best;
}

TEST(Fit, RangesAreNearlyTheBest) {
  double ours = 0, best = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto x = normals(kBlock, seed), w = weights(kBlock, 100 + seed);
    ours += range_error(x.data(), w.data(), kBlock, 15, fit_range(x.data(), w.data(), kBlock, 15, Offset::kAny));
    best += best_of_all_ranges(x.data(), w.data(), kBlock, 15);
  }
  EXPECT_LT(ours, 1.06 * best);
  fmt::print("ranges: {:.4f} of the least error\n", ours / best);
}

// Six bits of scale and of offset cost little: the sub-blocks of Q4_K are near to ranges that round nothing.
TEST(Fit, SuperBlocksAreNearTheirSubBlocks) {
  double whole = 0, alone = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto x = normals(kSuperBlock, seed);
    const std::vector<float> w(kSuperBlock, 1.0f);
    whole += squared_error(DType::kQ4_K, x, nullptr, nullptr);
    for (int sub = 0; sub < kSuperBlock; sub += 32) {
      alone += range_error(&x[static_cast<size_t>(sub)], w.data(), 32, 15, fit_range(&x[static_cast<size_t>(sub)], w.data(), 32, 15, Offset::kNotNegative));
    }
  }
  EXPECT_LT(whole, 1.05 * alone);
  fmt::print("q4_k: {:.4f} of its sub-blocks alone\n", whole / alone);
}

TEST(Fit, ImportanceIsHonoured) {
  const auto x = normals(4096, 1), w = weights(4096, 2);
  for (const DType dtype : kFitted) {
    EXPECT_LT(squared_error(dtype, x, &w, &w), 0.95 * squared_error(dtype, x, nullptr, &w)) << to_string(dtype);
    if (dtype == DType::kQ8_0) continue;  // not fitted where all count alike
    EXPECT_GT(squared_error(dtype, x, &w, nullptr), squared_error(dtype, x, nullptr, nullptr)) << to_string(dtype);
  }
}

TEST(Fit, EqualWeightsOfAnySizeChangeLittle) {
  const auto x = normals(4096, 3);
  for (const DType dtype : kFitted) {
    if (dtype == DType::kQ8_0) continue;
    for (const float weight : {1e-6f, 1e6f}) {
      const std::vector<float> w(x.size(), weight);
      EXPECT_NEAR(squared_error(dtype, x, &w, nullptr) / squared_error(dtype, x, nullptr, nullptr), 1.0, 1e-2) << to_string(dtype);
    }
  }
}

// Columns that never saw a number still have to come out whole.
TEST(Fit, WithoutAnyWeightTheRangeDecides) {
  const auto x = normals(4096, 4);
  const std::vector<float> w(x.size(), 0.0f);
  for (const DType dtype : kFitted) {
    EXPECT_LT(squared_error(dtype, x, &w, nullptr), 4 * squared_error(dtype, x, nullptr, nullptr)) << to_string(dtype);
  }
}

// The largest number decides wherever it stands.
TEST(Fit, TheLargestIsFoundAnywhere) {
  for (size_t at = 0; at < kBlock; ++at) {
    for (const float sign : {-1.0f, 1.0f}) {
      std::vector<float> x(kBlock, 0.0f);
      x[at] = sign * 3.0f;
      x[(at + 7) % kBlock] = -sign * 1.5f;
      for (const DType dtype : {DType::kQ4_0, DType::kQ5_0}) EXPECT_LT(squared_error(dtype, x, nullptr, nullptr), 1e-5) << at;
    }
  }
}

}  // namespace
}  // namespace owlet
