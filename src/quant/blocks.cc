#include "quant/blocks.h"

#include "quant/row_codec.h"

namespace owlet {
namespace {

const RowCodec& row_codec(DType dtype) {
  switch (dtype) {
    case DType::kF32: return kF32Codec;
    case DType::kF64: return kF64Codec;
    case DType::kF16: return kF16Codec;
    case DType::kBF16: return kBF16Codec;
    case DType::kI32: return kI32Codec;
    case DType::kQ8_0: return kQ8_0Codec;
    case DType::kQ4_0: return kQ4_0Codec;
    case DType::kQ6_K: return kQ6_KCodec;
    case DType::kQ4_1: return kQ4_1Codec;
    case DType::kQ5_0: return kQ5_0Codec;
    case DType::kQ5_1: return kQ5_1Codec;
    case DType::kQ2_K: return kQ2_KCodec;
    case DType::kQ3_K: return kQ3_KCodec;
    case DType::kQ4_K: return kQ4_KCodec;
    case DType::kQ5_K: return kQ5_KCodec;
    case DType::kIQ4_NL: return kIQ4_NLCodec;
    case DType::kIQ4_XS: return kIQ4_XSCodec;
    case DType::kNf4: return kNf4Codec;
    case DType::kDynamic: return kDynamicCodec;
    case DType::kDynamicUnsigned: return kDynamicUnsignedCodec;
  }
  OWLET_CHECK(false, "[row_codec] type {}", static_cast<int>(dtype));
}

}  // namespace

bool is_encodable(DType dtype) { return row_codec(dtype).encode != nullptr; }

void quantize_row(DType dtype, const float* x, void* out, int64_t n, const float* importance) {
  const RowCodec& codec = row_codec(dtype);
  OWLET_CHECK(codec.encode && n % dtype_info(dtype).block_size == 0, "[quantize_row] {} × {}", n, to_string(dtype));
  codec.encode(x, importance, out, n);
}

void dequantize_row(DType dtype, const void* row, float* out, int64_t n) {
  OWLET_CHECK(n % dtype_info(dtype).block_size == 0, "[dequantize_row] {} × {}", n, to_string(dtype));
  row_codec(dtype).decode(row, out, n);
}

}  // namespace owlet
