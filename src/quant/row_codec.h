// How rows of one type are encoded and decoded. A format is one file that defines its codec, a declaration here and a line in
// blocks.cc.
#pragma once

#include <algorithm>
#include <cstdint>

namespace owlet {

struct RowCodec {
  // Null where the type is only read. `importance`: n weights of the squared errors; null: all count alike.
  void (*encode)(const float* x, const float* importance, void* out, int64_t n);
  void (*decode)(const void* row, float* out, int64_t n);
};

extern const RowCodec kF32Codec, kF64Codec, kF16Codec, kBF16Codec, kI32Codec;
extern const RowCodec kQ8_0Codec;
extern const RowCodec kQ4_0Codec;
extern const RowCodec kQ6_KCodec;
extern const RowCodec kQ4_1Codec, kQ5_0Codec, kQ5_1Codec;
extern const RowCodec kQ2_KCodec, kQ3_KCodec, kQ4_KCodec, kQ5_KCodec;
extern const RowCodec kIQ4_NLCodec, kIQ4_XSCodec;
extern const RowCodec kNf4Codec, kDynamicCodec, kDynamicUnsignedCodec;

// The codec of a type made of blocks that is only read.
template <class Block, int kElements, void (*kDecode)(const Block&, float*)>
constexpr RowCodec block_decoder() {
  return {nullptr, [](const void* row, float* out, int64_t n) {
            const auto* blocks = static_cast<const Block*>(row);
            for (int64_t i = 0; i < n / kElements; ++i) kDecode(blocks[i], out + i * kElements);
          }};
}

// The codec of a type made of blocks, from the two functions that know one block. The encoding one is given weights in any case.
template <class Block, int kElements, void (*kEncode)(const float*, const float*, Block&), void (*kDecode)(const Block&, float*)>
constexpr RowCodec block_codec() {
  return {[](const float* x, const float* importance, void* out, int64_t n) {
            auto* blocks = static_cast<Block*>(out);
            float alike[kElements];
            std::fill_n(alike, kElements, 1.0f);
            for (int64_t i = 0; i < n / kElements; ++i) {
              kEncode(x + i * kElements, importance ? importance + i * kElements : alike, blocks[i]);
            }
          },
          [](const void* row, float* out, int64_t n) {
            const auto* blocks = static_cast<const Block*>(row);
            for (int64_t i = 0; i < n / kElements; ++i) kDecode(blocks[i], out + i * kElements);
          }};
}

}  // namespace owlet
