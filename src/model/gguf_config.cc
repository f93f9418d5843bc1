// A model's numbers in GGUF's metadata, under llama.cpp's keys.
#include "model/gguf_config.h"

#include <algorithm>
#include <cmath>

#include "quant/blocks.h"

namespace owlet {
namespace {

Result<std::vector<double>> factors(const GgufFile& file, const char* name) {
  OWLET_ASSIGN(const Tensor tensor, file.tensor(name));
  if (tensor.dtype() != DType::kF32 || tensor.numel() > 4096) return corrupt("{} must hold a few float32 numbers", name);
  return std::vector<double>(tensor.f32(), tensor.f32() + tensor.numel());
}

Status read_rope(const GgufFile& file, const std::string& prefix, ModelConfig& c) {
  RopeConfig& r = c.rope;
  OWLET_ASSIGN(r.theta, file.float_or(prefix + "rope.freq_base", 10000.0));
  OWLET_ASSIGN(const int64_t rotated, file.int_or(prefix + "rope.dimension_count", c.head_dim));
  if (rotated != c.head_dim) r.rotary_dim = rotated;
  OWLET_ASSIGN(const std::string type, file.string_or(prefix + "rope.scaling.type", "none"));
  OWLET_ASSIGN(r.factor, file.float_or(prefix + "rope.scaling.factor", 1.0));
  OWLET_ASSIGN(r.original_positions, file.int_or(prefix + "rope.scaling.original_context_length", c.max_positions));
  OWLET_ASSIGN(const double attention, file.float_or(prefix + "rope.scaling.attn_factor", 0.0));
  if (type == "linear") {
    r.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    r.scaling = RopeScaling::kYarn;
    OWLET_ASSIGN(r.beta_fast, file.float_or(prefix + "rope.scaling.yarn_beta_fast", r.beta_fast));
    OWLET_ASSIGN(r.beta_slow, file.float_or(prefix + "rope.scaling.yarn_beta_slow", r.beta_slow));
    if (attention > 0) r.attention_factor = attention * (1 + 0.1 * std::log(std::max(1.0, r.factor)));
  } else if (type != "none" && type != "longrope") {
    return make_error(ErrorCode::kUnsupported, "rotary scaling of type '{}' is not supported", type);
  }
  if (file.has_tensor("rope_freqs.weight")) {
    OWLET_ASSIGN(r.short_factors, factors(file, "rope_freqs.weight"));
    r.long_factors = r.short_factors;
    r.scaling = RopeScaling::kLongRope;
    r.attention_factor = 1;
  } else if (file.has_tensor("rope_factors_long.weight")) {
    OWLET_ASSIGN(r.long_factors, factors(file, "rope_factors_long.weight"));
    OWLET_ASSIGN(r.short_factors, factors(file, "rope_factors_short.weight"));
    r.scaling = RopeScaling::kLongRope;
    r.factor = static_cast<double>(c.max_positions) / static_cast<double>(std::max<int64_t>(1, r.original_positions));
    r.attention_factor = attention;
  }
  return {};
}

// Which parts a block has shows in the tensors that are there.
Status read_parts(const GgufFile& file, ModelConfig& c) {
  c.tie_embeddings = !file.has_tensor("output.weight");
  c.qkv_bias = file.has_tensor("blk.0.attn_q.bias");
  c.o_bias = file.has_tensor("blk.0.attn_output.bias");
  c.mlp_bias = file.has_tensor("blk.0.ffn_up.bias");
  c.pre_norms = file.has_tensor("blk.0.attn_norm.weight");
  c.post_norms = file.has_tensor("blk.0.post_attention_norm.weight");
  if (file.has_tensor("blk.0.attn_q_norm.weight")) {
    OWLET_ASSIGN(const Tensor norm, file.tensor("blk.0.attn_q_norm.weight"));
    c.qk_norm = norm.numel() == c.head_dim && c.n_heads > 1 ? QkNorm::kPerHead : QkNorm::kWhole;
  }
  OWLET_ASSIGN(const Tensor embedding, file.tensor("token_embd.weight"));
  c.vocab_size = embedding.shape()[0];
  return {};
}

Status read_scales(const GgufFile& file, const std::string& prefix, ModelConfig& c) {
  OWLET_ASSIGN(c.embedding_scale, file.float_or(prefix + "embedding_scale", c.embedding_scale));
  OWLET_ASSIGN(c.residual_scale, file.float_or(prefix + "residual_scale", c.residual_scale));
  OWLET_ASSIGN(c.query_scale, file.float_or(prefix + "attention.scale", c.query_scale));
  OWLET_ASSIGN(const double divisor, file.float_or(prefix + "logit_scale", 1.0));
  if (!(divisor > 0)) return corrupt("{}logit_scale is {}", prefix, divisor);
  c.logit_scale = 1.0 / divisor;
  OWLET_ASSIGN(c.attention_soft_cap, file.float_or(prefix + "attn_logit_softcapping", 0.0));
  OWLET_ASSIGN(c.logit_soft_cap, file.float_or(prefix + "final_logit_softcapping", 0.0));
  return {};
}

Status read_ids(const GgufFile& file, ModelConfig& c) {
  OWLET_ASSIGN(const int64_t bos, file.int_or("tokenizer.ggml.bos_token_id", -1));
  OWLET_ASSIGN(const int64_t pad, file.int_or("tokenizer.ggml.padding_token_id", -1));
  OWLET_ASSIGN(const int64_t eos, file.int_or("tokenizer.ggml.eos_token_id", -1));
  OWLET_ASSIGN(c.bos, token_id("bos", bos, c.vocab_size));
  OWLET_ASSIGN(c.pad, token_id("pad", pad, c.vocab_size));
  OWLET_ASSIGN(const int32_t end, token_id("eos", eos, c.vocab_size));
  if (end >= 0) c.eos = {end};
  return {};
}

// What a file of this family says when it is read again, of windows and scales that no key holds.
Status apply_family(const Architecture& architecture, int64_t window, ModelConfig& c) {
  return architecture.read_gguf ? architecture.read_gguf(window, c) : Status();
}

int64_t largest_window(const ModelConfig& c) {
  int64_t window = 0;
  for (const LayerConfig& layer : c.layers) window = std::max(window, layer.window);
  return window;
}

bool differs(double a, double b) { return std::abs(a - b) > 1e-6 * std::abs(b); }

Status check_holds(const Architecture& architecture, const ModelConfig& c) {
  ModelConfig again = c;
  again.layers.clear();
  again.query_scale = 0;
  OWLET_TRY(apply_family(architecture, largest_window(c), again));
  for (int64_t i = 0; i < c.n_layers; ++i) {
    if (again.layer(i).window == c.layer(i).window && again.layer(i).rotation == c.layer(i).rotation) continue;
    return Error{ErrorCode::kUnsupported, fmt::format("layer {} sees or rotates otherwise than a GGUF of type {} says", i, architecture.gguf),
                 "convert it to a Hugging Face folder instead"};
  }
  const GgufAbilities& can = architecture.gguf_can;
  const char* cannot = c.rope.scaling == RopeScaling::kDynamic                            ? "dynamic rotary scaling"
                       : (c.o_bias || c.mlp_bias) && !can.biases                          ? "biases of its output projections"
                       : c.q_dim() != c.dim && !can.head_dim                              ? "heads of this width"
                       : !c.tie_embeddings && !can.own_output                             ? "an output layer of its own"
                       : c.tie_embeddings && !can.tied_output                             ? "an output layer that is the embedding table"
                       : !can.scales && differs(c.attention_scale(), again.attention_scale()) ? "a scale of its scores"
                                                                                          : nullptr;
  if (cannot == nullptr) return {};
  return Error{ErrorCode::kUnsupported, fmt::format("a GGUF of type {} cannot hold {}", architecture.gguf, cannot),
               "convert it to a Hugging Face folder instead"};
}

void add_factors(GgufWriter& writer, const char* name, std::vector<float> factors) {
  const auto n = static_cast<int64_t>(factors.size());
  writer.add_tensor(name, DType::kF32, Shape{n}, [factors = std::move(factors)](int64_t, void* out) {
    std::copy(factors.begin(), factors.end(), static_cast<float*>(out));
  });
}

// A divisor for each frequency and nothing else: what rope_freqs.weight holds.
bool is_fixed(const RopeConfig& r) { return r.attention_factor == 1 && r.short_factors == r.long_factors; }

void add_rope(const ModelConfig& c, const std::string& prefix, GgufWriter& writer) {
  const RopeConfig& r = c.rope;
  const auto f32 = [&](const char* key, double value) { writer.set_f32(prefix + key, static_cast<float>(value)); };
  writer.set_u32(prefix + "rope.dimension_count", static_cast<uint32_t>(c.rotary_dim()));
  f32("rope.freq_base", r.theta);
  if (r.scaling == RopeScaling::kLinear || r.scaling == RopeScaling::kYarn) {
    writer.set_string(prefix + "rope.scaling.type", to_string(r.scaling));
    f32("rope.scaling.factor", r.factor);
  }
  if (r.scaling == RopeScaling::kYarn || (r.scaling == RopeScaling::kLongRope && !is_fixed(r))) {
    writer.set_u32(prefix + "rope.scaling.original_context_length", static_cast<uint32_t>(r.original_positions));
  }
  if (r.scaling == RopeScaling::kYarn) {
    f32("rope.scaling.yarn_beta_fast", r.beta_fast);
    f32("rope.scaling.yarn_beta_slow", r.beta_slow);
    const double usual = 1 + 0.1 * std::log(std::max(1.0, r.factor));
    const double attention = rope_frequencies(c, Rotation::kGlobal, c.max_positions).attention_factor;
    if (std::abs(attention - usual) > 1e-6) f32("rope.scaling.attn_factor", attention / usual);
  }
  if (r.scaling == RopeScaling::kLongRope && !is_fixed(r)) {
    writer.set_string(prefix + "rope.scaling.type", "longrope");
    f32("rope.scaling.attn_factor", rope_frequencies(c, Rotation::kGlobal, c.max_positions).attention_factor);
  }
}

}  // namespace

Result<ModelConfig> config_from_gguf(const GgufFile& file) {
  OWLET_ASSIGN(const std::string name, file.get_string("general.architecture"));
  const Architecture* architecture = find_gguf_architecture(name);
  if (!architecture) {
    return Error{ErrorCode::kUnsupported, fmt::format("models of type '{}' are not supported", name), "supported: " + architecture_names()};
  }
  ModelConfig c;
  c.architecture = architecture->name;
  const std::string prefix = name + ".";
  OWLET_ASSIGN(c.dim, file.get_int(prefix + "embedding_length"));
  OWLET_ASSIGN(c.n_layers, file.get_int(prefix + "block_count"));
  OWLET_ASSIGN(c.n_heads, file.get_int(prefix + "attention.head_count"));
  OWLET_ASSIGN(c.n_kv_heads, file.int_or(prefix + "attention.head_count_kv", c.n_heads));
  OWLET_ASSIGN(c.ffn_dim, file.get_int(prefix + "feed_forward_length"));
  OWLET_ASSIGN(c.max_positions, file.get_int(prefix + "context_length"));
  OWLET_ASSIGN(c.rms_eps, file.get_float(prefix + "attention.layer_norm_rms_epsilon"));
  if (c.n_heads <= 0) return corrupt("attention.head_count must be at least 1");
  if (c.n_layers < 0 || c.n_layers > 4096) return corrupt("block_count is {}", c.n_layers);
  OWLET_ASSIGN(c.head_dim, file.int_or(prefix + "attention.key_length", c.dim / c.n_heads));
  c.rope_interleaved = architecture->gguf_interleaved;
  OWLET_TRY(read_rope(file, prefix, c));
  OWLET_TRY(read_parts(file, c));
  OWLET_ASSIGN(const int64_t window, file.int_or(prefix + "attention.sliding_window", 0));
  OWLET_TRY(apply_family(*architecture, window, c));
  OWLET_TRY(read_scales(file, prefix, c));
  OWLET_TRY(read_ids(file, c));
  OWLET_TRY(c.validate());
  return c;
}

Status add_config(const ModelConfig& c, GgufWriter& writer) {
  const Architecture* architecture = find_architecture(c.architecture);
  OWLET_TRY(check_holds(*architecture, c));
  const std::string prefix = fmt::format("{}.", architecture->gguf);
  const auto u32 = [&](const char* key, int64_t value) { writer.set_u32(prefix + key, static_cast<uint32_t>(value)); };
  const auto f32 = [&](const char* key, double value) { writer.set_f32(prefix + key, static_cast<float>(value)); };
  writer.set_string("general.architecture", architecture->gguf);
  u32("vocab_size", c.vocab_size);
  u32("context_length", c.max_positions);
  u32("embedding_length", c.dim);
  u32("block_count", c.n_layers);
  u32("feed_forward_length", c.ffn_dim);
  u32("attention.head_count", c.n_heads);
  u32("attention.head_count_kv", c.n_kv_heads);
  u32("attention.key_length", c.head_dim);
  u32("attention.value_length", c.head_dim);
  f32("attention.layer_norm_rms_epsilon", c.rms_eps);
  add_rope(c, prefix, writer);
  if (const int64_t window = largest_window(c); window > 0) u32("attention.sliding_window", window);
  if (c.attention_soft_cap > 0) f32("attn_logit_softcapping", c.attention_soft_cap);
  if (c.logit_soft_cap > 0) f32("final_logit_softcapping", c.logit_soft_cap);
  if (!architecture->gguf_can.scales) return {};
  f32("embedding_scale", c.embedding_scale);
  f32("residual_scale", c.residual_scale);
  f32("logit_scale", 1.0 / c.logit_scale);
  f32("attention.scale", c.attention_scale());
  return {};
}

void add_rope_factors(const ModelConfig& c, GgufWriter& writer) {
  const RopeConfig& r = c.rope;
  const auto floats = [](const std::vector<double>& x) { return std::vector<float>(x.begin(), x.end()); };
  if (r.scaling == RopeScaling::kLongRope && is_fixed(r)) {
    add_factors(writer, "rope_freqs.weight", floats(r.short_factors));
  } else if (r.scaling == RopeScaling::kLongRope) {
    add_factors(writer, "rope_factors_long.weight", floats(r.long_factors));
    add_factors(writer, "rope_factors_short.weight", floats(r.short_factors));
  } else if (r.scaling == RopeScaling::kLlama3) {
    // What each frequency is divided by.
    ModelConfig plain = c;
    plain.rope.scaling = RopeScaling::kNone;
    const auto before = rope_frequencies(plain, Rotation::kGlobal, c.max_positions), after = rope_frequencies(c, Rotation::kGlobal, c.max_positions);
    std::vector<float> ratios;
    for (size_t i = 0; i < before.per_position.size(); ++i) ratios.push_back(before.per_position[i] / after.per_position[i]);
    add_factors(writer, "rope_freqs.weight", std::move(ratios));
  }
}

}  // namespace owlet
