// What a decoder-only transformer of the Llama family is, in numbers. Architectures differ in these numbers alone: the block is
// written against them, and never asks for a name.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernels/ops.h"
#include "model/rope.h"

namespace owlet {

// What a layer may have of its own.
struct LayerConfig {
  int64_t window = 0;  // keys that a query sees at most, itself included; 0: all
  Rotation rotation = Rotation::kGlobal;
};

enum class QkNorm : uint8_t { kNone, kPerHead, kWhole };  // of queries and keys before they are rotated: each head, or all at once

struct ModelConfig {
  std::string architecture = "llama";  // a name in architecture.h's registry
  int64_t vocab_size = 0;              // V
  int64_t dim = 0;                     // D
  int64_t n_layers = 0;
  int64_t n_heads = 0;                 // H
  int64_t n_kv_heads = 0;              // K, divides H
  int64_t head_dim = 0;                // E, even; often D / H
  int64_t ffn_dim = 0;                 // F
  int64_t max_positions = 0;           // the context the model was made for
  double rms_eps = 1e-5;
  RopeConfig rope = {};
  bool rope_interleaved = false;       // pairs (0,1),(2,3)… as in Meta's code and GGUF, else halves as in Hugging Face's
  bool tie_embeddings = false;         // the output layer is the embedding table
  int32_t bos = -1;                    // -1: none
  int32_t pad = -1;
  std::vector<int32_t> eos = {};       // any of them ends an answer

  std::vector<LayerConfig> layers = {};  // empty: all alike, as LayerConfig{}
  Activation activation = Activation::kSilu;
  bool pre_norms = true;               // before attention and ffn
  bool post_norms = false;             // behind them, before they are added to the stream
  QkNorm qk_norm = QkNorm::kNone;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  double embedding_scale = 1;
  double residual_scale = 1;           // of what attention and ffn add to the stream
  double query_scale = 0;              // of queries times keys; 0: 1 / √E
  double logit_scale = 1;
  double attention_soft_cap = 0;       // scores become cap · tanh(score / cap); 0: as they are
  double logit_soft_cap = 0;

  int64_t q_dim() const { return n_heads * head_dim; }
  int64_t kv_dim() const { return n_kv_heads * head_dim; }
  int64_t rotary_dim() const { return rope.rotary_dim == 0 ? head_dim : rope.rotary_dim; }
  double attention_scale() const { return query_scale > 0 ? query_scale : 1.0 / std::sqrt(static_cast<double>(head_dim)); }
  LayerConfig layer(int64_t i) const { return layers.empty() ? LayerConfig{} : layers[static_cast<size_t>(i)]; }
  // Parameters, the shared table of tied embeddings counted once.
  int64_t n_params() const;
  // Parameters that take part in matrix products for every token: what 2 FLOPs forward and 4 backward are counted on.
  int64_t n_matmul_params() const;
  // Refuses shapes that make no sense, with the field's name; every size that a forward pass multiplies is bounded here.
  Status validate() const;
};

}  // namespace owlet
