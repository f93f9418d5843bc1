// What is trained: weights with their gradients, in buckets that are whole one after the other on the way back.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/model.h"
#include "train/bucket.h"

namespace owlet {

struct Parameter {
  std::string name;
  Tensor weight;    // the model's own
  Tensor gradient;  // of the same shape, in the dtype of activations
};

// Bucket 0 holds the embedding table, bucket 1 + i block i with its adapters, the last the final norm and the output layer.
class Parameters {
 public:
  using Filter = std::function<bool(const std::string& name)>;

  // The model's tensors that `trains` accepts, in the order of Weights::for_each() with each layer's adapters behind it
  // ("model.layers.0.self_attn.q_proj.lora_A.weight"). With one_at_a_time all blocks' gradients share one bucket's memory, and the
  // tables' (where there are two) another: for passes that are done with a bucket before they come to the next.
  Parameters(const Model& model, const Filter& trains, bool one_at_a_time);

  int64_t n_buckets() const { return static_cast<int64_t>(buckets_.size()); }
  std::span<const Parameter> bucket(int64_t i) const { return parameters_[static_cast<size_t>(i)]; }
  void zero(int64_t bucket) const;
  double sum_of_squares(Ops& ops, int64_t bucket) const;

  // The model's skeleton with gradients where something is trained.
  const Weights& gradients() const { return gradients_; }
  int64_t numel() const;
  int64_t gradient_bytes() const { return gradient_bytes_; }

 private:
  void allocate(bool one_at_a_time, bool two_tables);

  DType dtype_;
  Weights gradients_;
  std::vector<Bucket> buckets_;
  std::vector<std::vector<Parameter>> parameters_;
  int64_t gradient_bytes_ = 0;
};

// √Σ g² over all gradients.
double gradient_norm(Ops& ops, const Parameters& parameters);

}  // namespace owlet
