// A completion request as it should be: every field checked and named where it is wrong, nothing ignored that
// would change the answer.
#pragma once

#include <functional>
#include <optional>
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
  bool continue_final_message = false;     // kChat: the last message is an answer's beginning; what is asked for is the rest of it
  std::vector<Prompt> prompts = {};        // kCompletions
  int n = 1;                               // answers to each prompt
  std::optional<int64_t> max_tokens = {};  // none: up to the end of the context; 0 (kCompletions): only the prompt is read
  SamplingRequest sampling = {};
  std::vector<std::string> stops = {};
  int n_logprobs = -1;         // −1: none
  int n_prompt_logprobs = -1;  // in vLLM's form
  bool echo = false;           // kCompletions: the prompt stands before the answer, its log-probabilities too
  std::optional<std::string> reasoning_effort = {};
  std::optional<int64_t> thinking_budget = {};  // tokens
  bool stream = false;
  bool include_usage = false;  // in a stream, a last chunk with the usage
};

// Of a body, with those inside of others.
inline constexpr size_t kMaxValues = 1 << 17;

// The beginning that every body has: a JSON object within bounds.
std::variant<Json, ApiError> parse_body(std::string_view body);

// Messages as a chat template takes them, from the field "messages".
void read_messages(JsonFields& fields, std::vector<ChatMessage>& messages);

// The JSON Schema of an endpoint's body.
Json request_schema(Endpoint endpoint);

// The sampling parameters of the model of that name (empty: of whatever is meant then) where a request says nothing, or what is wrong
// with the name.
using DefaultsOf = std::function<std::variant<SamplingParams, ApiError>(const std::string& model)>;

// A seed that is not given is drawn at random.
std::variant<ApiRequest, ApiError> parse_api_request(Endpoint endpoint, std::string_view body, const DefaultsOf& defaults_of);

}  // namespace owlet
