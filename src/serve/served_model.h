// A model that is loaded, with its tokenizer and its manners, as requests use it; and what is known of one that is not.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// What people may know of a model before it is loaded.
struct ModelCard {
  std::string id;                // the name that clients ask for
  std::string parent = {};       // of an adapter: the model that it stands beside; else empty
  std::string description = {};  // "q4_0, 13 M parameters"
  int64_t size_bytes = 0;
  int64_t n_params = 0;
  int64_t context_length = 0;
  SamplingParams defaults = {};  // where a request says nothing; its seed is not used
};

// The bytes of the longest token: a text of more than so many for every token of the context need not be encoded to be refused. 0 where
// the tokenizer may shorten texts, and nothing is known.
size_t longest_token_bytes(const Tokenizer& tokenizer);

struct ServedModel {
  std::shared_ptr<void> owner = {};             // of what is referred to here, where nobody else keeps it
  Engine& engine;
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template = nullptr;  // null: no chats, only completions
  std::vector<int32_t> stop_ids = {};           // end every answer
  std::map<std::string, std::shared_ptr<const RequestAdapter>> adapters = {};  // by the id of their cards
  bool shares_prefixes = false;                 // what one key's prompts left in the cache serves the others too
  size_t longest_token = longest_token_bytes(tokenizer);
};

}  // namespace owlet
