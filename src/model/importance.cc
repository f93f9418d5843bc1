#include "model/importance.h"

#include <cmath>

#include "io/gguf.h"
#include "model/architecture.h"
#include "quant/blocks.h"

namespace owlet {
namespace {

constexpr std::string_view kSumsEnding = ".in_sum2", kCountsEnding = ".counts";

Result<Tensor> float_tensor(const GgufFile& file, const std::string& name) {
  OWLET_ASSIGN(Tensor tensor, file.tensor(name));
  if (tensor.dtype() != DType::kF32) return corrupt("{} must be f32, not {}", name, to_string(tensor.dtype()));
  return tensor;
}

// Σ x² of a matrix's columns, scaled so that their mean is 1; empty where no row was counted or every sum is 0.
Result<std::vector<float>> read_columns(const GgufFile& file, const std::string& name) {
  OWLET_ASSIGN(const Tensor sums, float_tensor(file, name + std::string(kSumsEnding)));
  OWLET_ASSIGN(const Tensor counts, float_tensor(file, name + std::string(kCountsEnding)));
  if (counts.numel() != 1) {
    return make_error(ErrorCode::kUnsupported, "{} has {} matrices in one tensor; models of experts are not supported", name, counts.numel());
  }
  if (!std::isfinite(counts.f32()[0]) || counts.f32()[0] < 0) return corrupt("{} was counted {} times", name, counts.f32()[0]);
  double total = 0;
  for (const float x : sums.span<float>()) {
    if (!std::isfinite(x) || x < 0) return corrupt("{} has a sum of squares of {}", name, x);
    total += static_cast<double>(x);
  }
  std::vector<float> columns;
  if (counts.f32()[0] == 0 || total == 0) return columns;
  for (const float x : sums.span<float>()) {
    columns.push_back(static_cast<float>(static_cast<double>(x) / total * static_cast<double>(sums.numel())));
  }
  return columns;
}

}  // namespace

ImportanceCollector::ImportanceCollector(const Model& model) {
  model.weights.for_each_linear([&](const std::string& name, const Linear& linear) {
    const TensorPlace place = place_in_gguf(model.config, name + ".weight");
    if (place.first_row > 0) return;  // of a tensor that several share, which are given the same
    by_weight_[linear.weight_OI.view().data] = {place.name, std::vector<double>(static_cast<size_t>(linear.weight_OI.shape()[1])), 0};
  });
}

void ImportanceCollector::observe(const Tensor& weight_OI, TensorView x_NI) {
  const auto it = by_weight_.find(weight_OI.view().data);
  if (it == by_weight_.end()) return;
  Sums& sums = it->second;
  row_.resize(sums.squares_I.size());
  for (int64_t r = 0; r < x_NI.rows(); ++r) {
    dequantize_row(x_NI.dtype, x_NI.row_range(r, r + 1).data, row_.data(), x_NI.cols());
    for (size_t i = 0; i < row_.size(); ++i) sums.squares_I[i] += static_cast<double>(row_[i]) * static_cast<double>(row_[i]);
  }
  sums.rows += x_NI.rows();
}

Status ImportanceCollector::write(const std::filesystem::path& path, const std::vector<std::string>& datasets, int64_t chunks,
                                  int64_t chunk_size) const {
  GgufWriter writer;
  writer.set_string("general.type", "imatrix");
  writer.set_strings("imatrix.datasets", datasets);
  writer.set_u32("imatrix.chunk_count", static_cast<uint32_t>(chunks));
  writer.set_u32("imatrix.chunk_size", static_cast<uint32_t>(chunk_size));
  std::map<std::string, const Sums*> by_name;
  for (const auto& [weight, sums] : by_weight_) by_name[sums.name] = &sums;
  for (const auto& [name, sums] : by_name) {
    writer.add_tensor(name + std::string(kSumsEnding), DType::kF32, Shape{static_cast<int64_t>(sums->squares_I.size())},
                      [sums = sums](int64_t, void* out) {
                        auto* to = static_cast<float*>(out);
                        for (const double x : sums->squares_I) *to++ = static_cast<float>(x);
                      });
    writer.add_tensor(name + std::string(kCountsEnding), DType::kF32, Shape{1},
                      [sums = sums](int64_t, void* out) { *static_cast<float*>(out) = static_cast<float>(sums->rows); });
  }
  return writer.write(path);
}

Result<Importance> Importance::load(const std::filesystem::path& path) {
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  OWLET_ASSIGN(const std::string type, file.string_or("general.type", "model"));
  if (type != "imatrix") {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} is a GGUF of type '{}', not an importance matrix", path.string(), type),
                 "owlet imatrix makes one"};
  }
  Importance importance;
  for (const std::string& tensor : file.tensor_names()) {
    if (!tensor.ends_with(kSumsEnding)) continue;
    const std::string name = tensor.substr(0, tensor.size() - kSumsEnding.size());
    auto columns = read_columns(file, name);
    if (!columns.ok()) return std::move(columns).error().in(path.string());
    if (!columns->empty()) importance.columns_[name] = std::move(columns).value();
  }
  if (importance.columns_.empty()) return corrupt("{} has no sums of any tensor", path.string());
  return importance;
}

const float* Importance::find(const std::string& gguf_name) const {
  const auto it = columns_.find(gguf_name);
  return it == columns_.end() ? nullptr : it->second.data();
}

Status Importance::check(const Model& model) const {
  Status status;
  bool any = false;
  model.weights.for_each([&](const std::string& name, const Tensor& tensor) {
    const std::string stored = place_in_gguf(model.config, name).name;
    const auto it = columns_.find(stored);
    if (it == columns_.end() || tensor.shape().rank() != 2) return;
    any = true;
    if (status.ok() && it->second.size() != static_cast<size_t>(tensor.shape()[1])) {
      status = make_error(ErrorCode::kInvalidArgument, "the importance matrix has {} columns for {}, the model {}", it->second.size(), stored,
                          tensor.shape()[1]);
    }
  });
  OWLET_TRY(std::move(status));
  if (!any) return make_error(ErrorCode::kInvalidArgument, "the importance matrix names no tensor of this model");
  return {};
}

}  // namespace owlet
