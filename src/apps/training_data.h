// What a run's config says of data, read: the same for training and for looking at it.
#pragma once

#include "apps/config.h"
#include "apps/progress.h"
#include "data/packing.h"
#include "tokenizer/chat.h"
#include "train/trainer.h"

namespace owlet {

struct TrainingData {
  Corpus train;
  Corpus valid;
};

// `note` is told of each file. Lines that data.valid_share holds out of the training files are for validation, beside data.valid's.
Result<TrainingData> load_training_data(const RunConfig& config, const Tokenizer& tokenizer, const ChatTemplate* chat_template,
                                        const std::function<void(const std::string&)>& note);

Result<ValidationSet> make_validation_set(Corpus corpus, const TrainConfig& config, const Tokenizer& tokenizer);

}  // namespace owlet
