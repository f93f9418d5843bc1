// The numbers that a block stores beside its codes, by weighted least squares. For codes v that are given, the scale that leaves
// the least error Σ w·(x − d·v)² is Σ w·x·v / Σ w·v·v, and with an offset, x ≈ d·v − m, the two solve a 2 × 2 system. Codes come
// from scales around the one that maps the range of the numbers to the range of the codes; the best is improved by turns: codes by
// the scale, scale by the codes. A weight says how much the square of a number's error counts. Sums run in eight fixed lanes.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/half.h"
#include "quant/blocks.h"

namespace owlet {

// The whole number in [least, most] nearest to x; NaN gives `least`. Adding 1.5 · 2^23 leaves no room for a fraction.
inline float nearest_float(float x, float least, float most) {
  constexpr float kNoFraction = 12582912.0f;
  const float low = x > least ? x : least, held = low < most ? low : most;
  return (held + kNoFraction) - kNoFraction;
}
inline int nearest_int(float x, int least, int most) {
  return static_cast<int>(nearest_float(x, static_cast<float>(least), static_cast<float>(most)));
}

// 1 / x; 0 for 0, so that all codes become that of 0.
inline float inverse_of(float x) { return x != 0 ? 1.0f / x : 0.0f; }

// Eight sums side by side, and their total in one order.
struct Lanes {
  static constexpr int kCount = 8;
  float sums[kCount] = {};
  float total() const { return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])); }
};

// ---- x ≈ d · v ------------------------------------------------------------------------------------------------------

struct ScaleFit {
  float scale = 0;
  float gain = 0;  // what it takes off Σ w·x²
};

// The best scale for the codes nearest to x · inverse; n is a multiple of 8.
template <class Nearest>
ScaleFit fit_codes(const float* x, const float* w, int n, float inverse, const Nearest& nearest) {
  Lanes products, squares;
  for (int i = 0; i < n; i += Lanes::kCount) {
    for (int lane = 0; lane < Lanes::kCount; ++lane) {
      const float v = nearest(x[i + lane] * inverse), weighted = w[i + lane] * v;
      products.sums[lane] += weighted * x[i + lane];
      squares.sums[lane] += weighted * v;
    }
  }
  const float product = products.total(), square = squares.total();
  return square > 0 ? ScaleFit{product / square, product / square * product} : ScaleFit{};
}

// `nearest` gives the value of the code nearest to a number, for every float; `end` is the value of largest magnitude. Scales are
// tried whose codes end up to `reach` values before or behind it. 0 where all numbers are 0.
template <class Nearest>
float fit_scale(const float* x, const float* w, int n, float end, float reach, const Nearest& nearest) {
  constexpr int kSteps = 10;
  float least = 0, greatest = 0;
  for (int i = 0; i < n; ++i) {
    least = std::min(least, x[i]);
    greatest = std::max(greatest, x[i]);
  }
  const float largest = -least > greatest ? least : greatest;
  if (largest == 0) return 0;
  ScaleFit best{largest / end, 0};
  for (int step = -kSteps; step <= kSteps; ++step) {
    const float beyond = reach * static_cast<float>(step) / kSteps;
    const ScaleFit fit = fit_codes(x, w, n, (end + (end > 0 ? beyond : -beyond)) / largest, nearest);
    if (fit.gain > best.gain) best = fit;
  }
  for (int turn = 0; turn < 2; ++turn) {
    const ScaleFit fit = fit_codes(x, w, n, inverse_of(best.scale), nearest);
    if (fit.gain > best.gain) best = fit;
  }
  return best.scale;
}

// ---- x ≈ d · v − m, v = 0 … most ------------------------------------------------------------------------------------

struct RangeFit {
  float scale = 0;
  float offset = 0;
};

// Whether an offset may be below 0.
enum class Offset { kNotNegative, kAny };

RangeFit fit_range(const float* x, const float* w, int n, int most, Offset sign);

// Σ w·(x − (scale · v − offset))² with the nearest codes.
float range_error(const float* x, const float* w, int n, int most, RangeFit fit);

}  // namespace owlet
