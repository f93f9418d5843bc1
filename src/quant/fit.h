// The scale of a block by least squares: for codes that are given, the best scale is Σ x·v / Σ v·v, and it leaves an error of
// Σ x·x − (Σ x·v)² / Σ v·v. Codes come from scales around the one that maps the largest number to the end of the code's range.
#pragma once

#include <cmath>

#include "core/half.h"
#include "quant/blocks.h"

namespace owlet {

// `nearest` gives the whole number nearest to x / d that a code can hold, for every float; `end` is the one of largest magnitude.
// Returns d as float16 for n numbers; 0 where all are 0.
template <class Nearest>
uint16_t fit_scale(const float* x, int n, float end, const Nearest& nearest) {
  float largest = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  if (largest == 0) return 0;
  float best_gain = 0, best = largest / end;
  for (int step = -12; step <= 12; ++step) {
    const float inverse = end * (1 + 0.0125f * static_cast<float>(step)) / largest;
    float product = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
      const float v = nearest(x[i] * inverse);
      product += x[i] * v;
      squares += v * v;
    }
    if (squares > 0 && product * product / squares > best_gain) {
      best_gain = product * product / squares;
      best = product / squares;
    }
  }
  return f32_to_f16(best);
}

// 1 / d of a decoded scale; 0 for 0, so that all codes become that of 0.
inline float inverse_of(uint16_t d) { return f16_to_f32(d) != 0 ? 1.0f / f16_to_f32(d) : 0.0f; }

// The whole number in [least, most] nearest to x; NaN gives `least`.
inline int nearest_int(float x, int least, int most) {
  const float shifted = x - static_cast<float>(least) + 0.5f;
  return shifted >= static_cast<float>(most - least) ? most : shifted > 0 ? least + static_cast<int>(shifted) : least;
}

}  // namespace owlet
