// What a decoder-only transformer of the Llama family is, in numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet {

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
  double rope_theta = 10000;
  bool rope_interleaved = false;       // pairs (0,1),(2,3)… as in Meta's code and GGUF, else halves as in Hugging Face's
  bool tie_embeddings = false;         // the output layer is the embedding table
  int32_t bos = -1;                    // -1: none
  int32_t pad = -1;
  std::vector<int32_t> eos;            // any of them ends an answer

  int64_t q_dim() const { return n_heads * head_dim; }
  int64_t kv_dim() const { return n_kv_heads * head_dim; }
  // Parameters, the shared table of tied embeddings counted once.
  int64_t n_params() const;
  // Parameters that take part in matrix products for every token: what 2 FLOPs forward and 4 backward are counted on.
  int64_t n_matmul_params() const;
  // Refuses shapes that make no sense, with the field's name; every size that a forward pass multiplies is bounded here.
  Status validate() const;
};

}  // namespace owlet
