// The numbers that GGUF gives to the types of metadata and of tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/dtype.h"

namespace owlet::gguf {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kVersion = 3;
constexpr uint64_t kAlignment = 32;

enum ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

// Bytes of one value; 0 for texts, lists and unknown types.
constexpr uint64_t value_bytes(uint32_t type) {
  switch (type) {
    case kU8:
    case kI8:
    case kBool: return 1;
    case kU16:
    case kI16: return 2;
    case kU32:
    case kI32:
    case kF32: return 4;
    case kU64:
    case kI64:
    case kF64: return 8;
    default: return 0;
  }
}

struct TensorType {
  uint32_t id;
  std::string_view name;
  uint64_t block_size;         // elements
  uint64_t block_bytes;
  std::optional<DType> dtype;  // none: known, not read
};

constexpr TensorType kTensorTypes[] = {
    {0, "f32", 1, 4, DType::kF32},
    {1, "f16", 1, 2, DType::kF16},
    {2, "q4_0", 32, 18, DType::kQ4_0},
    {3, "q4_1", 32, 20, DType::kQ4_1},
    {6, "q5_0", 32, 22, DType::kQ5_0},
    {7, "q5_1", 32, 24, DType::kQ5_1},
    {8, "q8_0", 32, 34, DType::kQ8_0},
    {9, "q8_1", 32, 36, {}},
    {10, "q2_k", 256, 84, DType::kQ2_K},
    {11, "q3_k", 256, 110, DType::kQ3_K},
    {12, "q4_k", 256, 144, DType::kQ4_K},
    {13, "q5_k", 256, 176, DType::kQ5_K},
    {14, "q6_k", 256, 210, DType::kQ6_K},
    {15, "q8_k", 256, 292, {}},
    {16, "iq2_xxs", 256, 66, {}},
    {17, "iq2_xs", 256, 74, {}},
    {18, "iq3_xxs", 256, 98, {}},
    {19, "iq1_s", 256, 50, {}},
    {20, "iq4_nl", 32, 18, DType::kIQ4_NL},
    {21, "iq3_s", 256, 110, {}},
    {22, "iq2_s", 256, 82, {}},
    {23, "iq4_xs", 256, 136, DType::kIQ4_XS},
    {24, "i8", 1, 1, {}},
    {25, "i16", 1, 2, {}},
    {26, "i32", 1, 4, DType::kI32},
    {27, "i64", 1, 8, {}},
    {28, "f64", 1, 8, DType::kF64},
    {29, "iq1_m", 256, 56, {}},
    {30, "bf16", 1, 2, DType::kBF16},
    {34, "tq1_0", 256, 54, {}},
    {35, "tq2_0", 256, 66, {}},
    {39, "mxfp4", 32, 17, {}},
};

constexpr const TensorType* find_tensor_type(uint32_t id) {
  for (const TensorType& type : kTensorTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

// The padding's end: n rounded up to a multiple of `alignment`. Far from overflow: n is a position in a file.
constexpr uint64_t align_up(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

}  // namespace owlet::gguf
