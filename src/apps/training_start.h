// Where a run starts: a model with its tokenizer, or the shape of a fresh one; looked at first, then made ready to be trained.
#pragma once

#include <optional>

#include "apps/config.h"
#include "apps/load_chat_model.h"
#include "data/packing.h"
#include "train/plan.h"

namespace owlet {

struct Start {
  Model model;  // weights as the files have them; of a fresh model none yet
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  int64_t stored_bytes = 0;  // of the files' weights
  SamplingParams defaults = {};            // what the model advises
  std::vector<int32_t> stop_ids = {};
};

// Completes the shape in `config` where a fresh model's follows from its tokenizer.
Result<Start> load_start(RunConfig& config);

// Of the homemade form of chats: whether thoughts are opened for the model is what most of these chats teach it. Nothing changes where
// there are none.
Status settle_template(Start& start, const Corpus& corpus);

// kTooLarge where the run takes more than `available` bytes: with the numbers, and the settings that would make it fit.
Status check_plan(const TrainingPlan& plan, const Start& start, const TrainConfig& config, int64_t available);

// Weights that are trained become float32, or their matrices bfloat16, whatever a model's file holds; those that adapters stand beside may
// stay what they are. A fresh model's are drawn.
Status prepare_weights(Start& start, const TrainConfig& config, Machine& machine);

}  // namespace owlet
