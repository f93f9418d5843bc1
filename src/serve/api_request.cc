#include "serve/api_request.h"

#include <algorithm>

#include "serve/json_fields.h"

namespace owlet {
namespace {

constexpr int64_t kMaxTokens = 1'000'000;
constexpr int64_t kMaxChoices = 8;
constexpr size_t kMaxAnswers = 128;  // prompts × n
constexpr size_t kMaxMessages = 2048;  // as OpenAI
constexpr size_t kMaxParts = 16384;  // of a body: a little more than so many messages of one part each have
constexpr size_t kMaxStops = 16;
constexpr size_t kMaxStopBytes = 1024;

// What reasoning_effort allows a thought to cost, in tokens.
constexpr std::pair<std::string_view, int64_t> kEfforts[] = {
    {"none", 0}, {"minimal", 256}, {"low", 1024}, {"medium", 4096}, {"high", -1}};

void read_stops(JsonFields& fields, std::vector<std::string>& stops) {
  if (fields.describes()) {
    const Json texts = texts_schema(kMaxStops, kMaxStopBytes);
    fields.describe("stop", {{"anyOf", {texts["items"], texts}}});
  }
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
  if (fields.describes()) {
    fields.describe("stream_options", {{"type", "object"}, {"properties", {{"include_usage", {{"type", "boolean"}}}}}});
  }
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

Json messages_schema() {
  const Json part = {{"type", "object"},
                     {"properties", {{"type", {{"const", "text"}}}, {"text", {{"type", "string"}}}}},
                     {"required", {"type", "text"}}};
  const Json content = {{"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", part}}}}};
  const Json message = {{"type", "object"},
                        {"properties", {{"role", {{"enum", {"system", "developer", "user", "assistant"}}}}, {"content", content}}},
                        {"required", {"role", "content"}}};
  return {{"type", "array"}, {"items", message}, {"minItems", 1}, {"maxItems", kMaxMessages}};
}

}  // namespace

void read_messages(JsonFields& fields, std::vector<ChatMessage>& messages) {
  if (fields.describes()) return fields.describe("messages", messages_schema());
  const Json* value = fields.find("messages");
  if (!value || !value->is_array() || value->empty())
    return fields.fail("messages", "must be an array of at least one message");
  if (value->size() > kMaxMessages)
    return fields.fail("messages", fmt::format("has more than {} messages", kMaxMessages));
  for (size_t i = 0; i < value->size() && !fields.error(); ++i) {
    read_message(fields, (*value)[i], fmt::format("messages[{}]", i), messages.emplace_back());
  }
}

namespace {

bool is_ids(const Json& value) { return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), is_id); }

Json prompt_schema() {
  const Json text = {{"type", "string"}, {"minLength", 1}};
  Json ids = ids_schema();
  ids["minItems"] = 1;
  const auto list_of = [](const Json& items) {
    return Json{{"type", "array"}, {"items", items}, {"minItems", 1}, {"maxItems", kMaxAnswers}};
  };
  return {{"anyOf", {text, ids, list_of(text), list_of(ids)}}};
}

// A string, ids, or an array of these.
void read_prompts(JsonFields& fields, std::vector<Prompt>& prompts) {
  if (fields.describes()) return fields.describe("prompt", prompt_schema());
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
  if (value->size() > kMaxAnswers)
    return fields.fail("prompt", fmt::format("has more than {} prompts", kMaxAnswers));
  for (const Json& prompt : *value) add(prompt);
}

void read_max_tokens(JsonFields& fields, const char* name, int64_t least, ApiRequest& request) {
  int64_t n = -1;
  fields.integer(name, least, kMaxTokens, n);
  if (n >= 0) request.max_tokens = n;
}

void read_thinking(JsonFields& fields, ApiRequest& request) {
  if (fields.describes()) {
    Json names = Json::array();
    for (const auto& [name, budget] : kEfforts) names.push_back(name);
    fields.describe("reasoning_effort", {{"enum", names}});
  }
  if (fields.find("reasoning_effort")) {
    std::string effort;
    fields.text("reasoning_effort", effort);
    const auto known = std::find_if(std::begin(kEfforts), std::end(kEfforts), [&](const auto& entry) { return entry.first == effort; });
    if (known == std::end(kEfforts)) {
      return fields.fail("reasoning_effort", "must be 'none', 'minimal', 'low', 'medium' or 'high'");
    }
    request.reasoning_effort = effort;
    request.thinking_budget = known->second;
  }
  int64_t budget = -1;
  fields.integer("thinking_budget", 0, kMaxTokens, budget);
  if (budget >= 0) request.thinking_budget = budget;
}

// With vLLM's names: the two fields say the same thing twice, and must agree.
void read_continuation(JsonFields& fields, ApiRequest& request) {
  fields.boolean("continue_final_message", request.continue_final_message);
  bool prompts_answer = !request.continue_final_message;
  fields.boolean("add_generation_prompt", prompts_answer);
  if (fields.describes()) return;
  if (prompts_answer == request.continue_final_message) {
    fields.fail("add_generation_prompt", "must be the opposite of 'continue_final_message'");
  } else if (request.continue_final_message && (request.messages.empty() || request.messages.back().role != "assistant")) {
    fields.fail("continue_final_message", "needs a last message from the assistant");
  }
}

void read_chat(JsonFields& fields, ApiRequest& request) {
  read_messages(fields, request.messages);
  read_continuation(fields, request);
  bool wants_logprobs = false;
  int64_t top_logprobs = 0;
  fields.boolean("logprobs", wants_logprobs);
  fields.integer("top_logprobs", 0, 20, top_logprobs);
  if (top_logprobs > 0 && !wants_logprobs)
    fields.fail("top_logprobs", "is only allowed with 'logprobs': true");
  if (wants_logprobs) request.n_logprobs = static_cast<int>(top_logprobs);

  read_max_tokens(fields, "max_completion_tokens", 1, request);
  read_thinking(fields, request);
  for (const char* name : {"tools", "functions", "audio", "prediction", "web_search_options", "verbosity"}) fields.refuse(name);
  fields.allow_only("tool_choice", {"none", "auto"});
  fields.allow_only("function_call", {"none", "auto"});
  if (fields.describes()) {
    fields.describe("response_format", {{"type", "object"}, {"properties", {{"type", {{"const", "text"}}}}}, {"required", {"type"}}});
    fields.describe("modalities", {{"const", {"text"}}});
  }
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
  fields.boolean("echo", request.echo);
  fields.refuse("suffix");
  if (request.prompts.size() * static_cast<size_t>(request.n) > kMaxAnswers) {
    fields.fail("n", fmt::format("times the number of prompts is more than {} answers", kMaxAnswers));
  }
  int64_t best_of = request.n;
  fields.integer("best_of", 1, kMaxChoices, best_of);
  if (best_of != request.n) fields.fail("best_of", "is not supported unless it equals 'n'");
}

// With vLLM's name for a log-probability of every token of the prompt.
void read_prompt_logprobs(JsonFields& fields, ApiRequest& request) {
  int64_t n = -1;
  fields.integer("prompt_logprobs", 0, 20, n);
  if (n >= 0 && request.stream) fields.fail("prompt_logprobs", "is only allowed without 'stream'");
  request.n_prompt_logprobs = static_cast<int>(n);
}

void read_request(JsonFields& fields, ApiRequest& request) {
  int64_t n = 1;
  fields.integer("n", 1, kMaxChoices, n);
  request.n = static_cast<int>(n);
  read_max_tokens(fields, "max_tokens", request.endpoint == Endpoint::kChat ? 1 : 0, request);
  read_sampling(fields, request.sampling);
  read_stops(fields, request.stops);
  read_stream(fields, request);
  read_prompt_logprobs(fields, request);
  if (request.endpoint == Endpoint::kChat) {
    read_chat(fields, request);
  } else {
    read_plain(fields, request);
  }
  // Bookkeeping of other servers that changes nothing in an answer.
  fields.refuse("store");
  fields.allow_only("service_tier", {"auto", "default"});
  fields.ignore({"user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"});
}

}  // namespace

namespace {

// Values of a JSON text cost more time and memory than their bytes say, and objects, arrays and keys the most. They are counted, before
// anything is built, by the signs before or between them; where the text is no JSON, the parser says so later.
std::optional<ApiError> refuse_many_values(std::string_view json) {
  size_t n_parts = 0, n_commas = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++i;
    if (in_string) continue;
    n_parts += c == '{' || c == '[' || c == ':';
    n_commas += c == ',';
  }
  if (n_parts > kMaxParts) return ApiError{.message = fmt::format("the body has more than {} objects, arrays and keys", kMaxParts)};
  if (n_commas > kMaxValues) return ApiError{.message = fmt::format("the body has more than {} values", kMaxValues)};
  return std::nullopt;
}

}  // namespace

std::variant<Json, ApiError> parse_body(std::string_view body) {
  if (auto refusal = refuse_many_values(body)) return std::move(*refusal);
  auto json = parse_json(body);
  if (!json) return ApiError{.message = "the body is " + json.error().message};
  if (!json->is_object()) return ApiError{.message = "the body must be a JSON object"};
  return std::move(json).value();
}

Json request_schema(Endpoint endpoint) {
  Json properties = Json::object();
  JsonFields fields = JsonFields::describing(properties);
  ApiRequest request{.endpoint = endpoint};
  fields.text("model", request.model);
  read_request(fields, request);
  const char* required = endpoint == Endpoint::kChat ? "messages" : "prompt";
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", {required}}};
}

std::variant<ApiRequest, ApiError> parse_api_request(Endpoint endpoint, std::string_view body, const DefaultsOf& defaults_of) {
  const auto json = parse_body(body);
  if (const ApiError* error = std::get_if<ApiError>(&json)) return *error;
  ApiRequest request{.endpoint = endpoint};
  JsonFields fields(std::get<Json>(json));
  fields.text("model", request.model);
  if (fields.error()) return *fields.error();
  auto defaults = defaults_of(request.model);
  if (ApiError* error = std::get_if<ApiError>(&defaults)) return std::move(*error);
  request.sampling.params = std::get<SamplingParams>(std::move(defaults));
  read_request(fields, request);
  fields.refuse_unknown();
  if (fields.error()) return *fields.error();
  return request;
}

}  // namespace owlet
