// A model's numbers in GGUF's metadata.
#pragma once

#include "io/gguf.h"
#include "model/architecture.h"

namespace owlet {

// Adds what config_from_gguf() reads; refuses what a GGUF of the family cannot say.
Status add_config(const ModelConfig& config, GgufWriter& writer);
// The tensors that belong to a stretched rotation.
void add_rope_factors(const ModelConfig& config, GgufWriter& writer);

}  // namespace owlet
