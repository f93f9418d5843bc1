// Muon's steps against float64, and against torch's, whose Newton–Schulz runs in bf16.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/file.h"
#include "core/json.h"
#include "io/safetensors.h"
#include "report.h"
#include "train/muon.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

std::vector<float> as_floats(const Tensor& t) {
  if (t.dtype() == DType::kF32) return {t.span<float>().begin(), t.span<float>().end()};
  const auto doubles = t.span<double>();
  return {doubles.begin(), doubles.end()};
}

// The worst relative error over the steps.
double worst_error(Context context, const Tensor& start, const Tensor& gradients, const std::vector<float>& expected, MuonStep settings) {
  const auto n = static_cast<size_t>(start.numel());
  Tensor weight(DType::kF32, start.shape()), momentum(DType::kF32, start.shape());
  std::copy_n(start.f32(), n, weight.f32());
  double worst = 0;
  for (size_t step = 0; step * n < expected.size(); ++step) {
    const TensorView gradient{gradients.f32() + step * n, DType::kF32, start.shape()};
    muon_step(context, weight, gradient, momentum, settings);
    worst = std::max(worst, relative_error(weight.span<float>(), std::span(expected).subspan(step * n, n)));
  }
  return worst;
}

Status check_run(const fs::path& file, Context context, Report& report) {
  OWLET_ASSIGN(const Safetensors tensors, Safetensors::open(file));
  OWLET_ASSIGN(const std::string text, read_file(file.parent_path() / "run.json"));
  OWLET_ASSIGN(const Json run, parse_json(text));
  OWLET_ASSIGN(const double lr, get_number(run, "lr"));
  OWLET_ASSIGN(const double weight_decay, get_number(run, "weight_decay"));
  OWLET_ASSIGN(const double momentum, get_number(run, "momentum"));
  for (int i = 0; tensors.has(fmt::format("{}.weight", i)); ++i) {
    OWLET_ASSIGN(const Tensor start, tensors.tensor(fmt::format("{}.weight", i)));
    OWLET_ASSIGN(const Tensor gradients, tensors.tensor(fmt::format("{}.gradients", i)));
    for (const char* scale : {"original", "match_rms_adamw"}) {
      OWLET_ASSIGN(const Tensor exact, tensors.tensor(fmt::format("{}.float64.{}", i, scale)));
      OWLET_ASSIGN(const Tensor bf16, tensors.tensor(fmt::format("{}.torch-bf16.{}", i, scale)));
      const int64_t rows = start.shape()[0], cols = start.shape()[1];
      const double longer = std::sqrt(std::max(1.0, static_cast<double>(rows) / static_cast<double>(cols)));
      const bool original = std::strcmp(scale, "original") == 0;
      const MuonStep settings{.lr = lr, .weight_decay = weight_decay, .momentum = momentum, .scale = original ? longer : muon_scale_like_adamw(rows, cols)};
      const double error = worst_error(context, start, gradients, as_floats(exact), settings);
      const double to_torch = worst_error(context, start, gradients, as_floats(bf16), settings);
      report.check(error < 1e-4 && to_torch < 2e-2, file.parent_path() / fmt::format("{} {}", i, scale),
                   fmt::format("weights {:.1e} from float64, {:.1e} from torch's bf16", error, to_torch));
    }
  }
  return {};
}

}  // namespace

void check_muon(const fs::path& root, Context context, Report& report) {
  const fs::path file = root / "train/muon/expected.safetensors";
  if (!fs::exists(file)) return;
  if (const Status done = check_run(file, context, report); !done.ok()) report.fail(file, done.error().to_string());
}

}  // namespace owlet::golden
