#include "quant/k_fit.h"

#include <limits>

#include "quant/fit.h"

namespace owlet {
namespace {

constexpr int kSub = 32, kSubs = kSuperBlock / kSub;
constexpr int kMostScale = 63;

class Search {
 public:
  Search(const float* x, const float* w, int most) : x_(x), w_(w), most_(most) {}

  SuperBlockFit run() {
    RangeFit alone[kSubs];
    float scale = 0, offset = 0;
    for (int sub = 0; sub < kSubs; ++sub) {
      alone[sub] = fit_range(x_ + kSub * sub, w_ + kSub * sub, kSub, most_, Offset::kNotNegative);
      scale = std::max(scale, alone[sub].scale);
      offset = std::max(offset, alone[sub].offset);
    }
    set(scale / kMostScale, offset / kMostScale);
    for (int sub = 0; sub < kSubs; ++sub) {
      scales_[sub] = nearest_int(alone[sub].scale * inverse_of(d_), 0, kMostScale);
      offsets_[sub] = nearest_int(alone[sub].offset * inverse_of(m_), 0, kMostScale);
    }
    float error = improve_sub_blocks();
    SuperBlockFit best = result();
    for (int turn = 0; turn < 2; ++turn) {
      refit_d_and_m();
      const float next = improve_sub_blocks();
      if (!(next < error)) break;
      error = next;
      best = result();
    }
    return best;
  }

 private:
  void set(float d, float m) {
    half_d_ = f32_to_f16(d);
    half_m_ = f32_to_f16(m);
    d_ = f16_to_f32(half_d_);
    m_ = f16_to_f32(half_m_);
  }
  RangeFit range(int s, int t) const { return {d_ * static_cast<float>(s), m_ * static_cast<float>(t)}; }

  // Each sub-block's s and t to the best of nine; the error of all of them.
  float improve_sub_blocks() {
    float total = 0;
    for (int sub = 0; sub < kSubs; ++sub) {
      const int s = scales_[sub], t = offsets_[sub];
      float best = std::numeric_limits<float>::infinity();
      for (int next_s = std::max(s - 1, 0); next_s <= std::min(s + 1, kMostScale); ++next_s) {
        for (int next_t = std::max(t - 1, 0); next_t <= std::min(t + 1, kMostScale); ++next_t) {
          const float error = range_error(x_ + kSub * sub, w_ + kSub * sub, kSub, most_, range(next_s, next_t));
          if (error < best) {
            best = error;
            scales_[sub] = next_s;
            offsets_[sub] = next_t;
          }
        }
      }
      total += best;
    }
    return total;
  }

  float code(int i, float inverse, float shift) const { return nearest_float(x_[i] * inverse + shift, 0, static_cast<float>(most_)); }

  // Least squares of x = d · (s·q) − m · t with q as they are.
  void refit_d_and_m() {
    float aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int sub = 0; sub < kSubs; ++sub) {
      const RangeFit fit = range(scales_[sub], offsets_[sub]);
      const float inverse = inverse_of(fit.scale), shift = fit.offset * inverse;
      const float s = static_cast<float>(scales_[sub]), t = static_cast<float>(offsets_[sub]);
      for (int i = kSub * sub; i < kSub * (sub + 1); ++i) {
        const float a = s * code(i, inverse, shift);
        aa += w_[i] * a * a;
        ab += w_[i] * a * t;
        bb += w_[i] * t * t;
        xa += w_[i] * a * x_[i];
        xb += w_[i] * t * x_[i];
      }
    }
    const float determinant = aa * bb - ab * ab;
    const float d = determinant > 0 ? (xa * bb - xb * ab) / determinant : aa > 0 ? xa / aa : 0;
    const float m = determinant > 0 ? (xa * ab - xb * aa) / determinant : 0;
    if (d > 0 && m >= 0) set(d, m);
  }

  SuperBlockFit result() const {
    SuperBlockFit out;
    out.d = half_d_;
    out.m = half_m_;
    for (int sub = 0; sub < kSubs; ++sub) {
      const RangeFit fit = range(scales_[sub], offsets_[sub]);
      const float inverse = inverse_of(fit.scale), shift = fit.offset * inverse;
      out.scales[sub] = static_cast<uint8_t>(scales_[sub]);
      out.offsets[sub] = static_cast<uint8_t>(offsets_[sub]);
      for (int i = kSub * sub; i < kSub * (sub + 1); ++i) out.codes[i] = static_cast<uint8_t>(code(i, inverse, shift));
    }
    return out;
  }

  const float* x_;
  const float* w_;
  int most_;
  uint16_t half_d_ = 0, half_m_ = 0;
  float d_ = 0, m_ = 0;
  int scales_[kSubs] = {}, offsets_[kSubs] = {};
};

}  // namespace

SuperBlockFit fit_super_block(const float* x, const float* w, int most) { return Search(x, w, most).run(); }

}  // namespace owlet
