// Texts, tokens and chats turned into each other, with the names of vLLM (/tokenize, /detokenize, /tokenizer_info) and llama.cpp
// (/apply-template). Every one is a function of the body and the model; wrong bodies get an error in OpenAI's form.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "core/json.h"
#include "serve/http_server.h"
#include "serve/model_catalog.h"

namespace owlet {

// A body that was read: which model it is for, and what that model makes of it.
struct TextRequest {
  std::string model;  // empty: whatever is served
  std::function<HttpResponse(const ModelUse& use)> answer;
};

// {"prompt"} or {"messages"} → {"tokens", "count", "max_model_len"}
std::variant<TextRequest, ApiError> parse_tokenize(std::string_view body);
// {"tokens"} → {"prompt"}
std::variant<TextRequest, ApiError> parse_detokenize(std::string_view body);
// {"messages"} → {"prompt"}
std::variant<TextRequest, ApiError> parse_apply_template(std::string_view body);
// → {"bos_token", "eos_token", "vocab_size", "chat_template", …}
Json tokenizer_info(const ServedModel& model);

// The JSON Schemas of the bodies.
Json tokenize_schema();
Json detokenize_schema();
Json apply_template_schema();

}  // namespace owlet
