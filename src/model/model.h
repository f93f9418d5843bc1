// A decoder of the Llama family and its relatives: weights, and the one forward pass that training and inference share.
//
//   tokens_N ─ embedding ─► x_ND ─► n_layers × block ─► x_ND ─ final norm ─► h_ND ─ output ─► logits_NV
//
// A block, on one screen, is block_forward() in block.cc; its mirror block_backward() stands below it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "model/config.h"
#include "model/linear.h"

namespace owlet {

struct LayerWeights {
  Tensor attn_norm_D;      // a norm is empty where the model has none in that place
  Linear q, k, v;          // [H·E, D], [K·E, D] twice
  Tensor q_norm, k_norm;   // [E], or [H·E] and [K·E]
  Linear o;                // [D, H·E]
  Tensor attn_out_norm_D;
  Tensor ffn_norm_D;
  Linear gate, up;         // [F, D]
  Linear down;             // [D, F]
  Tensor ffn_out_norm_D;
};

struct Weights {
  Tensor embedding_VD;
  std::vector<LayerWeights> layers;
  Tensor final_norm_D;
  Tensor output_VD;  // empty when tied
  const Tensor& output() const { return output_VD ? output_VD : embedding_VD; }

  // Visits every tensor once, in one fixed order, with its Hugging Face name ("model.layers.0.self_attn.q_proj.weight");
  // the output layer only where it is not tied.
  void for_each(const std::function<void(const std::string& name, Tensor& tensor)>& visit);
  void for_each(const std::function<void(const std::string& name, const Tensor& tensor)>& visit) const;
  void for_each_linear(const std::function<void(const std::string& name, Linear& linear)>& visit);  // names without ".weight"
  void for_each_linear(const std::function<void(const std::string& name, const Linear& linear)>& visit) const;
};

// Zeroed weights of the config's shape (gradients, optimizer states, a model to be initialised).
Weights make_weights(const ModelConfig& config, DType dtype = DType::kF32);

// The same skeleton with shapes but no memory: what a loader has to fill.
Weights empty_weights(const ModelConfig& config);

// GPT-2 style: normal(0, 0.02), projections back into the residual stream scaled by 1 / sqrt(2 · n_layers), norms 1.
void init_weights(Weights& weights, const ModelConfig& config, uint64_t seed);

struct Model {
  ModelConfig config;
  Weights weights;

  int64_t bytes() const;  // of the weights
  DType compute_dtype() const;  // of activations: float64 where the weights are
  std::string dtype_name() const;  // of most weights: "q4_0"
};

// For who stays: brings the weights of products where the context's ops like them best, turned (Ops::turn), or at least into huge pages, in
// some tenths of a second for a gigabyte, and gives up what a file took of memory for them. Answers stay the same to the bit, but only these
// ops can compute with the weights then, and nothing can be trained or saved. Nothing happens where the memory that is left could not well
// hold them.
void settle_weights(const Context& context, Weights& weights);

// A model around weights: checks every shape against the config.
Result<Model> make_model(ModelConfig config, Weights weights);

// The stream's first state: rows of the table for ids_N, scaled as the model does.
void embed(const Context& context, const Model& model, TensorView out_ND, std::span<const int32_t> ids_N);
// Logits of normed rows: the output layer, scaled and capped as the model does.
void output_logits(const Context& context, const Model& model, TensorView logits_NV, TensorView h_ND);

// ---- Inference ----------------------------------------------------------------------------------------------------

// Keys and values of every layer in pages shared by all sequences. Who owns which page is the caller's business.
class KvCache {
 public:
  static constexpr int64_t kPageLen = kKvPageLen;
  KvCache(const ModelConfig& config, int64_t n_pages, DType dtype = DType::kF32);
  KvPages layer(int64_t i) const;
  // Keys and values of all layers.
  void copy_page(int32_t from, int32_t to) const;
  // Makes the system give all the memory now, and not when it is first written to.
  void touch() const;
  static int64_t bytes_per_token(const ModelConfig& config, DType dtype);
  int64_t n_pages() const { return n_pages_; }
  int64_t bytes() const;

 private:
  int64_t n_pages_;
  std::vector<std::pair<Tensor, Tensor>> layers_;
};

// Tokens of several sequences laid end to end.
struct RaggedBatch {
  std::vector<int32_t> tokens_N;
  std::vector<int32_t> positions_N;
  std::vector<SequenceRows> sequences;
  std::vector<int32_t> output_rows;  // rows whose logits are wanted, ascending
  // Tokens that each sequence may come to, for rotations that depend on it; empty: as many as it has.
  std::vector<int64_t> reach = {};
  // Of each sequence, the adapter that it is computed with, null: none; empty: nobody has one. Neighbours with the same are computed
  // together.
  std::vector<const LinearParts*> adapters = {};
};

// Runs a model over ragged batches of at most max_rows tokens; owns the activations, allocated once.
class Runner {
 public:
  Runner(Context context, const Model& model, int64_t max_rows);
  ~Runner();
  // Of the activations.
  static int64_t bytes(const ModelConfig& config, int64_t max_rows, DType dtype);
  // Appends the batch's keys and values to the cache and returns logits_RV, one row for each of batch.output_rows;
  // valid until the next call.
  TensorView forward(const RaggedBatch& batch, const KvCache& cache);
  const Model& model() const { return model_; }
  int64_t max_rows() const { return max_rows_; }

 private:
  struct Activations;
  Context context_;
  const Model& model_;
  int64_t max_rows_;
  std::unique_ptr<Activations> activations_;
};

}  // namespace owlet
