// The training pass: every block's activations kept, then the way back.
#pragma once

#include <memory>

#include "model/model.h"

namespace owlet {

// Rows of a packed batch: documents laid end to end, each attending only to itself.
struct PackedRows {
  std::span<const int32_t> tokens_N;
  std::span<const int32_t> positions_N;
  std::span<const int32_t> first_row_N;  // the row where each row's document begins
};

// Owns activations for up to max_rows rows. forward() then backward() with the same rows.
class Tape {
 public:
  Tape(Context context, const Model& model, int64_t max_rows);
  ~Tape();

  // Hidden states after the final norm, h_ND; valid until the next call. Wants logits? linear() with the output weights.
  TensorView forward(const PackedRows& rows);
  // dh_ND is the gradient of forward()'s result (overwritten); adds to every gradient but the output layer's own use of
  // its table, which belongs to whoever computed logits. `gradients` has the model's skeleton.
  void backward(const PackedRows& rows, TensorView dh_ND, const Weights& gradients);

  // The residual stream before block i (i = 0: the embeddings), for looking inside.
  TensorView stream_ND(int64_t i) const;
  int64_t bytes() const;

 private:
  struct Impl;
  Context context_;
  const Model& model_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
