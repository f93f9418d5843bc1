// From multi-head to grouped-query attention: fewer keys and values to keep for every token.
#pragma once

#include "model/model.h"

namespace owlet {

// The model with n_kv_heads key/value heads, each the mean of the heads that it stands for (Ainslie et al. 2023): a start for
// tuning, not a model of the same quality. Refuses a number that does not divide the model's. Tensors that stay are shared.
Result<Model> group_heads(const Model& model, int64_t n_kv_heads);

}  // namespace owlet
