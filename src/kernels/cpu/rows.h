// Ops that look at one row, or one element, at a time: norms, activation, rotation, loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "core/tensor.h"
#include "core/thread_pool.h"
#include "kernels/draws.h"
#include "kernels/ops.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vectors.h"

namespace owlet::cpu {

template <class S>
class Rows {
 public:
  explicit Rows(ThreadPool& pool) : pool_(pool) {}
  using F = typename S::F;

  // norm_weight: float32.
  void rms_norm(TensorView out, TensorView rstd, TensorView x, const float* weight, double eps) {
    const int64_t d = x.cols();
    pool_.parallel_for(x.rows(), 4, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* row = x.f32() + r * d;
        float* to = out.f32() + r * d;
        const float scale = 1.0f / std::sqrt(dot<S>(row, row, d) / static_cast<float>(d) + static_cast<float>(eps));
        if (rstd) rstd.f32()[r] = scale;
        // Normalised first, then weighted, as the models this comes from do.
        over_vectors<S>(d, [&](auto load, auto store) { store(to, S::mul(S::mul(load(row), S::set1(scale)), load(weight))); });
      }
    });
  }

  void rms_norm_backward(TensorView dx, Into into, TensorView dweight, TensorView dout, TensorView x, const float* weight,
                         TensorView rstd) {
    const int64_t d = x.cols(), chunks = (x.rows() + kChunk - 1) / kChunk;
    float* partial = partial_.get<float>(chunks * d);
    pool_.parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
      std::fill(partial + first * d, partial + last * d, 0.0f);
      for (int64_t r = first * kChunk; r < std::min(x.rows(), last * kChunk); ++r) {
        const float* xr = x.f32() + r * d;
        const float* dr = dout.f32() + r * d;
        float* to = dx.f32() + r * d;
        float* dw = partial + r / kChunk * d;
        const float s = rstd.f32()[r];
        const F scale = S::set1(s);
        F sum = S::zero();
        over_vectors<S>(d, [&](auto load, auto store) {
          store(dw, S::fma(S::mul(load(xr), scale), load(dr), load(dw)));
          sum = S::fma(S::mul(load(dr), load(weight)), load(xr), sum);
        });
        const F pull = S::set1(-S::sum(sum) / static_cast<float>(d) * s * s * s);
        over_vectors<S>(d, [&](auto load, auto store) {
          F value = S::fma(load(xr), pull, S::mul(S::mul(load(dr), load(weight)), scale));
          if (into == Into::kAdd) value = S::add(load(to), value);
          store(to, value);
        });
      }
    });
    if (!dweight) return;
    for (int64_t c = 0; c < chunks; ++c) {
      for (int64_t i = 0; i < d; ++i) dweight.f32()[i] += partial[c * d + i];
    }
  }

  void glu(TensorView out, TensorView gate, TensorView up, Activation activation) {
    activation == Activation::kSilu ? glu<Silu>(out, gate, up) : glu<GeluTanh>(out, gate, up);
  }
  void glu_backward(TensorView dgate, TensorView dup, TensorView dout, TensorView gate, TensorView up, Activation activation) {
    activation == Activation::kSilu ? glu_backward<Silu>(dgate, dup, dout, gate, up)
                                    : glu_backward<GeluTanh>(dgate, dup, dout, gate, up);
  }

  void soft_cap(TensorView x, double cap) {
    const F factor = S::set1(static_cast<float>(cap)), inverse = S::set1(static_cast<float>(1 / cap));
    elements(x.numel(), [&](int64_t at, int64_t n) {
      float* p = x.f32() + at;
      over_vectors<S>(n, [&](auto load, auto store) { store(p, S::mul(tanh<S>(S::mul(load(p), inverse)), factor)); });
    });
  }
  void soft_cap_backward(TensorView dx, TensorView capped, double cap) {
    const F one = S::set1(1.0f), inverse = S::set1(static_cast<float>(1 / cap));
    elements(dx.numel(), [&](int64_t at, int64_t n) {
      float* p = dx.f32() + at;
      const float* c = capped.f32() + at;
      over_vectors<S>(n, [&](auto load, auto store) {
        const F t = S::mul(load(c), inverse);
        store(p, S::mul(load(p), S::sub(one, S::mul(t, t))));
      });
    });
  }

  // bias: float32.
  void add_bias(TensorView x, const float* bias, int64_t d) {
    pool_.parallel_for(x.numel() / d, 8, [&](int64_t begin, int64_t end) {
      for (float* row = x.f32() + begin * d; row < x.f32() + end * d; row += d) {
        over_vectors<S>(d, [&](auto load, auto store) { store(row, S::add(load(row), load(bias))); });
      }
    });
  }
  void scale_columns(TensorView out, TensorView x, TensorView scale) {
    const int64_t d = scale.numel();
    pool_.parallel_for(x.numel() / d, 8, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* row = x.f32() + r * d;
        float* to = out.f32() + r * d;
        over_vectors<S>(d, [&](auto load, auto store) { store(to, S::mul(load(row), load(scale.f32()))); });
      }
    });
  }
  // Threads own columns: rows are added in their order.
  void scale_columns_backward(TensorView dscale, TensorView dout, TensorView x) {
    const int64_t d = dscale.numel(), n = x.numel() / d;
    pool_.parallel_for(d, 64, [&](int64_t begin, int64_t end) {
      float* to = dscale.f32() + begin;
      for (int64_t r = 0; r < n; ++r) {
        const float *a = dout.f32() + r * d + begin, *b = x.f32() + r * d + begin;
        over_vectors<S>(end - begin, [&](auto load, auto store) { store(to, S::fma(load(a), load(b), load(to))); });
      }
    });
  }
  // Threads own columns: rows are added in their order.
  void bias_backward(TensorView dbias, TensorView dout) {
    const int64_t d = dbias.numel(), n = dout.numel() / d;
    pool_.parallel_for(d, 64, [&](int64_t begin, int64_t end) {
      float* to = dbias.f32() + begin;
      for (int64_t r = 0; r < n; ++r) {
        const float* row = dout.f32() + r * d + begin;
        over_vectors<S>(end - begin, [&](auto load, auto store) { store(to, S::add(load(to), load(row))); });
      }
    });
  }

  void rope(TensorView x, int64_t e, TensorView cos_sin, std::span<const int32_t> positions, bool interleaved, float direction) {
    const int64_t rotated = cos_sin.cols(), half = rotated / 2, n = static_cast<int64_t>(positions.size());
    const int64_t width = n == 0 ? 0 : x.numel() / n;
    pool_.parallel_for(n, 8, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* cosine = cos_sin.f32() + positions[static_cast<size_t>(r)] * rotated;
        const float* sine = cosine + half;
        for (float* head = x.f32() + r * width; head < x.f32() + (r + 1) * width; head += e) {
          for (int64_t i = 0; i < half; ++i) {
            float& a = head[interleaved ? 2 * i : i];
            float& b = head[interleaved ? 2 * i + 1 : i + half];
            const float s = direction * sine[i], real = a * cosine[i] - b * s, imaginary = a * s + b * cosine[i];
            a = real;
            b = imaginary;
          }
        }
      }
    });
  }

  void cross_entropy(TensorView loss, TensorView logits, std::span<const int32_t> targets, double dloss, double z_loss) {
    const int64_t v = logits.cols();
    pool_.parallel_for(logits.rows(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        float* row = logits.f32() + r * v;
        const int32_t target = targets[static_cast<size_t>(r)];
        if (target < 0) {
          loss.f32()[r] = 0;
          if (dloss != 0) std::fill(row, row + v, 0.0f);
          continue;
        }
        F top = S::set1(row[0]);
        int64_t i = 0;
        for (; i + S::kLanes <= v; i += S::kLanes) top = S::max(top, S::load(row + i));
        float largest = S::largest(top);
        for (; i < v; ++i) largest = std::max(largest, row[i]);
        const F shift = S::set1(largest);
        const float at_target = row[target] - largest;
        const float sum = sum_exp(row, v, shift, dloss != 0);
        loss.f32()[r] = std::log(sum) - at_target;
        if (dloss == 0) continue;
        const float pull = 1 + 2 * static_cast<float>(z_loss) * (std::log(sum) + largest);
        const F factor = S::set1(static_cast<float>(dloss) * pull / sum);
        over_vectors<S>(v, [&](auto load, auto store) { store(row, S::mul(load(row), factor)); });
        row[target] -= static_cast<float>(dloss);
      }
    });
  }

  void dropout(TensorView out, Into into, TensorView x, double p, const Draw& draw) {
    const float factor = static_cast<float>(1 / (1 - p));
    const uint32_t below = drop_below(p);
    elements(x.numel(), [&](int64_t at, int64_t n) {
      for (int64_t i = at; i < at + n; i += kDrawsAtOnce) {
        const auto bits = draw_group(draw, i / kDrawsAtOnce);
        for (int64_t j = 0; j < std::min(kDrawsAtOnce, at + n - i); ++j) {
          const float value = bits[static_cast<size_t>(j)] >= below ? x.f32()[i + j] * factor : 0.0f;
          out.f32()[i + j] = into == Into::kAdd ? out.f32()[i + j] + value : value;
        }
      }
    });
  }

  void add_scaled(TensorView out, double a, TensorView x, double b, TensorView y) {
    const F fa = S::set1(static_cast<float>(a)), fb = S::set1(static_cast<float>(b));
    elements(out.numel(), [&](int64_t at, int64_t n) {
      const float *px = x.f32() + at, *py = y.f32() + at;
      float* to = out.f32() + at;
      over_vectors<S>(n, [&](auto load, auto store) {
        F value = a != 0 ? S::mul(fa, load(px)) : S::zero();
        if (b != 0) value = S::fma(fb, load(py), value);
        store(to, value);
      });
    });
  }

  double sum_of_squares(TensorView x) {
    const int64_t n = x.numel(), chunks = (n + kSumChunk - 1) / kSumChunk;
    double* sums = partial_.get<double>(chunks);
    pool_.parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const float* p = x.f32() + c * kSumChunk;
        sums[c] = static_cast<double>(dot<S>(p, p, std::min(kSumChunk, n - c * kSumChunk)));
      }
    });
    double total = 0;
    for (int64_t c = 0; c < chunks; ++c) total += sums[c];
    return total;
  }

 private:
  static constexpr int64_t kChunk = 128;       // rows whose weight gradients are summed before they meet the others'
  static constexpr int64_t kSumChunk = 1024;

  static F sigmoid(F x) { return S::div(S::set1(1.0f), S::add(S::set1(1.0f), exp<S>(S::sub(S::zero(), x)))); }

  // Both activations are x · σ(z(x)), since (1 + tanh u) / 2 = σ(2u).
  struct Silu {
    static F z(F x) { return x; }
    static F z_slope(F) { return S::set1(1.0f); }
  };
  struct GeluTanh {
    static constexpr float kLinear = 1.59576912f, kCubic = 0.0713548162f;  // 2 √(2/π), and times 0.044715
    static F z(F x) { return S::mul(x, S::fma(S::mul(x, x), S::set1(kCubic), S::set1(kLinear))); }
    static F z_slope(F x) { return S::fma(S::mul(x, x), S::set1(3 * kCubic), S::set1(kLinear)); }
  };

  template <class A>
  void glu(TensorView out, TensorView gate, TensorView up) {
    elements(out.numel(), [&](int64_t at, int64_t n) {
      const float *g = gate.f32() + at, *u = up.f32() + at;
      float* o = out.f32() + at;
      over_vectors<S>(n, [&](auto load, auto store) { store(o, S::mul(S::mul(load(g), sigmoid(A::z(load(g)))), load(u))); });
    });
  }

  template <class A>
  void glu_backward(TensorView dgate, TensorView dup, TensorView dout, TensorView gate, TensorView up) {
    elements(dout.numel(), [&](int64_t at, int64_t n) {
      const float *g = gate.f32() + at, *u = up.f32() + at, *d = dout.f32() + at;
      float *dg = dgate.f32() + at, *du = dup.f32() + at;
      over_vectors<S>(n, [&](auto load, auto store) {
        const F x = load(g), s = sigmoid(A::z(x)), grad = load(d);
        const F value = S::mul(x, s);
        const F slope = S::fma(S::mul(value, A::z_slope(x)), S::sub(S::set1(1.0f), s), s);  // s + x·s·(1 − s)·z'
        const F to_gate = S::mul(S::mul(grad, load(u)), slope), to_up = S::mul(grad, value);
        store(dg, to_gate);
        store(du, to_up);
      });
    });
  }

  // Σ e^(row − shift), leaving the exponentials in the row where they are wanted.
  static float sum_exp(float* row, int64_t v, F shift, bool keep) {
    F sum = S::zero();
    int64_t i = 0;
    for (; i + S::kLanes <= v; i += S::kLanes) {
      const F e = exp<S>(S::sub(S::load(row + i), shift));
      sum = S::add(sum, e);
      if (keep) S::store(row + i, e);
    }
    float rest = 0;
    for (; i < v; ++i) {
      float buffer[S::kLanes];
      S::store(buffer, exp<S>(S::sub(S::set1(row[i]), shift)));
      rest += buffer[0];
      if (keep) row[i] = buffer[0];
    }
    return S::sum(sum) + rest;
  }

  template <class Body>
  void elements(int64_t n, const Body& body) {
    pool_.parallel_for(n, 4096, [&](int64_t begin, int64_t end) { body(begin, end - begin); });
  }

  ThreadPool& pool_;
  Scratch partial_;
};

}  // namespace owlet::cpu
