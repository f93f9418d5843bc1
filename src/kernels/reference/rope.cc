// Rotary position embedding (Su et al., "RoFormer", 2021): each pair (a, b) of a head's first R numbers turns by its position's
// angle, (a cos − b sin, a sin + b cos). The backward pass turns the other way.
#include "kernels/reference/reference_ops.h"

namespace owlet {
namespace {

// x_NHE in place; cos_sin_PR holds R/2 cosines, then R/2 sines a position. `direction` is 1 or −1.
template <class T>
void rotate(T* x, const T* cos_sin, std::span<const int32_t> positions, int64_t h, int64_t e, int64_t rotated_dims,
            bool interleaved, T direction) {
  const int64_t half = rotated_dims / 2;
  for (const int32_t position : positions) {
    const T* cosines = cos_sin + position * rotated_dims;
    const T* sines = cosines + half;
    for (int64_t head = 0; head < h; ++head, x += e) {
      for (int64_t i = 0; i < half; ++i) {
        T& a = x[interleaved ? 2 * i : i];
        T& b = x[interleaved ? 2 * i + 1 : i + half];
        const T sine = direction * sines[i];
        const T rotated = a * cosines[i] - b * sine;
        b = a * sine + b * cosines[i];
        a = rotated;
      }
    }
  }
}

void rotate_view(TensorView x_NHE, int64_t e, TensorView cos_sin_PR, std::span<const int32_t> positions,
                 bool interleaved, int direction) {
  if (positions.empty()) return;
  const int64_t h = x_NHE.numel() / (static_cast<int64_t>(positions.size()) * e);
  by_type(x_NHE.dtype, [&]<class T>(T) {
    rotate(x_NHE.as<T>(), cos_sin_PR.as<T>(), positions, h, e, cos_sin_PR.cols(), interleaved, static_cast<T>(direction));
  });
}

}  // namespace

void ReferenceOps::rope(TensorView x_NHE, int64_t head_dim, TensorView cos_sin_PR,
                        std::span<const int32_t> positions, bool interleaved) {
  check::rope(kTypes, x_NHE, head_dim, cos_sin_PR, positions);
  rotate_view(x_NHE, head_dim, cos_sin_PR, positions, interleaved, 1);
}

void ReferenceOps::rope_backward(TensorView dx_NHE, int64_t head_dim, TensorView cos_sin_PR,
                                 std::span<const int32_t> positions, bool interleaved) {
  check::rope(kTypes, dx_NHE, head_dim, cos_sin_PR, positions);
  rotate_view(dx_NHE, head_dim, cos_sin_PR, positions, interleaved, -1);
}

}  // namespace owlet
