// A completion request as it should be: every field checked and named where it is wrong, nothing ignored that
// would change the answer.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "generate/engine.h"
#include "serve/api_error.h"
#include "serve/sampling_fields.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

enum class Endpoint { kChat, kCompletions };

using Prompt = std::variant<std::string, std::vector<TokenId>>;

struct ApiRequest {
  Endpoint endpoint = Endpoint::kChat;
  std::string model = {};                  // empty: whatever is served
  std::vector<ChatMessage> messages = {};  // kChat
  std::vector<Prompt> prompts = {};        // kCompletions
  int n = 1;                               // answers to each prompt
  int64_t max_tokens = 0;                  // 0: up to the end of the context
  SamplingRequest sampling = {};
  std::vector<std::string> stops = {};
  int n_logprobs = -1;  // −1: none
  bool stream = false;
  bool include_usage = false;  // in a stream, a last chunk with the usage
};

// `defaults` are the model's sampling parameters; a seed that is not given is drawn at random.
std::variant<ApiRequest, ApiError> parse_api_request(Endpoint endpoint, std::string_view body,
                                                     const SamplingParams& defaults);

}  // namespace owlet
