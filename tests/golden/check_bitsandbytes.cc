// 4-bit and 8-bit blocks against bitsandbytes.
#include <algorithm>

#include "io/safetensors.h"
#include "quant/blocks.h"
#include "quant/four_bit.h"
#include "report.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

struct Expected {
  const Safetensors& file;
  Result<std::vector<float>> floats(const std::string& name) const {
    OWLET_ASSIGN(const Tensor tensor, file.tensor(name));
    std::vector<float> x(static_cast<size_t>(tensor.numel()));
    dequantize_row(tensor.dtype(), tensor.view().data, x.data(), tensor.numel());
    return x;
  }
  Result<std::vector<uint8_t>> bytes(const std::string& name) const {
    OWLET_ASSIGN(const auto bytes, file.bytes(name));
    const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
    return std::vector<uint8_t>(first, first + bytes.size());
  }
};

std::vector<uint8_t> nibbles(const std::vector<uint8_t>& packed) {
  std::vector<uint8_t> codes;
  for (const uint8_t byte : packed) codes.insert(codes.end(), {static_cast<uint8_t>(byte >> 4), static_cast<uint8_t>(byte & 15)});
  return codes;
}

// Codes on a rounding tie may differ by one, one in 10,000.
size_t n_different(const std::vector<uint8_t>& ours, const std::vector<uint8_t>& theirs) {
  size_t n = ours.size() == theirs.size() ? 0 : theirs.size();
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) n += ours[i] != theirs[i];
  return n;
}
bool may_differ(size_t different, size_t n) { return different * 10'000 <= n; }

// "normal.float32.nf4": an input in blocks of 64, its scales plain ("single") and in 8 bits ("double").
Status check_four_bit(const Expected& expected, const std::string& input, FourBit type, const std::string& name,
                      const fs::path& file, Report& report) {
  OWLET_ASSIGN(const auto x, expected.floats(input + ".input"));
  OWLET_ASSIGN(const auto codes, expected.bytes(name + ".single.packed"));
  OWLET_ASSIGN(const auto scales, expected.floats(name + ".single.absmax"));
  OWLET_ASSIGN(const auto numbers, expected.floats(name + ".single.dequantized"));
  OWLET_ASSIGN(const auto scale_codes, expected.bytes(name + ".double.absmax"));
  OWLET_ASSIGN(const auto mean, expected.floats(name + ".double.offset"));
  OWLET_ASSIGN(const auto rest_scales, expected.floats(name + ".double.state2.absmax"));
  OWLET_ASSIGN(const auto coarse, expected.floats(name + ".double.dequantized"));
  const bool bf16 = input.ends_with("bfloat16");
  const double tolerance = bf16 ? 1.0 / 256 : 1e-6;  // the reference rounds its answer to the input's type
  FourBitTensor ours = encode_four_bit(type, x);
  std::vector<float> decoded(x.size());
  decode_four_bit(ours, decoded);
  const size_t different = n_different(nibbles(ours.codes), nibbles(codes));
  const double error = relative_error(decoded, numbers);
  const CodedScales coded = encode_scales(ours.scales);
  const size_t scales_different = n_different(coded.rest.codes, scale_codes);
  const double scale_error = std::max(relative_error({&coded.mean, 1}, mean), relative_error(coded.rest.scales, rest_scales));
  const bool same_scales = ours.scales == scales;
  ours.scales = decode_scales(coded);
  decode_four_bit(ours, decoded);
  const double coarse_error = relative_error(decoded, coarse);
  report.check(may_differ(different, x.size()) && same_scales && error <= tolerance && may_differ(scales_different, scales.size()) &&
                   scale_error <= 1e-6 && coarse_error <= tolerance,
               file / name, fmt::format("{} of {} codes differ, scales {}, {:.1e}; scales in 8 bits: {} codes differ, {:.1e}", different,
                                        x.size(), same_scales ? "equal" : "DIFFER", error, scales_different, coarse_error));
  return {};
}

Status check_dynamic(const Expected& expected, DynamicMap map, const std::string& name, const fs::path& file, Report& report) {
  OWLET_ASSIGN(const auto x, expected.floats(name + ".input"));
  OWLET_ASSIGN(const auto values, expected.floats(name + ".code"));
  OWLET_ASSIGN(const auto codes, expected.bytes(name + ".codes"));
  OWLET_ASSIGN(const auto scales, expected.floats(name + ".absmax"));
  OWLET_ASSIGN(const auto numbers, expected.floats(name + ".dequantized"));
  const DynamicTensor ours = encode_dynamic(map, x);
  std::vector<float> decoded(x.size());
  decode_dynamic(ours, decoded);
  const size_t different = n_different(ours.codes, codes);
  const double map_error = relative_error(dynamic_values(map), values), error = relative_error(decoded, numbers);
  report.check(may_differ(different, x.size()) && ours.scales == scales && map_error <= 1e-6 && error <= 1e-6, file / name,
               fmt::format("{} of {} codes differ, map {:.1e}, {:.1e}", different, x.size(), map_error, error));
  return {};
}

// Six steps of AdamW with 8-bit moments: weights after each, codes and scales after the last.
Status check_adamw(const Safetensors& file, Context context, const fs::path& path, Report& report) {
  const Expected expected{file};
  OWLET_ASSIGN(const Tensor start, file.tensor("adamw8bit.start"));
  OWLET_ASSIGN(const auto gradients, expected.floats("adamw8bit.gradients"));
  OWLET_ASSIGN(const auto weights, expected.floats("adamw8bit.weights"));
  const int64_t n = start.numel(), padded = (n + kDynamicBlock - 1) / kDynamicBlock * kDynamicBlock;
  const auto size = static_cast<size_t>(n);
  Tensor weight(DType::kF32, start.shape());
  const Tensor m(DType::kDynamic, {padded}), v(DType::kDynamicUnsigned, {padded}), gradient(DType::kF32, start.shape());
  context.ops.copy(weight, start);
  double error = 0;
  for (size_t step = 0; (step + 1) * size <= gradients.size(); ++step) {
    std::copy_n(gradients.begin() + static_cast<std::ptrdiff_t>(step * size), size, gradient.f32());
    context.ops.adamw(weight, gradient, m, v, {.lr = 1e-3, .weight_decay = 0.1, .step = static_cast<int64_t>(step) + 1});
    error = std::max(error, relative_error(weight.span<float>(), std::span(weights).subspan(step * size, size)));
  }
  size_t different = 0;
  bool same_scales = true;
  for (const auto& [moment, index] : {std::pair{m, 1}, {v, 2}}) {
    OWLET_ASSIGN(const auto codes, expected.bytes(fmt::format("adamw8bit.state{}", index)));
    OWLET_ASSIGN(const auto scales, expected.floats(fmt::format("adamw8bit.absmax{}", index)));
    std::vector<uint8_t> ours;
    std::vector<float> our_scales;
    for (int64_t i = 0; i < padded / kDynamicBlock; ++i) {
      const DynamicBlock& block = moment.view().as<DynamicBlock>()[i];
      ours.insert(ours.end(), block.codes, block.codes + std::min(kDynamicBlock, n - i * kDynamicBlock));
      our_scales.push_back(block.scale);
    }
    different += n_different(ours, codes);
    same_scales = same_scales && our_scales == scales;
  }
  report.check(error <= 1e-4 && may_differ(different, 2 * size) && same_scales, path / "adamw8bit",
               fmt::format("weights {:.1e}, {} of {} codes differ, scales {}", error, different, 2 * size, same_scales ? "equal" : "DIFFER"));
  return {};
}

Status check_file(const fs::path& path, Context context, Report& report) {
  OWLET_ASSIGN(const Safetensors file, Safetensors::open(path));
  const Expected expected{file};
  for (const std::string& name : file.names()) {
    if (!name.ends_with(".input")) continue;
    const std::string input = name.substr(0, name.size() - std::string_view(".input").size());
    if (input.starts_with("dynamic.")) {
      OWLET_TRY(check_dynamic(expected, input.ends_with("unsigned") ? DynamicMap::kUnsigned : DynamicMap::kSigned, input, path, report));
      continue;
    }
    OWLET_TRY(check_four_bit(expected, input, FourBit::kNf4, input + ".nf4", path, report));
    OWLET_TRY(check_four_bit(expected, input, FourBit::kFp4, input + ".fp4", path, report));
  }
  return file.has("adamw8bit.start") ? check_adamw(file, context, path, report) : Status();
}

}  // namespace

void check_bitsandbytes(const fs::path& root, Context context, Report& report) {
  for (const fs::path& file : entries(root / "bitsandbytes")) {
    if (file.extension() != ".safetensors") continue;
    const Status status = check_file(file, context, report);
    if (!status.ok()) report.fail(file, status.error().to_string());
  }
}

}  // namespace owlet::golden
