#include "quant/dynamic_map.h"

#include <algorithm>
#include <cmath>

#include "quant/row_codec.h"

namespace owlet {
namespace {

constexpr int kDecades = 7;
constexpr int kSteps = 1 << 16;

// The i-th of n + 1 evenly spaced numbers from 0.1 to 1, counted from the nearer end and rounded once, as the reference does.
float boundary(int i, int n) {
  const auto step = static_cast<float>((1 - 0.1) / n);
  return i < (n + 1) / 2 ? std::fma(step, static_cast<float>(i), 0.1f) : std::fma(-step, static_cast<float>(n - i), 1.0f);
}

std::array<float, 256> make_values(DynamicMap map) {
  std::array<float, 256> values{};
  size_t n = 0;
  for (int decade = 0; decade < kDecades; ++decade) {
    const int count = map == DynamicMap::kSigned ? 1 << decade : 2 << decade;
    const auto top = static_cast<float>(std::pow(10.0, decade - kDecades + 1));
    for (int i = 0; i < count; ++i) {
      const float value = top * ((boundary(i, count) + boundary(i + 1, count)) / 2);
      values[n++] = value;
      if (map == DynamicMap::kSigned) values[n++] = -value;
    }
  }
  values[n++] = 0;
  values[n++] = 1;
  std::sort(values.begin(), values.end());
  return values;
}

// The code of each of the evenly spaced numbers.
std::vector<uint8_t> make_codes(const std::array<float, 256>& values) {
  std::vector<uint8_t> codes(kSteps);
  size_t code = 0;
  for (int step = 0; step < kSteps; ++step) {
    const float x = static_cast<float>(step) / 32767.5f - 1;
    while (code < 255 && values[code + 1] - x < x - values[code]) ++code;
    codes[static_cast<size_t>(step)] = static_cast<uint8_t>(code);
  }
  return codes;
}

const std::vector<uint8_t>& step_codes(DynamicMap map) {
  static const auto with_sign = make_codes(dynamic_values(DynamicMap::kSigned));
  static const auto without = make_codes(dynamic_values(DynamicMap::kUnsigned));
  return map == DynamicMap::kSigned ? with_sign : without;
}

// Codes of up to a block; returns its scale.
float encode_numbers(DynamicMap map, const float* x, size_t n, uint8_t* codes) {
  const std::vector<uint8_t>& table = step_codes(map);
  float scale = 0;
  for (size_t i = 0; i < n; ++i) scale = std::max(scale, std::abs(x[i]));
  for (size_t i = 0; i < n; ++i) {
    const float scaled = scale > 0 ? x[i] / scale : 0;
    const float step = std::max(0.0f, (scaled + 1) * 32767.5f + 0.5f);  // 0 for what is no number
    codes[i] = table[static_cast<size_t>(std::min(step, static_cast<float>(kSteps - 1)))];
  }
  return scale;
}

}  // namespace

const std::array<float, 256>& dynamic_values(DynamicMap map) {
  static const auto with_sign = make_values(DynamicMap::kSigned), without = make_values(DynamicMap::kUnsigned);
  return map == DynamicMap::kSigned ? with_sign : without;
}

DynamicTensor encode_dynamic(DynamicMap map, std::span<const float> x) {
  DynamicTensor tensor{.map = map, .codes = std::vector<uint8_t>(x.size()), .scales = {}};
  for (size_t begin = 0; begin < x.size(); begin += kDynamicBlock) {
    const size_t n = std::min<size_t>(kDynamicBlock, x.size() - begin);
    tensor.scales.push_back(encode_numbers(map, x.data() + begin, n, tensor.codes.data() + begin));
  }
  return tensor;
}

void decode_dynamic(const DynamicTensor& tensor, std::span<float> out) {
  const auto& values = dynamic_values(tensor.map);
  for (size_t i = 0; i < out.size(); ++i) out[i] = values[tensor.codes[i]] * tensor.scales[i / kDynamicBlock];
}

void encode_block(DynamicMap map, const float* x, DynamicBlock& block) {
  block.scale = encode_numbers(map, x, kDynamicBlock, block.codes);
}

void decode_block(DynamicMap map, const DynamicBlock& block, float* out) {
  const auto& values = dynamic_values(map);
  for (size_t i = 0; i < kDynamicBlock; ++i) out[i] = values[block.codes[i]] * block.scale;
}

namespace {

template <DynamicMap kMap>
constexpr RowCodec kCodec = {[](const float* x, const float*, void* out, int64_t n) {
                               for (int64_t i = 0; i < n / kDynamicBlock; ++i) {
                                 encode_block(kMap, x + i * kDynamicBlock, static_cast<DynamicBlock*>(out)[i]);
                               }
                             },
                             [](const void* row, float* out, int64_t n) {
                               for (int64_t i = 0; i < n / kDynamicBlock; ++i) {
                                 decode_block(kMap, static_cast<const DynamicBlock*>(row)[i], out + i * kDynamicBlock);
                               }
                             }};

}  // namespace

const RowCodec kDynamicCodec = kCodec<DynamicMap::kSigned>, kDynamicUnsignedCodec = kCodec<DynamicMap::kUnsigned>;

}  // namespace owlet
