// Gated units (Shazeer, "GLU Variants Improve Transformer", 2020): out = activation(gate) · up; and soft caps.
#include <cmath>

#include "kernels/reference/reference_ops.h"

namespace owlet {
namespace {

// An activation at one point, and its slope there.
template <class T>
struct Curve {
  T value;
  T slope;
};

// x · σ(x)
template <class T>
Curve<T> silu(T x) {
  const T sigmoid = 1 / (1 + std::exp(-x));
  return {x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))};
}

// x / 2 · (1 + tanh u), u = √(2/π) · (x + 0.044715 x³)
template <class T>
Curve<T> gelu_tanh(T x) {
  const T root = static_cast<T>(0.79788456080286535588), cubic = static_cast<T>(0.044715);
  const T t = std::tanh(root * (x + cubic * x * x * x));
  const T u_slope = root * (1 + 3 * cubic * x * x);
  return {x / 2 * (1 + t), (1 + t) / 2 + x / 2 * (1 - t * t) * u_slope};
}

template <class T>
Curve<T> curve(Activation activation, T x) {
  return activation == Activation::kSilu ? silu(x) : gelu_tanh(x);
}

}  // namespace

void ReferenceOps::glu(TensorView out_NF, TensorView gate_NF, TensorView up_NF, Activation activation) {
  check::glu(kTypes, out_NF, gate_NF, up_NF);
  by_type(gate_NF.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < gate_NF.numel(); ++i) {
      out_NF.as<T>()[i] = curve(activation, gate_NF.as<T>()[i]).value * up_NF.as<T>()[i];
    }
  });
}

// dup = dout · activation(gate),  dgate = dout · up · activation'(gate).
void ReferenceOps::glu_backward(TensorView dgate_NF, TensorView dup_NF, TensorView dout_NF,
                                TensorView gate_NF, TensorView up_NF, Activation activation) {
  check::glu_backward(kTypes, dgate_NF, dup_NF, dout_NF, gate_NF, up_NF);
  by_type(gate_NF.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < gate_NF.numel(); ++i) {
      const Curve<T> gate = curve(activation, gate_NF.as<T>()[i]);
      const T up = up_NF.as<T>()[i];
      const T dout = dout_NF.as<T>()[i];
      dup_NF.as<T>()[i] = dout * gate.value;
      dgate_NF.as<T>()[i] = dout * up * gate.slope;
    }
  });
}

void ReferenceOps::soft_cap(TensorView x, double cap) {
  check::soft_cap(kTypes, x, cap);
  by_type(x.dtype, [&]<class T>(T) {
    const T c = static_cast<T>(cap);
    for (int64_t i = 0; i < x.numel(); ++i) x.as<T>()[i] = c * std::tanh(x.as<T>()[i] / c);
  });
}

// d/dx cap · tanh(x / cap) = 1 − tanh², and tanh = capped / cap.
void ReferenceOps::soft_cap_backward(TensorView dx, TensorView capped, double cap) {
  check::soft_cap_backward(kTypes, dx, capped, cap);
  by_type(dx.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < dx.numel(); ++i) {
      const T t = capped.as<T>()[i] / static_cast<T>(cap);
      dx.as<T>()[i] *= 1 - t * t;
    }
  });
}

}  // namespace owlet
