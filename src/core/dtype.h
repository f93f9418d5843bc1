// Element types. A block-quantized type packs `block_size` elements of a row into `block_bytes` bytes; for the plain
// types a block is one element. Quantization is a dtype of a weight, nothing more.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace owlet {

enum class DType : uint8_t { kF32, kF64, kF16, kBF16, kI32, kQ8_0, kQ4_0, kQ6_K,
                           kQ4_1, kQ5_0, kQ5_1, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kIQ4_NL, kIQ4_XS,
                           kNf4, kDynamic, kDynamicUnsigned };

struct DTypeInfo {
  std::string_view name;  // "f32", "q8_0" …
  int block_size;         // elements per block
  int block_bytes;        // bytes per block
};

const DTypeInfo& dtype_info(DType dtype);
// "q8_0" → kQ8_0; the error lists the valid names.
Result<DType> parse_dtype(std::string_view name);
inline std::string_view to_string(DType dtype) { return dtype_info(dtype).name; }
inline bool is_quantized(DType dtype) { return dtype_info(dtype).block_size > 1; }
// Weights in blocks whose products take activations of 8 bits: not NF4, which is for training and decoded first, nor optimizers' states.
inline bool multiplies_in_8_bits(DType dtype) {
  return is_quantized(dtype) && dtype != DType::kNf4 && dtype != DType::kDynamic && dtype != DType::kDynamicUnsigned;
}
// How many neighbours among these activations have one scale: all that lie against a block of Q4_K or Q5_K, 32 for others.
inline int activations_per_scale(DType dtype) { return dtype == DType::kQ4_K || dtype == DType::kQ5_K ? 256 : 32; }
// Bytes of one row of n elements; n is a multiple of the block size.
inline int64_t row_bytes(DType dtype, int64_t n) {
  const DTypeInfo& info = dtype_info(dtype);
  return n / info.block_size * info.block_bytes;
}

}  // namespace owlet
