#include "model/group_heads.h"

#include <vector>

#include "quant/blocks.h"

namespace owlet {
namespace {

// Rows [K·E, …] → [N·E, …]: row e of head n is the mean of rows e of K / N heads. A vector is a matrix of one column.
Tensor pool(const Tensor& from, const ModelConfig& c, int64_t n_kv_heads) {
  const bool is_matrix = from.shape().rank() == 2;
  const int64_t cols = is_matrix ? from.shape()[1] : 1, group = c.n_kv_heads / n_kv_heads;
  std::vector<float> wide(static_cast<size_t>(from.numel()));
  const TensorView view = from;
  for (int64_t r = 0; r < view.rows(); ++r) dequantize_row(view.dtype, view.row_range(r, r + 1).data, wide.data() + r * view.cols(), view.cols());
  Tensor out(DType::kF32, is_matrix ? Shape{n_kv_heads * c.head_dim, cols} : Shape{n_kv_heads * c.head_dim});
  const int64_t head = c.head_dim * cols;
  for (int64_t i = 0; i < out.numel(); ++i) {
    double sum = 0;
    for (int64_t g = 0; g < group; ++g) sum += static_cast<double>(wide[static_cast<size_t>((i / head * group + g) * head + i % head)]);
    out.f32()[i] = static_cast<float>(sum / static_cast<double>(group));
  }
  return out;
}

}  // namespace

Result<Model> group_heads(const Model& model, int64_t n_kv_heads) {
  const ModelConfig& c = model.config;
  if (n_kv_heads < 1 || c.n_kv_heads % n_kv_heads != 0) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} key/value heads cannot be made of the model's {}", n_kv_heads, c.n_kv_heads),
                 "choose a number that divides it"};
  }
  Weights weights = model.weights;
  for (LayerWeights& layer : weights.layers) {
    for (Linear* linear : {&layer.k, &layer.v}) {
      linear->weight_OI = pool(linear->weight_OI, c, n_kv_heads);
      if (linear->bias_O) linear->bias_O = pool(linear->bias_O, c, n_kv_heads);
    }
    if (c.qk_norm == QkNorm::kWhole) layer.k_norm = pool(layer.k_norm, c, n_kv_heads);
  }
  ModelConfig config = c;
  config.n_kv_heads = n_kv_heads;
  return make_model(std::move(config), std::move(weights));
}

}  // namespace owlet
