// The training pass: every block's activations kept, then the way back.
#pragma once

#include <functional>
#include <memory>

#include "model/model.h"

namespace owlet {

struct BlockActivations;

// Rows of a packed batch: documents laid end to end, each attending only to itself.
struct PackedRows {
  std::span<const int32_t> tokens_N;
  std::span<const int32_t> positions_N;
  std::span<const int32_t> first_row_N;  // the row where each row's document begins
};

// Owns activations for up to max_rows rows. forward() then backward() with the same rows.
class Tape {
 public:
  // Of every recompute_every-th block only the stream before it is kept, and the rest is computed again on the way back (Chen et al.
  // 2016): the same bits for less memory. 1: of all blocks; 0: of none.
  Tape(Context context, const Model& model, int64_t max_rows, int64_t recompute_every = 0);
  ~Tape();
  // What bytes() will be.
  static int64_t bytes(const ModelConfig& config, int64_t max_rows, int64_t recompute_every, DType dtype);

  // Hidden states after the final norm, h_ND; valid until the next call. Wants logits? linear() with the output weights.
  TensorView forward(const PackedRows& rows);
  // Blocks from the last to the first whose gradients are whole when they are called.
  using BlockDone = std::function<void(int64_t block)>;

  // dh_ND is the gradient of forward()'s result (overwritten); adds to every gradient but the output layer's own use of
  // its table, which belongs to whoever computed logits. `gradients` has the model's skeleton; what has no memory there is not computed,
  // and neither are blocks below the last of which anything is.
  void backward(const PackedRows& rows, TensorView dh_ND, const Weights& gradients, const BlockDone& done = {});

  // The residual stream before block i (i = 0: the embeddings), for looking inside.
  TensorView stream_ND(int64_t i) const;
  int64_t bytes() const;

 private:
  struct Impl;
  void run_block(int64_t i, const PackedRows& rows, const BlockActivations& activations);
  Context context_;
  const Model& model_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
