// Low-rank adapters (Hu et al. 2021): what tuning adds to a model's linear layers, kept beside the weights or merged into them.
#pragma once

#include <map>
#include <memory>
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

// An adapter beside a model for the requests that ask for it: the weights stay as they are, and different requests of one batch may have
// different ones.
struct RequestAdapter {
  uint64_t id = 0;  // no two have the same: what is computed with one is never taken for another's
  LinearParts parts;
};
// For a model that outlives it. Errors: kUnsupported where it changes what cannot differ from row to row of a batch (DoRA, tables, whole
// tensors): such an adapter is for all or none.
Result<std::shared_ptr<const RequestAdapter>> request_adapter(const Adapter& adapter, double strength, const Model& model);

// Adds it to the weights, in double; those it touches become float32. `strength` counts for low-rank parts.
Status merge_adapter(const Adapter& adapter, double strength, Model& model);

// Takes out of the weights what merge_adapter() added, `strength` as it was then: each comes back within half a unit in the last place
// of its own and of the merged weight, in float32. Rounded to bf16 or f16, as the base was, those are its very bits, but for weights
// thousands of times smaller than what was added to them. Errors: kUnsupported where nobody knows any longer what was there (DoRA's
// lengths, tensors that were trained whole).
Status unmerge_adapter(const Adapter& adapter, double strength, Model& model);

}  // namespace owlet
