#include "quant/dynamic_map.h"

#include <algorithm>
#include <cmath>

namespace owlet {
namespace {

constexpr int kDecades = 7;
constexpr int kSteps = 1 << 16;

std::array<float, 256> make_values(DynamicMap map) {
  std::array<float, 256> values{};
  size_t n = 0;
  for (int decade = 0; decade < kDecades; ++decade) {
    const int count = map == DynamicMap::kSigned ? 1 << decade : 2 << decade;
    const double top = std::pow(10.0, decade - kDecades + 1);
    for (int i = 0; i < count; ++i) {
      const auto value = static_cast<float>(top * (0.1 + 0.9 * (i + 0.5) / count));
      values[n++] = value;
      if (map == DynamicMap::kSigned) values[n++] = -value;
    }
  }
  values[n++] = 0;
  values[n++] = 1;
  std::sort(values.begin(), values.end());
  return values;
}

// The code of each of the equal steps of [−1, 1].
std::vector<uint8_t> make_codes(const std::array<float, 256>& values) {
  std::vector<uint8_t> codes(kSteps);
  size_t code = 0;
  for (int step = 0; step < kSteps; ++step) {
    const double middle = (step + 0.5) / (kSteps / 2) - 1;
    while (code < 255 && middle > (static_cast<double>(values[code]) + static_cast<double>(values[code + 1])) / 2) ++code;
    codes[static_cast<size_t>(step)] = static_cast<uint8_t>(code);
  }
  return codes;
}

const std::vector<uint8_t>& step_codes(DynamicMap map) {
  static const auto with_sign = make_codes(dynamic_values(DynamicMap::kSigned));
  static const auto without = make_codes(dynamic_values(DynamicMap::kUnsigned));
  return map == DynamicMap::kSigned ? with_sign : without;
}

}  // namespace

const std::array<float, 256>& dynamic_values(DynamicMap map) {
  static const auto with_sign = make_values(DynamicMap::kSigned), without = make_values(DynamicMap::kUnsigned);
  return map == DynamicMap::kSigned ? with_sign : without;
}

DynamicTensor encode_dynamic(DynamicMap map, std::span<const float> x) {
  DynamicTensor tensor{.map = map, .codes = std::vector<uint8_t>(x.size()), .scales = {}};
  const std::vector<uint8_t>& codes = step_codes(map);
  for (size_t begin = 0; begin < x.size(); begin += kDynamicBlock) {
    const size_t end = std::min<size_t>(begin + kDynamicBlock, x.size());
    float scale = 0;
    for (size_t i = begin; i < end; ++i) scale = std::max(scale, std::abs(x[i]));
    tensor.scales.push_back(scale);
    for (size_t i = begin; i < end; ++i) {
      const float scaled = scale > 0 ? x[i] / scale : 0;
      const auto step = static_cast<int>((scaled + 1) * (kSteps / 2));
      tensor.codes[i] = codes[static_cast<size_t>(std::clamp(step, 0, kSteps - 1))];
    }
  }
  return tensor;
}

void decode_dynamic(const DynamicTensor& tensor, std::span<float> out) {
  const auto& values = dynamic_values(tensor.map);
  for (size_t i = 0; i < out.size(); ++i) out[i] = values[tensor.codes[i]] * tensor.scales[i / kDynamicBlock];
}

}  // namespace owlet
