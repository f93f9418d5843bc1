// SwiGLU (Shazeer, "GLU Variants Improve Transformer", 2020): out = silu(gate) · up, silu(x) = x · σ(x).
#include <cmath>

#include "kernels/reference/reference_ops.h"

namespace owlet {

void ReferenceOps::swiglu(TensorView out_NF, TensorView gate_NF, TensorView up_NF) {
  check::swiglu(kTypes, out_NF, gate_NF, up_NF);
  by_type(gate_NF.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < gate_NF.numel(); ++i) {
      const T gate = gate_NF.as<T>()[i];
      out_NF.as<T>()[i] = gate / (1 + std::exp(-gate)) * up_NF.as<T>()[i];
    }
  });
}

// dup = dout · silu(gate),  dgate = dout · up · σ(gate) · (1 + gate · (1 − σ(gate))).
void ReferenceOps::swiglu_backward(TensorView dgate_NF, TensorView dup_NF, TensorView dout_NF,
                                   TensorView gate_NF, TensorView up_NF) {
  check::swiglu_backward(kTypes, dgate_NF, dup_NF, dout_NF, gate_NF, up_NF);
  by_type(gate_NF.dtype, [&]<class T>(T) {
    for (int64_t i = 0; i < gate_NF.numel(); ++i) {
      const T gate = gate_NF.as<T>()[i];
      const T up = up_NF.as<T>()[i];
      const T dout = dout_NF.as<T>()[i];
      const T sigmoid = 1 / (1 + std::exp(-gate));
      dup_NF.as<T>()[i] = dout * gate * sigmoid;
      dgate_NF.as<T>()[i] = dout * up * sigmoid * (1 + gate * (1 - sigmoid));
    }
  });
}

}  // namespace owlet
