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

constexpr DType kEncodable[] = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                                DType::kQ5_0, DType::kIQ4_NL, DType::kQ6_K, DType::kQ4_1, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K};

std::vector<float> random_row(int64_t n, uint64_t seed) {
  Random random{seed};
  std::vector<float> row(static_cast<size_t>(n));
  for (float& x : row) x = static_cast<float>(random.normal());
  return row;
}

std::vector<std::byte> encode(DType dtype, const std::vector<float>& row, const std::vector<float>& importance = {}) {
  const auto n = static_cast<int64_t>(row.size());
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, n)));
  quantize_row(dtype, row.data(), bytes.data(), n, importance.empty() ? nullptr : importance.data());
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
  x[0] = -8.0f;  // the largest magnitude: code 0, scale 1, without any error
  x[16] = 7.0f;  // shares the byte, high nibble
  x[1] = 7.0f;
  x[17] = 1.0f;
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

// Mean squared errors of normal numbers of variance 1; a code of evenly used n bits would be near 12 · 4^-n.
TEST(Blocks, ScalesAreFittedByLeastSquares) {
  const auto x = random_row(1 << 16, 11);
  const auto mean_squared_error = [&](DType dtype) {
    const auto back = decode(dtype, encode(dtype, x), x.size());
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - back[i]) * (x[i] - back[i]);
    return sum / static_cast<double>(x.size());
  };
  const double q4_0 = mean_squared_error(DType::kQ4_0), q5_0 = mean_squared_error(DType::kQ5_0);
  const double nl = mean_squared_error(DType::kIQ4_NL);
  EXPECT_LT(q5_0, 0.25 * q4_0);
  const double q6_k = mean_squared_error(DType::kQ6_K);
  EXPECT_LT(nl, 0.85 * q4_0);
  EXPECT_LT(q6_k, 0.3 * q5_0);
  fmt::print("mean squared error: q4_0 {:.6f}, iq4_nl {:.6f}, q5_0 {:.6f}, q6_k {:.6f}\n", q4_0, nl, q5_0, q6_k);
}

// Values that a type can hold come back as they were: encoding is a projection.
TEST(Blocks, EncodingTwiceChangesNothing) {
  const auto x = random_row(1024, 3);
  for (const DType dtype : kEncodable) {
    if (is_quantized(dtype)) continue;  // the rounded scale moves the next one
    const auto once = encode(dtype, x);
    EXPECT_EQ(encode(dtype, decode(dtype, once, x.size())), once) << to_string(dtype);
  }
  EXPECT_EQ(decode(DType::kF32, encode(DType::kF32, x), x.size()), x);
  EXPECT_EQ(decode(DType::kF64, encode(DType::kF64, x), x.size()), x);
}

// One number of each block of 256 whose bits lie in several places, worked out from the formats' descriptions. d = 1, m = 0.5.
constexpr uint16_t kOne = 0x3c00, kHalf = 0x3800;

template <class Block>
std::vector<float> decode_block(DType dtype, const Block& block) {
  std::vector<float> out(static_cast<size_t>(dtype_info(dtype).block_size));
  dequantize_row(dtype, &block, out.data(), static_cast<int64_t>(out.size()));
  return out;
}

TEST(Blocks, FiveBitsAreDecoded) {
  const BlockQ5_0 q5_0{kOne, {0x02, 0, 0, 0x80}, {0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70}};
  const auto a = decode_block(DType::kQ5_0, q5_0);
  EXPECT_EQ(a[0], -16.0f);
  EXPECT_EQ(a[1], 3.0f);
  EXPECT_EQ(a[31], 7.0f);
  const BlockQ5_1 q5_1{kOne, kHalf, {0x02, 0, 0, 0x80}, {0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70}};
  const auto b = decode_block(DType::kQ5_1, q5_1);
  EXPECT_EQ(b[1], 19.5f);
  EXPECT_EQ(b[31], 23.5f);
  const BlockQ4_1 q4_1{kOne, kHalf, {0x93}};
  EXPECT_EQ(decode_block(DType::kQ4_1, q4_1)[0], 3.5f);
  EXPECT_EQ(decode_block(DType::kQ4_1, q4_1)[16], 9.5f);
}

TEST(Blocks, UnevenStepsAreDecoded) {
  const BlockIQ4_NL nl{kOne, {0xf0}};
  EXPECT_EQ(decode_block(DType::kIQ4_NL, nl)[0], -127.0f);
  EXPECT_EQ(decode_block(DType::kIQ4_NL, nl)[16], 113.0f);
  BlockIQ4_XS xs{kOne, 2 << 6, {0, 0x50, 0, 0}, {}};  // sub-block 3: 5 + (2 << 4) − 32 = 5
  xs.q[16 * 3] = 0x8f;
  EXPECT_EQ(decode_block(DType::kIQ4_XS, xs)[96], 5 * 113.0f);
  EXPECT_EQ(decode_block(DType::kIQ4_XS, xs)[96 + 16], 5.0f);
}

TEST(Blocks, SuperBlocksAreDecoded) {
  BlockQ2_K q2{{}, {}, kOne, kHalf};
  q2.scales[13] = 0x43;      // half 1, j = 2, second sixteen: scale 3, offset 4
  q2.q[32 + 17] = 2 << 4;    // number 128 + 64 + 17
  EXPECT_EQ(decode_block(DType::kQ2_K, q2)[209], 3 * 2.0f - 4 * 0.5f);
  BlockQ3_K q3{{}, {}, {}, kOne};
  q3.scales[13 - 8] = 0x30;  // scale 13: low nibble 3 …
  q3.scales[8 + 1] = 2 << 6; // … and upper bits 2: 35 − 32
  q3.q[32 + 17] = 2 << 4;
  EXPECT_EQ(decode_block(DType::kQ3_K, q3)[209], 3 * -2.0f);
  q3.high[17] = 1 << 6;
  EXPECT_EQ(decode_block(DType::kQ3_K, q3)[209], 3 * 2.0f);
  BlockQ5_K q5{kOne, kHalf, {}, {}, {}};
  q5.scales[1] = 1 << 6;     // sub-block 5: scale 2 + 16, offset 3 + 32
  q5.scales[5] = 2 << 6;
  q5.scales[9] = 0x32;
  q5.q[64 + 7] = 0x90;
  q5.high[7] = 1 << 5;
  EXPECT_EQ(decode_block(DType::kQ5_K, q5)[167], 18 * 25.0f - 35 * 0.5f);
  BlockQ4_K q4{kOne, kHalf, {}, {}};
  std::copy(std::begin(q5.scales), std::end(q5.scales), q4.scales);
  q4.q[64 + 7] = 0x90;
  EXPECT_EQ(decode_block(DType::kQ4_K, q4)[167], 18 * 9.0f - 35 * 0.5f);
}

TEST(Blocks, WholeNumbersAreDecoded) {
  const int32_t row[] = {-3, 0, 1 << 24};
  float out[3];
  dequantize_row(DType::kI32, row, out, 3);
  EXPECT_THAT(out, testing::ElementsAre(-3.0f, 0.0f, 16777216.0f));
}

TEST(Blocks, ZerosStayZeros) {
  for (const DType dtype : kEncodable) {
    EXPECT_THAT(decode(dtype, encode(dtype, std::vector<float>(kSuperBlock, 0.0f)), kSuperBlock), testing::Each(0.0f)) << to_string(dtype);
  }
}

// Weights come from files: no float may lead outside the codes (the sanitizers watch the conversions).
TEST(Blocks, EveryFloatHasACode) {
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min(),
                       -std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(), 1e-40f, 0.0f};
  for (const DType dtype : kEncodable) {
    for (const float a : odd) {
      for (const float b : odd) {
        std::vector<float> x(kSuperBlock, 1.0f);
        x[0] = a;
        x[17] = b;
        encode(dtype, x);
        std::vector<float> tiny(kSuperBlock, 0.0f);
        tiny[0] = a;
        tiny[17] = b;
        encode(dtype, tiny);
        encode(dtype, x, tiny);
        encode(dtype, tiny, x);
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
