// A model's tensors as ONNX initializers: dequantized, or in 8 bits with a scale for each output. Matrices stand as MatMul wants
// them, inputs first, and rotated rows in the order of halves. Contents are made while they are written, one matrix at a time.
#pragma once

#include <string>

#include "io/onnx.h"
#include "model/stored.h"

namespace owlet {

// `stored` lives on in the tensors. All float32: [O, I] (or [O]) as it is, and [I, O].
OnnxTensor float_rows(const StoredTensor& stored);
OnnxTensor float_columns(const StoredTensor& stored);

// weight[o, i] ≈ (q[o, i] − 128) · scale[o], scale = max |weight[o]| / 127: uint8 [O, I], uint8 [I, O], float32 [O].
// Signed codes would save the 128, but where a processor multiplies uint8 by int8 in pairs (x86 before VNNI), runtimes' sums of
// two products stop at 2¹⁵ − 1, and logits go wrong.
constexpr uint8_t kInt8Zero = 128;
OnnxTensor int8_rows(const StoredTensor& stored);
OnnxTensor int8_columns(const StoredTensor& stored);
OnnxTensor int8_scales(const StoredTensor& stored);

}  // namespace owlet
