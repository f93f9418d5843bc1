// Checkpoints: a Hugging Face folder that any tool can open, and beside the model what training needs to go on bit by bit.
//
//   RUN/step-00001200/config.json, model.safetensors   the model, each tensor in the type it is trained in
//                     optimizer.state                   moments, by tensor name; adapters and other weights that the model's own
//                                                       files do not hold, or not to the bit. It is a safetensors file, but is not
//                                                       called so: vLLM takes every file that is for a piece of the model
//                     trainer.json                      step, position in the data
//                     checksums.json                    {"FILE": SHA-256} of all the others
//
// A checkpoint is written under "step-….partial", flushed, and renamed: what carries the final name is whole.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "core/json.h"
#include "train/optimizer.h"
#include "train/parameters.h"

namespace owlet {

// What a checkpoint is of.
struct TrainingState {
  Model& model;
  const Parameters& parameters;
  const Optimizer& optimizer;
  bool whole_model = true;  // not where only adapters are trained
};

// Writes the checkpoint of `step` under `run`. `add_files` may put more into the folder (a tokenizer) before it gets its name. Where that
// fails (a full disk) nothing of it stays, the checkpoints before it do, and the error says which is the newest.
Status save_checkpoint(const std::filesystem::path& run, int64_t step, const TrainingState& state, const Json& trainer_state,
                       const std::function<Status(const std::filesystem::path&)>& add_files);

// Removes all complete checkpoints under `run` but the newest `keep` and that of the step `best`.
Status prune_checkpoints(const std::filesystem::path& run, int64_t keep, int64_t best);

// The newest complete checkpoint under `run`, none where there is none.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& run);
// All of them, oldest first.
std::vector<std::filesystem::path> complete_checkpoints(const std::filesystem::path& run);

// kCorrupt, naming the file, where a checkpoint's files are not those that its checksums are of.
Status check_checkpoint(const std::filesystem::path& checkpoint);

// Gives a damaged checkpoint a name that is no checkpoint's, "step-….damaged".
Status set_aside(const std::filesystem::path& checkpoint);

// Fills the model's weights and the optimizer's states, and returns the trainer's state.
Result<Json> load_checkpoint(const std::filesystem::path& checkpoint, const TrainingState& state);

}  // namespace owlet
