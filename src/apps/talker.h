// A model that is ready to answer: loaded, with its engine running.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/peft.h"
#include "generate/engine.h"
#include "model/memory_plan.h"

namespace owlet {

struct EngineSize {
  int64_t context = 0;    // tokens; 0: the model's, at most 4,096
  int64_t sequences = 0;  // answers at once; 0: 32. They share a gigabyte of keys and values, or a context's where that is more
  DType kv_dtype = DType::kF16;
  bool takes_memory = false;  // at the start: for servers, which others rely on
  int64_t room = 0;           // bytes that all of it may take; 0: what can be had now
};

// An adapter beside the model, for those who ask for it.
struct NamedAdapter {
  std::string id;
  AdapterChoice from;
};

struct Talker {
  ChatModel chat;
  std::map<std::string, std::shared_ptr<const RequestAdapter>> adapters = {};  // by id
  std::unique_ptr<Machine> machine;
  EngineOptions options;
  int64_t room = 0;  // that it was planned for
  std::unique_ptr<Engine> engine;

  // For who stays, while nothing is being asked: weights come to where they are computed with fastest.
  void settle() { settle_weights(machine->context(), chat.model->weights); }
  // Takes the memory that was planned.
  void start();
  // Bytes that it takes once started: weights, adapters, keys and values, a step.
  int64_t bytes() const;
  // Where the memory goes: "weights 6.4 MB + keys and values 67 MB (32,768 tokens in f16) + a step 12 MB = 85 MB of 8 GB".
  std::string memory() const;

  // "owlet  6.0 M parameters in q8_0, 6.4 MB  context 1,024  2 threads".
  std::string headline() const;
  // The prompt of a chat in the model's own form; an error where it has no template.
  Result<std::vector<int32_t>> encode(const std::vector<ChatMessage>& messages) const;
};

// What an engine of that size is made with, and the memory that this asks for.
EngineOptions engine_options(const ModelConfig& config, EngineSize size);
RunSize run_size(const EngineOptions& options);

// All but the engine, which start() makes. Where memory is short, answers share fewer keys and values. Errors: kTooLarge where there is
// no room for one context.
Result<Talker> plan_talker(const CommonOptions& options, EngineSize size = {}, const std::vector<NamedAdapter>& adapters = {});
// … and started.
Result<Talker> make_talker(const CommonOptions& options, EngineSize size = {});

}  // namespace owlet
