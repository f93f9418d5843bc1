// What every kernel family builds from an instruction set's vectors S.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace owlet::cpu {

// A matrix by its strides: element (i, j) is data[i · row + j · col]; one of the strides is 1.
struct Strided {
  const float* data;
  int64_t row;
  int64_t col;
};

// At most a vector's worth: the first n numbers, zeros behind them.
template <class S>
inline typename S::F load_up_to(const float* p, int64_t n) {
  return n >= S::kLanes ? S::load(p) : S::load_partial(p, n);
}
template <class S>
inline void store_up_to(float* p, typename S::F x, int64_t n) {
  n >= S::kLanes ? S::store(p, x) : S::store_partial(p, x, n);
}

// rows[i] lane j ↔ rows[j] lane i, in log2(kLanes) rounds of perfect shuffles.
template <class S>
inline void transpose(typename S::F (&rows)[S::kLanes]) {
  constexpr int64_t kHalf = S::kLanes / 2;
  typename S::F other[S::kLanes];
  for (int64_t round = 1; round < S::kLanes; round *= 2) {
    for (int64_t i = 0; i < kHalf; ++i) {
      other[2 * i] = S::interleave_low(rows[i], rows[i + kHalf]);
      other[2 * i + 1] = S::interleave_high(rows[i], rows[i + kHalf]);
    }
    for (int64_t i = 0; i < S::kLanes; ++i) rows[i] = other[i];
  }
}

// x = k · ln 2 + r, k whole, and (e^r − 1) / r to about two units in the last place (coefficients are the Taylor series';
// |r| ≤ ln 2 / 2 keeps the first dropped term below 1.3e-7).
template <class S>
struct Exponential {
  explicit Exponential(typename S::F x) {
    k = S::round(S::mul(x, S::set1(1.44269504f)));
    r = S::fma(k, S::set1(-0.693359375f), x);
    r = S::fma(k, S::set1(2.12194440e-4f), r);
    p = S::set1(1.0f / 720);
    for (const float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f}) p = S::fma(p, r, S::set1(c));
  }
  typename S::F k, r, p;
};

// e^x = 2^k · e^r. x below −87 counts as −87: 1.6e-38 stands for 0.
template <class S>
inline typename S::F exp(typename S::F x) {
  const Exponential<S> e(S::min(S::max(x, S::set1(-87.0f)), S::set1(88.0f)));
  return S::scale_by_power(S::fma(e.p, e.r, S::set1(1.0f)), e.k);
}

// tanh x = t / (t + 2) with t = e^2x − 1 = 2^k (e^r − 1) + (2^k − 1), in which nothing cancels. Beyond ±10 it is ±1.
template <class S>
inline typename S::F tanh(typename S::F x) {
  x = S::min(S::max(x, S::set1(-10.0f)), S::set1(10.0f));
  const Exponential<S> e(S::add(x, x));
  const typename S::F power = S::scale_by_power(S::set1(1.0f), e.k);
  const typename S::F t = S::fma(power, S::mul(e.p, e.r), S::sub(power, S::set1(1.0f)));
  return S::div(t, S::add(t, S::set1(2.0f)));
}

// body(i, load, store) over whole vectors of n elements and one partial one.
template <class S, class Body>
inline void over_vectors(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) {
    body([i](const float* p) { return S::load(p + i); }, [i](float* p, typename S::F x) { S::store(p + i, x); });
  }
  if (const int64_t rest = n - i; rest > 0) {
    body([i, rest](const float* p) { return S::load_partial(p + i, rest); },
         [i, rest](float* p, typename S::F x) { S::store_partial(p + i, x, rest); });
  }
}

// Σ a·b.
template <class S>
inline float dot(const float* a, const float* b, int64_t n) {
  typename S::F sum = S::zero();
  over_vectors<S>(n, [&](auto load, auto) { sum = S::fma(load(a), load(b), sum); });
  return S::sum(sum);
}

}  // namespace owlet::cpu
