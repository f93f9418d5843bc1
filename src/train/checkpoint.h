// Checkpoints: a Hugging Face folder that any tool can open, and beside the model what training needs to go on bit by bit.
//
//   RUN/step-00001200/config.json, model.safetensors   the model, float32
//                     optimizer.safetensors             moments, by tensor name
//                     trainer.json                      step, position in the data
//
// A checkpoint is written under "step-….partial", flushed, and renamed: what carries the final name is whole.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "core/json.h"
#include "train/optimizer.h"

namespace owlet {

// Writes the checkpoint of `step` under `run` and removes all but the newest `keep`. `add_files` may put more into the folder
// (a tokenizer) before it gets its name.
Status save_checkpoint(const std::filesystem::path& run, int64_t step, const Model& model, const Optimizer& optimizer,
                       const Json& trainer_state, int64_t keep,
                       const std::function<Status(const std::filesystem::path&)>& add_files);

// The newest complete checkpoint under `run`, none where there is none.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& run);

// Fills the model's weights and the optimizer's states, and returns the trainer's state.
Result<Json> load_checkpoint(const std::filesystem::path& checkpoint, Model& model, Optimizer& optimizer);

}  // namespace owlet
