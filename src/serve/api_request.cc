#include "serve/api_request.h"

#include <set>

#include "serve/json_fields.h"

namespace owlet {
namespace {

constexpr int64_t kMaxTokens = 1'000'000;
constexpr int64_t kMaxChoices = 8;
constexpr size_t kMaxPrompts = 32;
constexpr size_t kMaxMessages = 4096;
constexpr size_t kMaxStops = 16;
constexpr size_t kMaxStopBytes = 1024;

void read_stops(JsonFields& fields, std::vector<std::string>& stops) {
  const Json* value = fields.find("stop");
  if (!value) return;
  const std::string wrong =
      fmt::format("must be a string or up to {} strings of 1 to {} bytes", kMaxStops, kMaxStopBytes);
  const auto add = [&](const Json& stop) {
    const std::string* text = stop.get_ptr<const std::string*>();
    if (!text || text->empty() || text->size() > kMaxStopBytes) return fields.fail("stop", wrong);
    stops.push_back(*text);
  };
  if (!value->is_array()) return add(*value);
  if (value->size() > kMaxStops) return fields.fail("stop", wrong);
  for (const Json& stop : *value) add(stop);
}

void read_stream(JsonFields& fields, ApiRequest& request) {
  fields.boolean("stream", request.stream);
  const Json* options = fields.find("stream_options");
  if (!options) return;
  if (!options->is_object()) return fields.fail("stream_options", "must be an object");
  if (!request.stream) return fields.fail("stream_options", "is only allowed with 'stream': true");
  JsonFields inner(*options, "stream_options.");
  inner.boolean("include_usage", request.include_usage);
  inner.ignore({"include_obfuscation"});
  inner.refuse_unknown();
  if (inner.error()) fields.fail(*inner.error());
}

// Content as one string: a string, or parts of type "text".
void read_content(JsonFields& fields, const Json& content, const std::string& where, std::string& text) {
  if (content.is_null()) return;
  if (const std::string* whole = content.get_ptr<const std::string*>()) {
    text = *whole;
    return;
  }
  if (!content.is_array()) return fields.fail(where, "must be a string or an array of text parts");
  for (const Json& part : content) {
    const auto type = get_string(part, "type");
    const auto part_text = get_string(part, "text");
    if (type && *type != "text")
      return fields.fail(where, fmt::format("parts of type '{}' are not supported, only 'text'", *type));
    if (!type || !part_text) return fields.fail(where, "every part needs 'type': 'text' and a 'text'");
    text += *part_text;
  }
}

void read_message(JsonFields& fields, const Json& json, const std::string& where, ChatMessage& message) {
  if (!json.is_object()) return fields.fail(where, "must be an object with 'role' and 'content'");
  const auto role = get_string(json, "role");
  if (!role) return fields.fail(where + ".role", "must be 'system', 'user' or 'assistant'");
  message.role = *role == "developer" ? "system" : *role;
  if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    return fields.fail(where + ".role",
                       fmt::format("'{}' is not supported: use 'system', 'user' or 'assistant'", *role));
  }
  for (const char* unsupported : {"tool_calls", "function_call", "audio"}) {
    const auto it = json.find(unsupported);
    if (it != json.end() && !it->is_null() && !it->empty())
      return fields.fail(where + "." + unsupported, "is not supported");
  }
  const auto content = json.find("content");
  const bool missing = content == json.end() || content->is_null();
  if (missing && message.role != "assistant") return fields.fail(where + ".content", "is missing");
  if (!missing) read_content(fields, *content, where + ".content", message.content);
  if (const auto thinking = json.find("reasoning_content"); thinking != json.end()) {
    read_content(fields, *thinking, where + ".reasoning_content", message.thinking);
  }
}

void read_messages(JsonFields& fields, std::vector<ChatMessage>& messages) {
  const Json* value = fields.find("messages");
  if (!value || !value->is_array() || value->empty())
    return fields.fail("messages", "must be an array of at least one message");
  if (value->size() > kMaxMessages)
    return fields.fail("messages", fmt::format("has more than {} messages", kMaxMessages));
  for (size_t i = 0; i < value->size() && !fields.error(); ++i) {
    read_message(fields, (*value)[i], fmt::format("messages[{}]", i), messages.emplace_back());
  }
}

bool is_ids(const Json& value) {
  if (!value.is_array() || value.empty()) return false;
  for (const Json& id : value) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) return false;
  }
  return true;
}

// A string, ids, or an array of these.
void read_prompts(JsonFields& fields, std::vector<Prompt>& prompts) {
  const Json* value = fields.find("prompt");
  const auto add = [&](const Json& prompt) {
    if (prompt.is_string()) {
      prompts.emplace_back(prompt.get<std::string>());
    } else if (is_ids(prompt)) {
      prompts.emplace_back(prompt.get<std::vector<TokenId>>());
    } else {
      fields.fail("prompt", "must be a string, an array of token ids, or an array of these");
    }
  };
  if (!value) return fields.fail("prompt", "is missing");
  if (!value->is_array() || is_ids(*value) || value->empty()) return add(*value);
  if (value->size() > kMaxPrompts)
    return fields.fail("prompt", fmt::format("has more than {} prompts", kMaxPrompts));
  for (const Json& prompt : *value) add(prompt);
}

void read_chat(JsonFields& fields, ApiRequest& request) {
  read_messages(fields, request.messages);
  bool wants_logprobs = false;
  int64_t top_logprobs = 0;
  fields.boolean("logprobs", wants_logprobs);
  fields.integer("top_logprobs", 0, 20, top_logprobs);
  if (top_logprobs > 0 && !wants_logprobs)
    fields.fail("top_logprobs", "is only allowed with 'logprobs': true");
  if (wants_logprobs) request.n_logprobs = static_cast<int>(top_logprobs);

  int64_t max_completion_tokens = 0;
  fields.integer("max_completion_tokens", 1, kMaxTokens, max_completion_tokens);
  if (max_completion_tokens > 0) request.max_tokens = max_completion_tokens;

  for (const char* name :
       {"tools", "functions", "audio", "prediction", "reasoning_effort", "web_search_options", "verbosity"}) {
    fields.refuse(name);
  }
  fields.allow_only("tool_choice", {"none", "auto"});
  fields.allow_only("function_call", {"none", "auto"});
  if (const Json* format = fields.find("response_format"); format && get_string(*format, "type").ok()) {
    if (*get_string(*format, "type") != "text")
      fields.fail("response_format", "only {'type': 'text'} is supported");
  } else if (format) {
    fields.fail("response_format", "must be {'type': 'text'}");
  }
  if (const Json* modalities = fields.find("modalities");
      modalities && *modalities != Json::array({"text"})) {
    fields.fail("modalities", "only ['text'] is supported");
  }
  fields.ignore({"parallel_tool_calls"});
}

void read_plain(JsonFields& fields, ApiRequest& request) {
  read_prompts(fields, request.prompts);
  int64_t n_logprobs = -1;
  fields.integer("logprobs", 0, 20, n_logprobs);
  request.n_logprobs = static_cast<int>(n_logprobs);
  bool echo = false;
  fields.boolean("echo", echo);
  if (echo) fields.fail("echo", "is not supported");
  fields.refuse("suffix");
  int64_t best_of = request.n;
  fields.integer("best_of", 1, kMaxChoices, best_of);
  if (best_of != request.n) fields.fail("best_of", "is not supported unless it equals 'n'");
}

}  // namespace

std::variant<ApiRequest, ApiError> parse_api_request(Endpoint endpoint, std::string_view body,
                                                     const SamplingParams& defaults) {
  const auto json = parse_json(body);
  if (!json) return ApiError{.message = "the body is " + json.error().message};
  if (!json->is_object()) return ApiError{.message = "the body must be a JSON object"};

  ApiRequest request{.endpoint = endpoint, .sampling = {.params = defaults}};
  JsonFields fields(*json);
  fields.text("model", request.model);
  int64_t n = 1;
  fields.integer("n", 1, kMaxChoices, n);
  request.n = static_cast<int>(n);
  fields.integer("max_tokens", 1, kMaxTokens, request.max_tokens);
  read_sampling(fields, request.sampling);
  read_stops(fields, request.stops);
  read_stream(fields, request);
  if (endpoint == Endpoint::kChat) {
    read_chat(fields, request);
  } else {
    read_plain(fields, request);
  }
  // Bookkeeping of other servers that changes nothing in an answer.
  fields.ignore({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
                 "prompt_cache_retention"});
  fields.refuse_unknown();
  if (fields.error()) return *fields.error();
  return request;
}

}  // namespace owlet
