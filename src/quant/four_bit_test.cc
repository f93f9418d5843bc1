#include "quant/four_bit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/random.h"

namespace owlet {
namespace {

std::vector<float> normals(size_t n) {
  Random random{.seed = 3};
  std::vector<float> x(n);
  for (float& value : x) value = static_cast<float>(random.normal());
  return x;
}

// No other code would have been nearer.
TEST(FourBit, CodesAreNearest) {
  for (const FourBit type : {FourBit::kNf4, FourBit::kFp4}) {
    const auto x = normals(350);  // the last block is short
    const FourBitTensor tensor = encode_four_bit(type, x);
    ASSERT_EQ(tensor.codes.size(), 175u);
    ASSERT_EQ(tensor.scales.size(), 6u);
    std::vector<float> decoded(x.size());
    decode_four_bit(tensor, decoded);
    for (size_t i = 0; i < x.size(); ++i) {
      const float scale = tensor.scales[i / 64];
      for (const float value : four_bit_values(type)) {
        EXPECT_LE(std::abs(decoded[i] - x[i]), std::abs(value * scale - x[i]) + 1e-6f * scale) << i;
      }
    }
  }
}

TEST(FourBit, TheFirstNumberHasTheHighNibble) {
  EXPECT_EQ(encode_four_bit(FourBit::kNf4, std::vector<float>{1, -1}).codes, std::vector<uint8_t>{0xf0});
  EXPECT_EQ(encode_four_bit(FourBit::kFp4, std::vector<float>{1, -1, 0.5f}).codes, (std::vector<uint8_t>{0x3b, 0x50}));
}

TEST(FourBit, ZerosStayZeros) {
  const std::vector<float> zeros(100);
  std::vector<float> decoded(100, 1);
  decode_four_bit(encode_four_bit(FourBit::kNf4, zeros), decoded);
  EXPECT_EQ(decoded, zeros);
}

TEST(FourBit, ScalesInEightBitsAreNearTheirs) {
  auto scales = normals(1000);
  for (float& scale : scales) scale = std::abs(scale);
  const CodedScales coded = encode_scales(scales);
  EXPECT_EQ(coded.rest.scales.size(), 4u);
  const auto decoded = decode_scales(coded);
  for (size_t i = 0; i < scales.size(); ++i) {
    EXPECT_NEAR(decoded[i], scales[i], 0.008f * coded.rest.scales[i / 256]);  // half of the widest step, 0.9 / 64
  }
  EXPECT_TRUE(decode_scales(encode_scales({})).empty());
}

TEST(DynamicMap, Has256DifferentValues) {
  for (const DynamicMap map : {DynamicMap::kSigned, DynamicMap::kUnsigned}) {
    const auto& values = dynamic_values(map);
    EXPECT_EQ(std::set<float>(values.begin(), values.end()).size(), 256u);
    EXPECT_EQ(values.back(), 1);
    std::vector<float> x(values.begin(), values.end()), decoded(256);
    for (float& value : x) value *= 3;
    decode_dynamic(encode_dynamic(map, x), decoded);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(decoded[i], x[i], 3.0 / 32768);  // a step of the table
  }
}

}  // namespace
}  // namespace owlet
