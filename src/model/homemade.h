// Checkpoints as Meta's Llama code and its homemade descendants write them: a state dict whose tensors are called
// tok_embeddings, layers.N.attention.wq, layers.N.feed_forward.w1 …, rotated in interleaved pairs. The file says nothing about
// heads, base or context: a params.json beside it may (n_heads, norm_eps, rope_theta, max_seq_len); else they are the homemade
// family's: 16 heads, 1e-5, 50,000, 4,096.
#pragma once

#include <filesystem>
#include <string>

#include "io/torch_file.h"
#include "model/config.h"

namespace owlet {

// The checkpoint that a path means: a .pt or .pth file, or a folder that holds exactly one and no config.json; else empty.
std::filesystem::path find_checkpoint(const std::filesystem::path& path);

// Sizes come from the tensors' shapes.
Result<ModelConfig> config_from_checkpoint(const TorchFile& file, const std::filesystem::path& path);

// What a checkpoint calls our tensor: "model.layers.3.mlp.up_proj.weight" → "layers.3.feed_forward.w3.weight".
std::string name_in_checkpoint(const std::string& name);

}  // namespace owlet
