// What a model is made of: names and shapes stand here once, and everything else walks over them.
#include <cmath>
#include <map>
#include <utility>

#include "core/random.h"
#include "model/model.h"

namespace owlet {
namespace {

template <class WeightsT, class Visit>
void visit_weights(WeightsT& weights, const Visit& visit) {
  visit("model.embed_tokens.weight", weights.embedding_VD);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    auto& layer = weights.layers[i];
    const std::string prefix = fmt::format("model.layers.{}.", i);
    visit(prefix + "input_layernorm.weight", layer.attn_norm_D);
    visit(prefix + "self_attn.q_proj.weight", layer.wq_QD);
    visit(prefix + "self_attn.k_proj.weight", layer.wk_KD);
    visit(prefix + "self_attn.v_proj.weight", layer.wv_KD);
    visit(prefix + "self_attn.o_proj.weight", layer.wo_DQ);
    visit(prefix + "post_attention_layernorm.weight", layer.ffn_norm_D);
    visit(prefix + "mlp.gate_proj.weight", layer.w_gate_FD);
    visit(prefix + "mlp.up_proj.weight", layer.w_up_FD);
    visit(prefix + "mlp.down_proj.weight", layer.w_down_DF);
  }
  visit("model.norm.weight", weights.final_norm_D);
  if (weights.output_VD.shape().rank() > 0) visit("lm_head.weight", weights.output_VD);
}

// The skeleton of a model: every tensor comes from make(shape).
template <class Make>
Weights build_weights(const ModelConfig& c, const Make& make) {
  Weights w;
  w.embedding_VD = make(Shape{c.vocab_size, c.dim});
  for (int64_t i = 0; i < c.n_layers; ++i) {
    w.layers.push_back({.attn_norm_D = make(Shape{c.dim}),
                        .wq_QD = make(Shape{c.q_dim(), c.dim}),
                        .wk_KD = make(Shape{c.kv_dim(), c.dim}),
                        .wv_KD = make(Shape{c.kv_dim(), c.dim}),
                        .wo_DQ = make(Shape{c.dim, c.q_dim()}),
                        .ffn_norm_D = make(Shape{c.dim}),
                        .w_gate_FD = make(Shape{c.ffn_dim, c.dim}),
                        .w_up_FD = make(Shape{c.ffn_dim, c.dim}),
                        .w_down_DF = make(Shape{c.dim, c.ffn_dim})});
  }
  w.final_norm_D = make(Shape{c.dim});
  if (!c.tie_embeddings) w.output_VD = make(Shape{c.vocab_size, c.dim});
  return w;
}

}  // namespace

void Weights::for_each(const std::function<void(const std::string&, Tensor&)>& visit) { visit_weights(*this, visit); }
void Weights::for_each(const std::function<void(const std::string&, const Tensor&)>& visit) const {
  visit_weights(*this, visit);
}

Weights make_weights(const ModelConfig& config, DType dtype) {
  return build_weights(config, [dtype](Shape shape) { return Tensor(dtype, shape); });
}

Weights empty_weights(const ModelConfig& config) {
  return build_weights(config, [](Shape shape) { return Tensor(TensorView{nullptr, DType::kF32, shape}, nullptr); });
}

void init_weights(Weights& weights, const ModelConfig& config, uint64_t seed) {
  const double residual = 1.0 / std::sqrt(2.0 * static_cast<double>(config.n_layers));
  uint64_t stream = 0;  // one a tensor, so that adding a tensor changes no other
  weights.for_each([&](const std::string& name, Tensor& tensor) {
    Random random{.seed = seed, .stream = stream++};
    const bool into_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
    const double deviation = into_residual ? 0.02 * residual : 0.02;
    const bool norm = tensor.shape().rank() == 1;
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double value = norm ? 1.0 : deviation * random.normal();
      if (tensor.dtype() == DType::kF64) {
        tensor.view().as<double>()[i] = value;
      } else {
        tensor.f32()[i] = static_cast<float>(value);
      }
    }
  });
}

int64_t Model::bytes() const {
  int64_t total = 0;
  weights.for_each([&](const std::string&, const Tensor& tensor) { total += tensor.bytes(); });
  return total;
}

std::string Model::dtype_name() const { return std::string(to_string(weights.layers.front().w_up_FD.dtype())); }

Result<Model> make_model(ModelConfig config, Weights weights) {
  OWLET_TRY(config.validate());
  if (weights.layers.size() != static_cast<size_t>(config.n_layers)) {
    return make_error(ErrorCode::kCorrupt, "the model has {} layers; its config says {}", weights.layers.size(),
                      config.n_layers);
  }
  std::map<std::string, const Tensor*> given;
  std::as_const(weights).for_each([&](const std::string& name, const Tensor& tensor) { given[name] = &tensor; });
  Status status;
  empty_weights(config).for_each([&](const std::string& name, const Tensor& expected) {
    const auto it = given.find(name);
    if (!status.ok() || (it != given.end() && *it->second && it->second->shape() == expected.shape())) return;
    status = it == given.end() || !*it->second
                 ? make_error(ErrorCode::kCorrupt, "{} is missing", name)
                 : make_error(ErrorCode::kCorrupt, "{} has the shape {}; the config asks for {}", name,
                              it->second->shape().to_string(), expected.shape().to_string());
  });
  OWLET_TRY(std::move(status));
  Model model{std::move(config), std::move(weights), {}};
  const DType dtype = model.weights.embedding_VD.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  model.cos_sin_PE = make_cos_sin(model.config, model.config.max_positions, dtype);
  return model;
}

Tensor make_cos_sin(const ModelConfig& config, int64_t n_positions, DType dtype) {
  const int64_t half = config.head_dim / 2;
  Tensor table(dtype, Shape{n_positions, config.head_dim});
  const auto put = [&](int64_t index, double value) {
    if (dtype == DType::kF64) {
      table.view().as<double>()[index] = value;
    } else {
      table.f32()[index] = static_cast<float>(value);
    }
  };
  for (int64_t i = 0; i < half; ++i) {
    // In float32, as Hugging Face computes frequencies and angles.
    const float frequency = 1.0f / static_cast<float>(std::pow(
        config.rope_theta, static_cast<double>(2 * i) / static_cast<double>(config.head_dim)));
    for (int64_t p = 0; p < n_positions; ++p) {
      const double angle = dtype == DType::kF64 ? static_cast<double>(p) * frequency
                                                : static_cast<double>(static_cast<float>(p) * frequency);
      put(p * config.head_dim + i, std::cos(angle));
      put(p * config.head_dim + half + i, std::sin(angle));
    }
  }
  return table;
}

}  // namespace owlet
