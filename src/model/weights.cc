// What a model is made of: names and shapes stand here once, and everything else walks over them.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/huge_pages.h"
#include "core/memory.h"
#include "core/random.h"
#include "model/model.h"

namespace owlet {
namespace {

// A tensor that the model has; the others have no shape.
template <class T, class Visit>
void visit_present(const std::string& name, T& tensor, const Visit& visit) {
  if (tensor.shape().rank() > 0) visit(name, tensor);
}

template <class T, class Visit>
void visit_linear(const std::string& name, T& linear, const Visit& visit) {
  visit(name + ".weight", linear.weight_OI);
  visit_present(name + ".bias", linear.bias_O, visit);
}

// Hugging Face calls the norm before the ffn post_attention_layernorm, unless there is one behind attention, which takes the name.
template <class LayerT, class Visit>
void visit_layer(LayerT& layer, const std::string& prefix, const Visit& visit) {
  const bool post = layer.attn_out_norm_D.shape().rank() > 0;
  visit_present(prefix + "input_layernorm.weight", layer.attn_norm_D, visit);
  visit_linear(prefix + "self_attn.q_proj", layer.q, visit);
  visit_linear(prefix + "self_attn.k_proj", layer.k, visit);
  visit_linear(prefix + "self_attn.v_proj", layer.v, visit);
  visit_linear(prefix + "self_attn.o_proj", layer.o, visit);
  visit_present(prefix + "self_attn.q_norm.weight", layer.q_norm, visit);
  visit_present(prefix + "self_attn.k_norm.weight", layer.k_norm, visit);
  visit_present(prefix + "post_attention_layernorm.weight", layer.attn_out_norm_D, visit);
  visit_present(prefix + (post ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"), layer.ffn_norm_D, visit);
  visit_linear(prefix + "mlp.gate_proj", layer.gate, visit);
  visit_linear(prefix + "mlp.up_proj", layer.up, visit);
  visit_linear(prefix + "mlp.down_proj", layer.down, visit);
  visit_present(prefix + "post_feedforward_layernorm.weight", layer.ffn_out_norm_D, visit);
}

template <class WeightsT, class Visit>
void visit_weights(WeightsT& weights, const Visit& visit) {
  visit("model.embed_tokens.weight", weights.embedding_VD);
  for (size_t i = 0; i < weights.layers.size(); ++i) visit_layer(weights.layers[i], fmt::format("model.layers.{}.", i), visit);
  visit("model.norm.weight", weights.final_norm_D);
  visit_present("lm_head.weight", weights.output_VD, visit);
}

template <class WeightsT, class Visit>
void visit_linears(WeightsT& weights, const Visit& visit) {
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    auto& layer = weights.layers[i];
    const std::string prefix = fmt::format("model.layers.{}.", i);
    for (const auto& [name, linear] : {std::pair{"self_attn.q_proj", &layer.q}, {"self_attn.k_proj", &layer.k},
                                       {"self_attn.v_proj", &layer.v}, {"self_attn.o_proj", &layer.o}, {"mlp.gate_proj", &layer.gate},
                                       {"mlp.up_proj", &layer.up}, {"mlp.down_proj", &layer.down}}) {
      visit(prefix + name, *linear);
    }
  }
}

// The skeleton of a model: every tensor comes from make(shape).
template <class Make>
Weights build_weights(const ModelConfig& c, const Make& make) {
  const auto linear = [&](int64_t out, int64_t in, bool bias) {
    return Linear{make(Shape{out, in}), bias ? make(Shape{out}) : Tensor()};
  };
  const auto norm = [&](bool present, int64_t n) { return present ? make(Shape{n}) : Tensor(); };
  const bool per_head = c.qk_norm == QkNorm::kPerHead, qk = c.qk_norm != QkNorm::kNone;
  Weights w;
  w.embedding_VD = make(Shape{c.vocab_size, c.dim});
  for (int64_t i = 0; i < c.n_layers; ++i) {
    w.layers.push_back({.attn_norm_D = norm(c.pre_norms, c.dim),
                        .q = linear(c.q_dim(), c.dim, c.qkv_bias),
                        .k = linear(c.kv_dim(), c.dim, c.qkv_bias),
                        .v = linear(c.kv_dim(), c.dim, c.qkv_bias),
                        .q_norm = norm(qk, per_head ? c.head_dim : c.q_dim()),
                        .k_norm = norm(qk, per_head ? c.head_dim : c.kv_dim()),
                        .o = linear(c.dim, c.q_dim(), c.o_bias),
                        .attn_out_norm_D = norm(c.post_norms, c.dim),
                        .ffn_norm_D = norm(c.pre_norms, c.dim),
                        .gate = linear(c.ffn_dim, c.dim, c.mlp_bias),
                        .up = linear(c.ffn_dim, c.dim, c.mlp_bias),
                        .down = linear(c.dim, c.ffn_dim, c.mlp_bias),
                        .ffn_out_norm_D = norm(c.post_norms, c.dim)});
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

void Weights::for_each_linear(const std::function<void(const std::string&, Linear&)>& visit) { visit_linears(*this, visit); }
void Weights::for_each_linear(const std::function<void(const std::string&, const Linear&)>& visit) const {
  visit_linears(*this, visit);
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
    const bool bias = name.ends_with(".bias"), norm = !bias && tensor.shape().rank() == 1;
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double value = bias ? 0.0 : norm ? 1.0 : deviation * random.normal();
      if (tensor.dtype() == DType::kF64) {
        tensor.view().as<double>()[i] = value;
      } else {
        tensor.f32()[i] = static_cast<float>(value);
      }
    }
  });
}

void settle_weights(const Context& context, Weights& weights) {
  constexpr int64_t kLine = 64;
  struct Turned {
    Tensor* tensor;
    int64_t bytes;
  };
  std::vector<Turned> turned;
  std::vector<std::span<const std::byte>> others;
  int64_t bytes = 0;
  const auto sort = [&](Tensor& t, bool may_turn) {
    const int64_t its_bytes = may_turn ? context.ops.turned_bytes(t, context.precision) : 0;
    if (its_bytes == 0) {
      others.emplace_back(t.view().as<const std::byte>(), static_cast<size_t>(t.bytes()));
    } else {
      turned.push_back({&t, (its_bytes + kLine - 1) / kLine * kLine});
      bytes += turned.back().bytes;
    }
  };
  weights.for_each_linear([&sort](const std::string&, Linear& linear) {
    const auto asks_for_rows = [](const LowRank& part) { return static_cast<bool>(part.magnitude_O); };  // for their lengths
    sort(linear.weight_OI, std::none_of(linear.low_rank.begin(), linear.low_rank.end(), asks_for_rows));
  });
  // A table of embeddings that is both stays as it is, of which few rows are read then, and its copy becomes the output's.
  Tensor output = weights.output();
  sort(output, true);
  move_to_huge_pages(others);
  if (turned.empty() || bytes > machine_memory().available / 2) return;
  const auto room = allocate_huge_pages(static_cast<size_t>(bytes));
  auto* to = static_cast<std::byte*>(room.get());
  if (!to) return;
  for (const auto& [tensor, its_bytes] : turned) {
    const Tensor rows = std::exchange(*tensor, Tensor(context.ops.turn(to, *tensor), room));
    if (rows.is_shared()) expect_no_use(rows.view().data, rows.bytes());
    to += its_bytes;
  }
  if (output.view().group > 0) weights.output_VD = output;
}

int64_t Model::bytes() const {
  int64_t total = 0;
  weights.for_each([&](const std::string&, const Tensor& tensor) { total += tensor.bytes(); });
  return total;
}

std::string Model::dtype_name() const { return std::string(to_string(weights.layers.front().up.weight_OI.dtype())); }

Result<Model> make_model(ModelConfig config, Weights weights) {
  OWLET_TRY(config.validate());
  if (weights.layers.size() != static_cast<size_t>(config.n_layers)) {
    return corrupt("the model has {} layers; its config says {}", weights.layers.size(),
                      config.n_layers);
  }
  std::map<std::string, const Tensor*> given;
  std::as_const(weights).for_each([&](const std::string& name, const Tensor& tensor) { given[name] = &tensor; });
  Status status;
  empty_weights(config).for_each([&](const std::string& name, const Tensor& expected) {
    const auto it = given.find(name);
    if (!status.ok() || (it != given.end() && *it->second && it->second->shape() == expected.shape())) return;
    status = it == given.end() || !*it->second
                 ? corrupt("{} is missing", name)
                 : corrupt("{} has the shape {}; the config asks for {}", name,
                              it->second->shape().to_string(), expected.shape().to_string());
  });
  OWLET_TRY(std::move(status));
  return Model{std::move(config), std::move(weights)};
}

DType Model::compute_dtype() const { return weights.embedding_VD.dtype() == DType::kF64 ? DType::kF64 : DType::kF32; }

void embed(const Context& context, const Model& model, TensorView out_ND, std::span<const int32_t> ids_N) {
  context.ops.embedding(out_ND, model.weights.embedding_VD, ids_N);
  const double scale = model.config.embedding_scale;
  if (scale != 1.0) context.ops.add_scaled(out_ND, scale, out_ND, 0.0, out_ND);
}

void output_logits(const Context& context, const Model& model, TensorView logits_NV, TensorView h_ND) {
  const ModelConfig& config = model.config;
  context.ops.linear(logits_NV, Into::kWrite, h_ND, model.weights.output(), context.precision);
  if (config.logit_scale != 1.0) context.ops.add_scaled(logits_NV, config.logit_scale, logits_NV, 0.0, logits_NV);
  if (config.logit_soft_cap > 0) context.ops.soft_cap(logits_NV, config.logit_soft_cap);
}

}  // namespace owlet
