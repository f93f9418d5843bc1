#include "quant/blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/half.h"
#include "core/random.h"

namespace owlet {
namespace {

constexpr DType kEncodable[] = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0};

std::vector<float> random_row(int64_t n, uint64_t seed) {
  Random random{seed};
  std::vector<float> row(static_cast<size_t>(n));
  for (float& x : row) x = static_cast<float>(random.normal());
  return row;
}

std::vector<std::byte> encode(DType dtype, const std::vector<float>& row) {
  const auto n = static_cast<int64_t>(row.size());
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, n)));
  quantize_row(dtype, row.data(), bytes.data(), n);
  return bytes;
}

std::vector<float> decode(DType dtype, const std::vector<std::byte>& bytes, size_t n) {
  std::vector<float> row(n);
  dequantize_row(dtype, bytes.data(), row.data(), static_cast<int64_t>(n));
  return row;
}

// Blocks worked out by hand from the format's description.
TEST(Blocks, Q8_0HasTheDocumentedBytes) {
  std::vector<float> x(kBlock, 0.0f);
  x[0] = 127.0f;  // the scale is 1
  x[1] = -127.0f;
  x[2] = 2.5f;  // halves away from zero
  x[3] = -2.5f;
  x[31] = 0.4f;
  const auto bytes = encode(DType::kQ8_0, x);
  BlockQ8_0 block;
  std::memcpy(&block, bytes.data(), sizeof block);
  EXPECT_EQ(block.d, 0x3c00);
  EXPECT_EQ(block.q[0], 127);
  EXPECT_EQ(block.q[1], -127);
  EXPECT_EQ(block.q[2], 3);
  EXPECT_EQ(block.q[3], -3);
  EXPECT_EQ(block.q[31], 0);
}

TEST(Blocks, Q4_0HasTheDocumentedBytes) {
  std::vector<float> x(kBlock, 0.0f);
  x[0] = -8.0f;  // the largest magnitude: code 0, scale 1
  x[16] = 7.0f;  // shares the byte, high nibble
  x[1] = 7.9f;   // would be 16: held at 15
  x[17] = 0.5f;  // 8.5 + 0.5 = 9
  const auto bytes = encode(DType::kQ4_0, x);
  BlockQ4_0 block;
  std::memcpy(&block, bytes.data(), sizeof block);
  EXPECT_EQ(block.d, 0x3c00);
  EXPECT_EQ(block.q[0], 0xf0);
  EXPECT_EQ(block.q[1], 0x9f);
  EXPECT_EQ(block.q[2], 0x88);
  const auto back = decode(DType::kQ4_0, bytes, kBlock);
  EXPECT_EQ(back[0], -8.0f);
  EXPECT_EQ(back[16], 7.0f);
  EXPECT_EQ(back[1], 7.0f);
  EXPECT_EQ(back[17], 1.0f);
  EXPECT_EQ(back[2], 0.0f);
}

// Half a step of each format: float16's scale adds 2^-11 of the value.
TEST(Blocks, ErrorStaysWithinTheStep) {
  const auto x = random_row(4096, 7);
  for (const auto& [dtype, steps] : {std::pair(DType::kQ8_0, 127.0f), std::pair(DType::kQ4_0, 8.0f)}) {
    const auto back = decode(dtype, encode(dtype, x), x.size());
    for (size_t block = 0; block < x.size(); block += kBlock) {
      float largest = 0;
      for (size_t i = block; i < block + kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
      // Q4_0's largest positive code is 7, not 8: a whole step there.
      const float bound = largest / steps * (dtype == DType::kQ4_0 ? 1.0f : 0.5f) + largest * 0x1p-10f;
      for (size_t i = block; i < block + kBlock; ++i) EXPECT_LE(std::fabs(back[i] - x[i]), bound) << to_string(dtype);
    }
  }
}

// Values that a type can hold come back as they were: encoding is a projection.
TEST(Blocks, EncodingTwiceChangesNothing) {
  const auto x = random_row(1024, 3);
  for (const DType dtype : kEncodable) {
    if (dtype == DType::kQ4_0 || dtype == DType::kQ8_0) continue;  // the rounded scale moves the next one
    const auto once = encode(dtype, x);
    EXPECT_EQ(encode(dtype, decode(dtype, once, x.size())), once) << to_string(dtype);
  }
  EXPECT_EQ(decode(DType::kF32, encode(DType::kF32, x), x.size()), x);
  EXPECT_EQ(decode(DType::kF64, encode(DType::kF64, x), x.size()), x);
}

TEST(Blocks, WholeNumbersAreDecoded) {
  const int32_t row[] = {-3, 0, 1 << 24};
  float out[3];
  dequantize_row(DType::kI32, row, out, 3);
  EXPECT_THAT(out, testing::ElementsAre(-3.0f, 0.0f, 16777216.0f));
}

TEST(Blocks, ZerosStayZeros) {
  for (const DType dtype : kEncodable) {
    EXPECT_THAT(decode(dtype, encode(dtype, std::vector<float>(64, 0.0f)), 64), testing::Each(0.0f)) << to_string(dtype);
  }
}

// Weights come from files: no float may lead outside the codes (the sanitizers watch the conversions).
TEST(Blocks, EveryFloatHasACode) {
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min(),
                       -std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(), 1e-40f, 0.0f};
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0}) {
    for (const float a : odd) {
      for (const float b : odd) {
        std::vector<float> x(kBlock, 1.0f);
        x[0] = a;
        x[17] = b;
        encode(dtype, x);
        std::vector<float> tiny(kBlock, 0.0f);
        tiny[0] = a;
        tiny[17] = b;
        encode(dtype, tiny);
      }
    }
  }
  std::vector<float> x(kBlock, 1.0f);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  const auto back = decode(DType::kQ8_0, encode(DType::kQ8_0, x), kBlock);
  EXPECT_EQ(back[5], 0.0f);
  EXPECT_NEAR(back[6], 1.0f, 1e-3f);
}

TEST(BlocksDeathTest, HalfABlockIsOurOwnMistake) {
  std::vector<float> x(40, 0.0f);
  std::vector<std::byte> out(64);
  EXPECT_DEATH(quantize_row(DType::kQ8_0, x.data(), out.data(), 40), "quantize_row");
}

}  // namespace
}  // namespace owlet
