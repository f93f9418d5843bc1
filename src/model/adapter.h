// Low-rank adapters (Hu et al. 2021): what tuning adds to a model's linear layers, kept beside the weights or merged into them.
#pragma once

#include <map>
#include <string>

#include "model/model.h"

namespace owlet {

// All in float32, rows in the order of the model that it was read for.
struct Adapter {
  struct Part {
    Tensor a_RI, b_OR;
    double scale = 1;         // weight + scale · b · a
    Tensor magnitude_O = {};  // DoRA (Liu et al. 2024): each row is then given this length
  };
  std::map<std::string, Part> parts;      // by our name of a matrix: "model.layers.0.self_attn.q_proj.weight"
  std::map<std::string, Tensor> replaced; // tensors that the tuning trained whole, by our names
};

// Puts the adapter beside the model's weights, `strength` times: its layers then add x · aᵀ · bᵀ. What cannot stand beside a weight
// (DoRA, tables, whole tensors) is merged. Several may be put on one model. Errors: a tied table, which has two uses.
Status apply_adapter(const Adapter& adapter, double strength, Model& model);

// Adds it to the weights, in double; those it touches become float32. `strength` counts for low-rank parts.
Status merge_adapter(const Adapter& adapter, double strength, Model& model);

}  // namespace owlet
