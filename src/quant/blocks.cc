#include "quant/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/half.h"

namespace owlet {
namespace {

void quantize_block(const float* x, BlockQ8_0& block) {
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  block.d = f32_to_f16(d);
  for (int i = 0; i < kBlock; ++i) block.q[i] = static_cast<int8_t>(std::roundf(x[i] * inverse));
}

// The number of largest magnitude becomes −8, the one code without a positive twin.
void quantize_block(const float* x, BlockQ4_0& block) {
  float largest = 0, signed_largest = 0;
  for (int i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) > largest) {
      largest = std::fabs(x[i]);
      signed_largest = x[i];
    }
  }
  const float d = signed_largest / -8.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  block.d = f32_to_f16(d);
  const auto code = [inverse](float value) { return std::min(15, static_cast<int>(value * inverse + 8.5f)); };
  for (int i = 0; i < kBlock / 2; ++i) {
    block.q[i] = static_cast<uint8_t>(code(x[i]) | (code(x[i + kBlock / 2]) << 4));
  }
}

void dequantize_block(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(block.q[i]);
}

void dequantize_block(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>((block.q[i] & 15) - 8);
    out[i + kBlock / 2] = d * static_cast<float>((block.q[i] >> 4) - 8);
  }
}

template <class Block>
void quantize_blocks(const float* x, void* out, int64_t n) {
  auto* blocks = static_cast<Block*>(out);
  for (int64_t i = 0; i < n / kBlock; ++i) quantize_block(x + i * kBlock, blocks[i]);
}

template <class Block>
void dequantize_blocks(const void* row, float* out, int64_t n) {
  const auto* blocks = static_cast<const Block*>(row);
  for (int64_t i = 0; i < n / kBlock; ++i) dequantize_block(blocks[i], out + i * kBlock);
}

}  // namespace

void quantize_row(DType dtype, const float* x, void* out, int64_t n) {
  auto* halves = static_cast<uint16_t*>(out);
  switch (dtype) {
    case DType::kF32: std::memcpy(out, x, static_cast<size_t>(n) * 4); return;
    case DType::kF16: std::transform(x, x + n, halves, f32_to_f16); return;
    case DType::kBF16: std::transform(x, x + n, halves, f32_to_bf16); return;
    case DType::kQ8_0: return quantize_blocks<BlockQ8_0>(x, out, n);
    case DType::kQ4_0: return quantize_blocks<BlockQ4_0>(x, out, n);
    case DType::kF64:
    case DType::kI32: break;
  }
  OWLET_CHECK(false, "[quantize_row] {}", to_string(dtype));
}

void dequantize_row(DType dtype, const void* row, float* out, int64_t n) {
  const auto* halves = static_cast<const uint16_t*>(row);
  switch (dtype) {
    case DType::kF32: std::memcpy(out, row, static_cast<size_t>(n) * 4); return;
    case DType::kF16: std::transform(halves, halves + n, out, f16_to_f32); return;
    case DType::kBF16: std::transform(halves, halves + n, out, bf16_to_f32); return;
    case DType::kQ8_0: return dequantize_blocks<BlockQ8_0>(row, out, n);
    case DType::kQ4_0: return dequantize_blocks<BlockQ4_0>(row, out, n);
    case DType::kF64:
    case DType::kI32: break;
  }
  OWLET_CHECK(false, "[dequantize_row] {}", to_string(dtype));
}

}  // namespace owlet
