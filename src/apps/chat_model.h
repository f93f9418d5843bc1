// Text and tensors together: a model with its tokenizer and its chat template, and where it computes.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "generate/engine.h"
#include "io/gguf.h"
#include "kernels/backend.h"
#include "model/model.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// The processor as a place to compute: threads and the kernels on them.
struct Machine {
  explicit Machine(int threads) : pool(threads) {}
  ThreadPool pool;
  std::unique_ptr<Ops> ops;
  Context context() { return {*ops, Precision::kAsStored}; }
};
Result<std::unique_ptr<Machine>> make_machine(int threads);

struct ChatModel {
  std::filesystem::path path;
  std::string id;                             // what people call it
  std::string description;
  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;  // none: a model for plain completion
  std::vector<int32_t> stop_ids;
  SamplingParams defaults;                    // the model's own advice, where its files give any
};

inline constexpr double kUsualTemperature = 0.7;  // where a model's files advise none

// The ids that end an answer.
std::vector<int32_t> find_stop_ids(const Model& model, const Tokenizer& tokenizer);

// Tokenizer, template and advice from a GGUF file's metadata.
Status read_gguf_chat(const GgufFile& file, ChatModel& chat);

// What follows from model and tokenizer together; an error where they do not belong together.
Status complete(ChatModel& chat);

// All of it from a GGUF file that is open. Nothing of the weights is read yet.
Result<ChatModel> read_chat_model(const GgufFile& file, const std::string& name);

}  // namespace owlet
