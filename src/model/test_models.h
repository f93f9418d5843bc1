// Small models of random weights, for tests, and what they say of a text.
#pragma once

#include <string>
#include <vector>

#include "core/random.h"
#include "model/load.h"
#include "model/model.h"

namespace owlet {

// Two blocks of 32 dimensions, with grouped heads and one table for both ends.
inline ModelConfig two_small_blocks(int64_t vocab_size, int64_t max_positions) {
  ModelConfig config;
  config.vocab_size = vocab_size;
  config.dim = 32;
  config.n_layers = 2;
  config.n_heads = 4;
  config.n_kv_heads = 2;
  config.head_dim = 8;
  config.ffn_dim = 64;
  config.max_positions = max_positions;
  config.tie_embeddings = true;
  return config;
}

// Weights of a size that lets every part have an effect.
inline Model random_model(const ModelConfig& config, DType dtype = DType::kF32) {
  Weights weights = make_weights(config, dtype);
  uint64_t stream = 0;
  weights.for_each([&](const std::string& name, Tensor& tensor) {
    Random random{.seed = 5, .stream = stream++};
    const double mean = name.ends_with("norm.weight") ? 1.0 : 0.0;
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double x = mean + 0.3 * random.normal();
      dtype == DType::kF64 ? tensor.view().as<double>()[i] = x : tensor.f32()[i] = static_cast<float>(x);
    }
  });
  return make_model(config, std::move(weights)).value();
}

// The logits of all tokens, computed over pages of four tokens in such chunks.
inline std::vector<float> paged_logits(Context context, const Model& model, const std::vector<int32_t>& tokens, const std::vector<size_t>& chunks) {
  KvCache cache(model.config, 4);
  Runner runner(context, model, 64);
  const std::vector<int32_t> pages = {2, 0, 3, 1};
  std::vector<float> logits;
  size_t done = 0;
  for (const size_t chunk : chunks) {
    RaggedBatch batch;
    for (size_t i = 0; i < chunk; ++i) {
      batch.output_rows.push_back(static_cast<int32_t>(i));
      batch.tokens_N.push_back(tokens[done + i]);
      batch.positions_N.push_back(static_cast<int32_t>(done + i));
    }
    batch.sequences = {{0, static_cast<int64_t>(chunk), static_cast<int64_t>(done), pages}};
    batch.reach = {static_cast<int64_t>(tokens.size())};
    const TensorView out = runner.forward(batch, cache);
    logits.insert(logits.end(), out.f32(), out.f32() + out.numel());
    done += chunk;
  }
  return logits;
}

}  // namespace owlet
