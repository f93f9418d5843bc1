// What is served: one model, its tokenizer and its manners. Everything referred to outlives the server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

struct ServedModel {
  std::string id;           // the name that clients ask for
  std::string description;  // "q4_0, 13 M parameters"
  int64_t size_bytes = 0;
  int64_t n_params = 0;
  Engine& engine;
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template = nullptr;  // null: no chats, only completions
  std::vector<int32_t> stop_ids;                // end every answer
  SamplingParams defaults = {};                 // where a request says nothing; its seed is not used
};

}  // namespace owlet
