#include "quant/fit.h"

namespace owlet {
namespace {

// Sums over codes v that a range gives, and the best range for those codes. Σ w and Σ w·x do not depend on codes.
class RangeSearch {
 public:
  RangeSearch(const float* x, const float* w, int n, int most, Offset sign)
      : x_(x), w_(w), n_(n), most_(static_cast<float>(most)), sign_(sign) {
    Lanes weights, products;
    for (int i = 0; i < n; i += Lanes::kCount) {
      for (int lane = 0; lane < Lanes::kCount; ++lane) {
        weights.sums[lane] += w[i + lane];
        products.sums[lane] += w[i + lane] * x[i + lane];
      }
    }
    weight_ = weights.total();
    sum_ = products.total();
  }

  RangeFit best() const { return best_; }

  // Codes by `guess`, then the range by the codes; kept where it takes more off Σ w·x² than the best before.
  void take(RangeFit guess) {
    const float inverse = inverse_of(guess.scale), shift = guess.offset * inverse;
    Lanes linear, squares, products;
    for (int i = 0; i < n_; i += Lanes::kCount) {
      for (int lane = 0; lane < Lanes::kCount; ++lane) {
        const float v = nearest_float(x_[i + lane] * inverse + shift, 0, most_), weighted = w_[i + lane] * v;
        linear.sums[lane] += weighted;
        squares.sums[lane] += weighted * v;
        products.sums[lane] += weighted * x_[i + lane];
      }
    }
    solve(linear.total(), squares.total(), products.total());
  }

  // The guess itself, where nothing is better: weights that are all 0, numbers that are all the same.
  void start(RangeFit guess) { best_ = guess; }

 private:
  void solve(float v, float vv, float xv) {
    const float determinant = weight_ * vv - v * v;
    if (determinant > 0) {
      const RangeFit fit{(weight_ * xv - sum_ * v) / determinant, (v * xv - vv * sum_) / determinant};
      if (sign_ == Offset::kAny || fit.offset >= 0) return keep(fit, fit.scale * xv - fit.offset * sum_);
    }
    if (vv > 0) keep({xv / vv, 0}, xv / vv * xv);
  }
  void keep(RangeFit fit, float gain) {
    if (!(fit.scale > 0) || !(gain > gain_)) return;
    best_ = fit;
    gain_ = gain;
  }

  const float* x_;
  const float* w_;
  int n_;
  float most_;
  Offset sign_;
  float weight_ = 0, sum_ = 0;
  RangeFit best_;
  float gain_ = 0;
};

}  // namespace

RangeFit fit_range(const float* x, const float* w, int n, int most, Offset sign) {
  float least = x[0], greatest = x[0];
  for (int i = 1; i < n; ++i) {
    least = std::min(least, x[i]);
    greatest = std::max(greatest, x[i]);
  }
  if (sign == Offset::kNotNegative) least = std::min(least, 0.0f);
  const float range = greatest - least;
  if (!(range > 0)) return {0, -least};
  RangeSearch search(x, w, n, most, sign);
  const float step = range / static_cast<float>(most);
  search.start({step, -least});
  // Either end of the codes may fall short of the numbers, or go beyond them, by up to a step and a half.
  for (int below = -2; below <= 3; ++below) {
    for (int above = -2; above <= 3; ++above) {
      const float low = least + 0.5f * step * static_cast<float>(below), high = greatest - 0.5f * step * static_cast<float>(above);
      if (high > low) search.take({(high - low) / static_cast<float>(most), -low});
    }
  }
  for (int turn = 0; turn < 3; ++turn) search.take(search.best());
  return search.best();
}

float range_error(const float* x, const float* w, int n, int most, RangeFit fit) {
  const float inverse = inverse_of(fit.scale), shift = fit.offset * inverse;
  Lanes errors;
  for (int i = 0; i < n; i += Lanes::kCount) {
    for (int lane = 0; lane < Lanes::kCount; ++lane) {
      const float v = nearest_float(x[i + lane] * inverse + shift, 0, static_cast<float>(most));
      const float error = x[i + lane] - (fit.scale * v - fit.offset);
      errors.sums[lane] += w[i + lane] * error * error;
    }
  }
  return errors.total();
}

}  // namespace owlet
