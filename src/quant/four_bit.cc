#include "quant/four_bit.h"

#include <algorithm>
#include <cmath>

#include "quant/row_codec.h"

namespace owlet {
namespace {

constexpr std::array<float, 16> kNf4Values = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
                                              -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
                                              0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                              0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

// Code 8 is the sign. A zero of either sign is zero.
constexpr std::array<float, 16> kFp4Values = {0.0f, 1 / 192.0f, 2 / 3.0f, 1.0f, 1 / 3.0f, 1 / 2.0f, 1 / 6.0f, 1 / 4.0f,
                                              0.0f, -1 / 192.0f, -2 / 3.0f, -1.0f, -1 / 3.0f, -1 / 2.0f, -1 / 6.0f, -1 / 4.0f};

// Codes in the order of their values, and what lies half-way between neighbours: a number has as many of those strictly below it
// as its place in that order. Between FP4's two zeros it is their sign that decides, which no decoder sees.
struct Ladder {
  std::array<uint8_t, 16> codes;
  std::array<float, 15> midpoints;
};

Ladder make_ladder(const std::array<float, 16>& values) {
  Ladder ladder;
  for (uint8_t i = 0; i < 16; ++i) ladder.codes[i] = i;
  std::sort(ladder.codes.begin(), ladder.codes.end(),
            [&](uint8_t a, uint8_t b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  for (size_t i = 0; i < 15; ++i) ladder.midpoints[i] = (values[ladder.codes[i]] + values[ladder.codes[i + 1]]) / 2;
  return ladder;
}

const Ladder& ladder_of(FourBit type) {
  static const Ladder nf4 = make_ladder(kNf4Values), fp4 = make_ladder(kFp4Values);
  return type == FourBit::kNf4 ? nf4 : fp4;
}

// Codes of up to a block, two a byte; returns its scale.
float encode_numbers(FourBit type, std::span<const float> x, uint8_t* codes) {
  const Ladder& ladder = ladder_of(type);
  float scale = 0;
  for (const float value : x) scale = std::max(scale, std::abs(value));
  const float inverse = scale > 0 ? 1 / scale : 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const float scaled = x[i] * inverse;
    size_t place = 0;
    for (const float midpoint : ladder.midpoints) place += scaled > midpoint;
    codes[i / 2] = static_cast<uint8_t>((i % 2 == 0 ? 0 : codes[i / 2]) | ladder.codes[place] << (i % 2 == 0 ? 4 : 0));
  }
  return scale;
}

void encode_nf4(const float* x, const float*, BlockNf4& block) {
  block.scale = encode_numbers(FourBit::kNf4, {x, kFourBitBlock}, block.codes);
}

void decode_nf4(const BlockNf4& block, float* out) {
  for (size_t i = 0; i < kFourBitBlock / 2; ++i) {
    out[2 * i] = block.scale * kNf4Values[block.codes[i] >> 4];
    out[2 * i + 1] = block.scale * kNf4Values[block.codes[i] & 15];
  }
}

}  // namespace

const RowCodec kNf4Codec = block_codec<BlockNf4, kFourBitBlock, encode_nf4, decode_nf4>();

const std::array<float, 16>& four_bit_values(FourBit type) { return type == FourBit::kNf4 ? kNf4Values : kFp4Values; }

FourBitTensor encode_four_bit(FourBit type, std::span<const float> x) {
  FourBitTensor tensor{.type = type, .n = static_cast<int64_t>(x.size()), .codes = std::vector<uint8_t>((x.size() + 1) / 2), .scales = {}};
  for (size_t begin = 0; begin < x.size(); begin += kFourBitBlock) {
    const auto block = x.subspan(begin, std::min<size_t>(kFourBitBlock, x.size() - begin));
    tensor.scales.push_back(encode_numbers(type, block, tensor.codes.data() + begin / 2));
  }
  return tensor;
}

void decode_four_bit(const FourBitTensor& tensor, std::span<float> out) {
  const auto& values = four_bit_values(tensor.type);
  for (size_t i = 0; i < out.size(); ++i) {
    const int code = tensor.codes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
    out[i] = values[static_cast<size_t>(code)] * tensor.scales[i / kFourBitBlock];
  }
}

CodedScales encode_scales(std::span<const float> scales) {
  double sum = 0;
  for (const float scale : scales) sum += static_cast<double>(scale);
  CodedScales coded{.mean = scales.empty() ? 0.0f : static_cast<float>(sum / static_cast<double>(scales.size())), .rest = {}};
  std::vector<float> rest(scales.begin(), scales.end());
  for (float& value : rest) value -= coded.mean;
  coded.rest = encode_dynamic(DynamicMap::kSigned, rest);
  return coded;
}

std::vector<float> decode_scales(const CodedScales& coded) {
  std::vector<float> scales(coded.rest.codes.size());
  decode_dynamic(coded.rest, scales);
  for (float& value : scales) value += coded.mean;
  return scales;
}

void round_scales(std::span<BlockNf4> blocks) {
  std::vector<float> scales;
  for (const BlockNf4& block : blocks) scales.push_back(block.scale);
  scales = decode_scales(encode_scales(scales));
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i].scale = scales[i];
}

}  // namespace owlet
