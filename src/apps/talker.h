// A model that is ready to answer: loaded, with its engine running.
#pragma once

#include <memory>
#include <string>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "generate/engine.h"
#include "model/memory_plan.h"

namespace owlet {

struct EngineSize {
  int64_t context = 0;    // tokens; 0: the model's, at most 4,096
  int64_t sequences = 0;  // answers at once; 0: as many as fit in a gigabyte of keys and values, at most 16
};

struct Talker {
  ChatModel chat;
  std::unique_ptr<Machine> machine;
  std::unique_ptr<Engine> engine;

  // "owlet  6.0 M parameters in q8_0, 6.4 MB  context 1,024  2 threads".
  std::string headline() const;
  // The prompt of a chat in the model's own form; an error where it has no template.
  Result<std::vector<int32_t>> encode(const std::vector<ChatMessage>& messages) const;
};

// What an engine of that size is made with, and the memory that this asks for.
EngineOptions engine_options(const ModelConfig& config, EngineSize size);
RunSize run_size(const EngineOptions& options);

// Where nobody says how many answers at once, as many as memory holds. Errors: kTooLarge where there is no room for one.
Result<Talker> make_talker(const CommonOptions& options, EngineSize size = {});

}  // namespace owlet
