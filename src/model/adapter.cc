#include "model/adapter.h"

#include <atomic>
#include <cmath>

#include "quant/blocks.h"

namespace owlet {
namespace {

// weight + scale · b · a, rows of DoRA's length where there is one.
Tensor merged(const TensorView& weight, const Adapter::Part& part, double strength) {
  Tensor out(DType::kF32, weight.shape);
  const int64_t cols = weight.cols(), rank = part.a_RI.shape()[0];
  const double scale = part.scale * strength;
  std::vector<float> stored(static_cast<size_t>(cols));
  std::vector<double> row(static_cast<size_t>(cols));
  for (int64_t o = 0; o < weight.rows(); ++o) {
    dequantize_row(weight.dtype, weight.row_range(o, o + 1).data, stored.data(), cols);
    row.assign(stored.begin(), stored.end());
    for (int64_t r = 0; r < rank; ++r) {
      const double b = scale * static_cast<double>(part.b_OR.f32()[o * rank + r]);
      const float* a = part.a_RI.f32() + r * cols;
      for (int64_t i = 0; i < cols; ++i) row[static_cast<size_t>(i)] += b * static_cast<double>(a[i]);
    }
    double factor = 1;
    if (part.magnitude_O) {
      double squares = 0;
      for (const double x : row) squares += x * x;
      factor = squares > 0 ? static_cast<double>(part.magnitude_O.f32()[o]) / std::sqrt(squares) : 0;
    }
    for (int64_t i = 0; i < cols; ++i) out.f32()[o * cols + i] = static_cast<float>(factor * row[static_cast<size_t>(i)]);
  }
  return out;
}

bool is_table(const std::string& name) { return name == "model.embed_tokens.weight" || name == "lm_head.weight"; }

Status check_tables(const Adapter& adapter, const Model& model) {
  if (!model.config.tie_embeddings) return {};
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    if (!adapter.parts.contains(name) && !adapter.replaced.contains(name)) continue;
    return make_error(ErrorCode::kUnsupported, "the adapter changes {}, which this model uses both to read and to write tokens", name);
  }
  return {};
}

// Without low_rank_too, what the linear layers can do beside their weights is left to them.
Status merge(const Adapter& adapter, double strength, Model& model, bool low_rank_too) {
  OWLET_TRY(check_tables(adapter, model));
  model.weights.for_each([&](const std::string& name, Tensor& tensor) {
    if (const auto it = adapter.replaced.find(name); it != adapter.replaced.end()) tensor = it->second;
    const auto it = adapter.parts.find(name);
    if (it == adapter.parts.end()) return;
    if (low_rank_too || it->second.magnitude_O || is_table(name)) tensor = merged(tensor, it->second, strength);
  });
  return {};
}

}  // namespace

Status merge_adapter(const Adapter& adapter, double strength, Model& model) { return merge(adapter, strength, model, true); }

Status unmerge_adapter(const Adapter& adapter, double strength, Model& model) {
  const auto refuse = [](const std::string& name, const char* what) {
    return Error{ErrorCode::kUnsupported, fmt::format("the adapter cannot be taken out again: {} {}", name, what), "start from the model it was merged into"};
  };
  for (const auto& [name, part] : adapter.parts) {
    if (part.magnitude_O) return refuse(name, "was given other lengths (DoRA)");
  }
  if (!adapter.replaced.empty()) return refuse(adapter.replaced.begin()->first, "was replaced as a whole");
  return merge(adapter, -strength, model, true);
}

Status apply_adapter(const Adapter& adapter, double strength, Model& model) {
  OWLET_TRY(merge(adapter, strength, model, false));
  model.weights.for_each_linear([&](const std::string& name, Linear& linear) {
    const auto it = adapter.parts.find(name + ".weight");
    if (it == adapter.parts.end() || it->second.magnitude_O) return;
    linear.low_rank.push_back({.a_RI = it->second.a_RI, .b_OR = it->second.b_OR, .scale = it->second.scale * strength});
  });
  return {};
}

Result<std::shared_ptr<const RequestAdapter>> request_adapter(const Adapter& adapter, double strength, const Model& model) {
  static std::atomic<uint64_t> last_id = 0;
  const auto refuse = [](const std::string& name) {
    return Error{ErrorCode::kUnsupported, fmt::format("the adapter changes {} in a way that cannot differ from request to request", name),
                 "put it on the whole model"};
  };
  if (!adapter.replaced.empty()) return refuse(adapter.replaced.begin()->first);
  auto made = std::make_shared<RequestAdapter>();
  made->id = ++last_id;
  size_t n_found = 0;
  model.weights.for_each_linear([&](const std::string& name, const Linear& linear) {
    const auto it = adapter.parts.find(name + ".weight");
    if (it == adapter.parts.end()) return;
    ++n_found;
    made->parts[&linear] = {.a_RI = it->second.a_RI, .b_OR = it->second.b_OR, .scale = it->second.scale * strength};
  });
  for (const auto& [name, part] : adapter.parts) {
    if (part.magnitude_O || is_table(name)) return refuse(name);
  }
  OWLET_CHECK(n_found == adapter.parts.size(), "[adapter] was read for another model");
  return std::shared_ptr<const RequestAdapter>(std::move(made));
}

}  // namespace owlet
