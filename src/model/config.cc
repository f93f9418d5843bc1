#include "model/config.h"

namespace owlet {
namespace {

int64_t layer_matmul_params(const ModelConfig& c) {
  return 2 * c.dim * c.q_dim() + 2 * c.dim * c.kv_dim() + 3 * c.dim * c.ffn_dim;
}

Status check_range(std::string_view field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return make_error(ErrorCode::kInvalidArgument, "{} is {}; it must lie between {} and {}", field, value, low, high);
}

Status check_scale(std::string_view field, double value, bool may_be_zero) {
  if ((value > 0 && value < 1e6) || (may_be_zero && value == 0)) return {};
  return make_error(ErrorCode::kInvalidArgument, "{} is {}; it must be a positive number", field, value);
}

}  // namespace

int64_t ModelConfig::n_params() const {
  const int64_t tables = (tie_embeddings ? 1 : 2) * vocab_size * dim;
  const int64_t norms = (pre_norms ? 2 * dim : 0) + (post_norms ? 2 * dim : 0) +
                        (qk_norm == QkNorm::kPerHead ? 2 * head_dim : qk_norm == QkNorm::kWhole ? q_dim() + kv_dim() : 0);
  const int64_t biases = (qkv_bias ? q_dim() + 2 * kv_dim() : 0) + (o_bias ? dim : 0) + (mlp_bias ? 2 * ffn_dim + dim : 0);
  return tables + n_layers * (layer_matmul_params(*this) + norms + biases) + dim;
}

int64_t ModelConfig::n_matmul_params() const { return n_layers * layer_matmul_params(*this) + vocab_size * dim; }

Status ModelConfig::validate() const {
  // The bounds are far beyond any model of this family and keep every product below 2^63.
  OWLET_TRY(check_range("vocab_size", vocab_size, 1, 1 << 22));
  OWLET_TRY(check_range("dim", dim, 1, 1 << 17));
  OWLET_TRY(check_range("n_layers", n_layers, 1, 4096));
  OWLET_TRY(check_range("n_heads", n_heads, 1, 4096));
  OWLET_TRY(check_range("n_kv_heads", n_kv_heads, 1, n_heads));
  OWLET_TRY(check_range("head_dim", head_dim, 2, 4096));
  OWLET_TRY(check_range("ffn_dim", ffn_dim, 1, 1 << 20));
  OWLET_TRY(check_range("max_positions", max_positions, 1, 1 << 24));
  if (n_heads % n_kv_heads != 0) {
    return make_error(ErrorCode::kInvalidArgument, "n_heads {} is not a multiple of n_kv_heads {}", n_heads, n_kv_heads);
  }
  if (head_dim % 2 != 0) {
    return make_error(ErrorCode::kInvalidArgument, "head_dim {} is odd; rotary embeddings turn pairs", head_dim);
  }
  if (!(rms_eps > 0 && rms_eps < 1)) return make_error(ErrorCode::kInvalidArgument, "rms_eps {} is not in (0, 1)", rms_eps);
  OWLET_TRY(rope.validate(head_dim));
  if (!pre_norms && !post_norms) return make_error(ErrorCode::kInvalidArgument, "a block needs norms before its branches or behind them");
  if (!layers.empty() && static_cast<int64_t>(layers.size()) != n_layers) {
    return make_error(ErrorCode::kInvalidArgument, "{} layers are described, the model has {}", layers.size(), n_layers);
  }
  for (const LayerConfig& layer : layers) {
    OWLET_TRY(check_range("window", layer.window, 0, 1 << 24));
    if (layer.rotation == Rotation::kLocal && rope.local_theta == 0) {
      return make_error(ErrorCode::kInvalidArgument, "a layer has a local rotation, but the model has no local theta");
    }
  }
  OWLET_TRY(check_scale("embedding_scale", embedding_scale, false));
  OWLET_TRY(check_scale("residual_scale", residual_scale, false));
  OWLET_TRY(check_scale("query_scale", query_scale, true));
  OWLET_TRY(check_scale("logit_scale", logit_scale, false));
  OWLET_TRY(check_scale("attention_soft_cap", attention_soft_cap, true));
  OWLET_TRY(check_scale("logit_soft_cap", logit_soft_cap, true));
  OWLET_TRY(check_range("bos", bos, -1, vocab_size - 1));
  OWLET_TRY(check_range("pad", pad, -1, vocab_size - 1));
  for (int32_t id : eos) OWLET_TRY(check_range("eos", id, 0, vocab_size - 1));
  return {};
}

}  // namespace owlet
