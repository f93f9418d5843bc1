#include "model/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <string>
#include <utility>

#include "model/config.h"

namespace owlet {
namespace {

constexpr std::array<std::pair<RopeScaling, std::string_view>, 6> kNames = {{{RopeScaling::kNone, "default"},
                                                                           {RopeScaling::kLinear, "linear"},
                                                                           {RopeScaling::kDynamic, "dynamic"},
                                                                           {RopeScaling::kYarn, "yarn"},
                                                                           {RopeScaling::kLlama3, "llama3"},
                                                                           {RopeScaling::kLongRope, "longrope"}}};

std::vector<double> plain_frequencies(double theta, int64_t dim) {
  std::vector<double> out;
  for (int64_t i = 0; i < dim; i += 2) {
    // In float32, as Hugging Face computes them: Adam's first steps amplify every last bit.
    const auto power = static_cast<float>(std::pow(theta, static_cast<double>(i) / static_cast<double>(dim)));
    out.push_back(static_cast<double>(1.0f / power));
  }
  return out;
}

double yarn_mscale(double scale, double mscale) { return scale <= 1 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0; }

RopeFrequencies yarn(const RopeConfig& r, std::vector<double> f, int64_t dim) {
  // The index of the frequency that turns `rotations` times over the original context.
  const auto correction = [&](double rotations) {
    return static_cast<double>(dim) * std::log(static_cast<double>(r.original_positions) / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(r.theta));
  };
  double low = correction(r.beta_fast), high = correction(r.beta_slow);
  if (r.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  RopeFrequencies out;
  for (size_t i = 0; i < f.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    out.per_position.push_back(static_cast<float>(f[i] / r.factor * ramp + f[i] * (1 - ramp)));
  }
  out.attention_factor = r.mscale != 0 && r.mscale_all_dim != 0
                             ? yarn_mscale(r.factor, r.mscale) / yarn_mscale(r.factor, r.mscale_all_dim)
                             : yarn_mscale(r.factor, 1.0);
  return out;
}

double llama3(const RopeConfig& r, double f) {
  const double wavelength = 2 * std::numbers::pi / f, original = static_cast<double>(r.original_positions);
  if (wavelength > original / r.low_freq_factor) return f / r.factor;
  if (wavelength < original / r.high_freq_factor) return f;
  const double smooth = (original / wavelength - r.low_freq_factor) / (r.high_freq_factor - r.low_freq_factor);
  return (1 - smooth) * f / r.factor + smooth * f;
}

RopeFrequencies long_rope(const RopeConfig& r, std::vector<double> f, int64_t reach) {
  const std::vector<double>& factors = reach > r.original_positions ? r.long_factors : r.short_factors;
  RopeFrequencies out;
  for (size_t i = 0; i < f.size(); ++i) out.per_position.push_back(static_cast<float>(f[i] / factors[i]));
  out.attention_factor = r.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(r.factor) / std::log(static_cast<double>(r.original_positions)));
  return out;
}

RopeFrequencies scaled(const RopeConfig& r, int64_t dim, int64_t reach) {
  std::vector<double> f = plain_frequencies(r.theta, dim);
  switch (r.scaling) {
    case RopeScaling::kNone: break;
    case RopeScaling::kLinear:
      for (double& x : f) x /= r.factor;
      break;
    case RopeScaling::kDynamic: {
      const double stretch = static_cast<double>(std::max(reach, r.original_positions)) / static_cast<double>(r.original_positions);
      const double n = static_cast<double>(dim);
      f = plain_frequencies(r.theta * std::pow(r.factor * stretch - (r.factor - 1), n / (n - 2)), dim);
      break;
    }
    case RopeScaling::kYarn: return yarn(r, std::move(f), dim);
    case RopeScaling::kLlama3:
      for (double& x : f) x = llama3(r, x);
      break;
    case RopeScaling::kLongRope: return long_rope(r, std::move(f), reach);
  }
  RopeFrequencies out;
  for (const double x : f) out.per_position.push_back(static_cast<float>(x));
  return out;
}

Status check_factors(std::string_view name, const std::vector<double>& factors, int64_t n) {
  if (static_cast<int64_t>(factors.size()) != n) {
    return make_error(ErrorCode::kInvalidArgument, "rope scaling: {} has {} factors for {} frequencies", name, factors.size(), n);
  }
  for (const double x : factors) {
    if (!(x > 0 && x < 1e9)) return make_error(ErrorCode::kInvalidArgument, "rope scaling: {} holds {}", name, x);
  }
  return {};
}

}  // namespace

std::string_view to_string(RopeScaling scaling) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& entry) { return entry.first == scaling; })->second;
}

Result<RopeScaling> parse_rope_scaling(std::string_view name) {
  for (const auto& [scaling, its_name] : kNames) {
    if (name == its_name) return scaling;
  }
  return Error{ErrorCode::kUnsupported, fmt::format("rotary scaling of type '{}' is not supported", name),
               "supported: default, linear, dynamic, yarn, llama3, longrope"};
}

Status RopeConfig::validate(int64_t head_dim) const {
  const auto fail = [](std::string_view what, double value) {
    return make_error(ErrorCode::kInvalidArgument, "rope: {} is {}", what, value);
  };
  if (!(theta > 1 && theta < 1e12)) return fail("theta", theta);
  if (local_theta != 0 && !(local_theta > 1 && local_theta < 1e12)) return fail("local theta", local_theta);
  const int64_t dim = rotary_dim == 0 ? head_dim : rotary_dim;
  if (dim < 2 || dim % 2 != 0 || dim > head_dim) return fail("the number of rotated dimensions", static_cast<double>(dim));
  if (!(attention_factor >= 0 && attention_factor < 1e6)) return fail("the attention factor", attention_factor);
  if (scaling == RopeScaling::kNone) return {};
  if (!(factor > 0 && factor < 1e6)) return fail("the factor", factor);
  if (scaling != RopeScaling::kLinear && (original_positions < 1 || original_positions > (1 << 24))) {
    return fail("the original context", static_cast<double>(original_positions));
  }
  if (scaling == RopeScaling::kDynamic && (dim < 4 || factor < 1)) return fail("the factor of a dynamic scaling", factor);
  if (scaling == RopeScaling::kYarn && !(beta_fast > 0 && beta_slow > 0)) return fail("a beta of yarn", std::min(beta_fast, beta_slow));
  if (scaling == RopeScaling::kYarn && !(std::isfinite(mscale) && std::isfinite(mscale_all_dim))) return fail("mscale", mscale);
  if (scaling == RopeScaling::kLlama3 && !(low_freq_factor > 0 && high_freq_factor > low_freq_factor)) {
    return fail("high_freq_factor", high_freq_factor);
  }
  if (scaling == RopeScaling::kLongRope) {
    if (original_positions < 2) return fail("the original context", static_cast<double>(original_positions));
    OWLET_TRY(check_factors("short_factor", short_factors, dim / 2));
    OWLET_TRY(check_factors("long_factor", long_factors, dim / 2));
  }
  return {};
}

int64_t RopeConfig::kind_of_reach(int64_t reach) const {
  if (!depends_on_reach() || reach <= original_positions) return 0;
  return scaling == RopeScaling::kLongRope ? 1 : reach;
}

Status stretch_context(ModelConfig& config, std::string_view how) {
  const size_t colon = std::min(how.find(':'), how.size());
  const auto scaling = parse_rope_scaling(how.substr(0, colon));
  const std::string number(how.substr(std::min(colon + 1, how.size())));
  char* end = nullptr;
  const double factor = std::strtod(number.c_str(), &end);
  const bool known = scaling.ok() && (*scaling == RopeScaling::kLinear || *scaling == RopeScaling::kDynamic || *scaling == RopeScaling::kYarn);
  if (!known || number.empty() || *end != '\0' || !(factor > 1 && factor <= 64)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is no way to stretch a context", how),
                 "yarn:4 (or linear, or dynamic) makes it four times as long; factors go to 64"};
  }
  if (config.rope.scaling != RopeScaling::kNone) {
    return make_error(ErrorCode::kInvalidArgument, "the model's context is stretched already ({})", to_string(config.rope.scaling));
  }
  config.rope.scaling = *scaling;
  config.rope.factor = factor;
  config.rope.original_positions = config.max_positions;
  config.max_positions = static_cast<int64_t>(static_cast<double>(config.max_positions) * factor);
  return config.validate();
}

RopeFrequencies rope_frequencies(const ModelConfig& config, Rotation rotation, int64_t reach) {
  const RopeConfig& r = config.rope;
  const int64_t dim = config.rotary_dim();
  RopeFrequencies out;
  if (rotation == Rotation::kLocal) {
    RopeConfig local;
    local.theta = r.local_theta;
    return scaled(local, dim, reach);
  }
  out = scaled(r, dim, reach);
  if (r.attention_factor > 0) out.attention_factor = r.attention_factor;
  return out;
}

RotaryAngles::RotaryAngles(const ModelConfig& config, int64_t max_rows, DType dtype) : config_(config) {
  const Shape shape{max_rows, config.rotary_dim()};
  tables_.push_back({.rotation = Rotation::kGlobal, .frequencies = {}, .cos_sin_NR = Tensor(dtype, shape)});
  if (config.rope.local_theta > 0) {
    tables_.push_back({.rotation = Rotation::kLocal, .frequencies = {}, .cos_sin_NR = Tensor(dtype, shape)});
  }
  for (int64_t i = 0; i < max_rows; ++i) ids_.push_back(static_cast<int32_t>(i));
}

void RotaryAngles::set(int64_t begin, std::span<const int32_t> positions, int64_t reach) {
  const int64_t dim = config_.rotary_dim(), half = dim / 2;
  for (Table& table : tables_) {
    if (table.reach < 0 || (config_.rope.depends_on_reach() && table.reach != reach)) {
      table.frequencies = rope_frequencies(config_, table.rotation, reach);
      table.reach = reach;
    }
    const double factor = table.frequencies.attention_factor;
    for (size_t row = 0; row < positions.size(); ++row) {
      const int64_t at = (begin + static_cast<int64_t>(row)) * dim;
      for (int64_t i = 0; i < half; ++i) {
        const float frequency = table.frequencies.per_position[static_cast<size_t>(i)];
        if (table.cos_sin_NR.dtype() == DType::kF64) {
          const double angle = static_cast<double>(positions[row]) * static_cast<double>(frequency);
          double* out = table.cos_sin_NR.view().as<double>() + at;
          out[i] = factor * std::cos(angle);
          out[half + i] = factor * std::sin(angle);
        } else {
          // The angle in float32, as Hugging Face computes it.
          const auto angle = static_cast<double>(static_cast<float>(positions[row]) * frequency);
          float* out = table.cos_sin_NR.f32() + at;
          out[i] = static_cast<float>(factor * std::cos(angle));
          out[half + i] = static_cast<float>(factor * std::sin(angle));
        }
      }
    }
  }
}

TensorView RotaryAngles::rows(Rotation rotation, int64_t n) const {
  const Table& table = rotation == Rotation::kLocal ? tables_.back() : tables_.front();
  return table.cos_sin_NR.view().row_range(0, n);
}

}  // namespace owlet
