#include "serve/text_routes.h"

#include <algorithm>
#include <optional>

#include "serve/api_request.h"

namespace owlet {
namespace {

struct TokenizeBody {
  std::string model = {};
  std::optional<std::string> prompt = {};
  std::vector<ChatMessage> messages = {};
  bool add_special = true;     // the control tokens that the tokenizer puts around a text
  bool parse_special = true;   // names of control tokens in a text are these tokens: nothing is made of the ids here
  bool add_generation_prompt = true;
  bool with_pieces = false;
};

void read(JsonFields& fields, TokenizeBody& body) {
  fields.text("model", body.model);
  std::string prompt;
  fields.text("prompt", prompt);
  if (fields.find("prompt")) body.prompt = prompt;
  if (fields.describes() || fields.find("messages")) read_messages(fields, body.messages);
  fields.boolean("add_special_tokens", body.add_special);
  fields.boolean("parse_special", body.parse_special);
  fields.boolean("add_generation_prompt", body.add_generation_prompt);
  fields.boolean("return_token_strs", body.with_pieces);
  if (!fields.describes() && body.prompt.has_value() != body.messages.empty()) {
    fields.fail("prompt", "or 'messages' is needed, and not both");
  }
}

struct DetokenizeBody {
  std::string model = {};
  std::vector<TokenId> tokens = {};
  bool keep_special = false;
};

void read(JsonFields& fields, DetokenizeBody& body) {
  fields.text("model", body.model);
  fields.boolean("keep_special", body.keep_special);
  if (fields.describes()) return fields.describe("tokens", ids_schema(kMaxValues));
  const Json* tokens = fields.find("tokens");
  if (!tokens || !tokens->is_array() || tokens->size() > kMaxValues || !std::all_of(tokens->begin(), tokens->end(), is_id)) {
    return fields.fail("tokens", fmt::format("must be an array of up to {} token ids", kMaxValues));
  }
  body.tokens = tokens->get<std::vector<TokenId>>();
}

struct ApplyTemplateBody {
  std::string model = {};
  std::vector<ChatMessage> messages = {};
  bool add_generation_prompt = true;
};

void read(JsonFields& fields, ApplyTemplateBody& body) {
  fields.text("model", body.model);
  read_messages(fields, body.messages);
  fields.boolean("add_generation_prompt", body.add_generation_prompt);
}

// The body now; what it asks for once its model is there.
template <class Body>
std::variant<TextRequest, ApiError> parse(std::string_view text, HttpResponse (*answer)(const ModelUse&, const Body&)) {
  const auto json = parse_body(text);
  if (const ApiError* error = std::get_if<ApiError>(&json)) return *error;
  Body body;
  JsonFields fields(std::get<Json>(json));
  read(fields, body);
  fields.refuse_unknown();
  if (fields.error()) return *fields.error();
  std::string model = body.model;
  return TextRequest{std::move(model), [answer, body = std::move(body)](const ModelUse& use) { return answer(use, body); }};
}

template <class Body>
Json schema(std::initializer_list<const char*> required) {
  Json properties = Json::object();
  JsonFields fields = JsonFields::describing(properties);
  Body body;
  read(fields, body);
  const std::vector<std::string> names(required.begin(), required.end());
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", names}};
}

ApiError no_template(const ModelUse& use) {
  return {.message = fmt::format("the model '{}' has no chat template", use.card->id), .param = "messages"};
}

ApiError refused_by_template(const Error& error) {
  return {.message = "the chat template refuses these messages: " + error.message, .param = "messages"};
}

Json name_or_null(const Tokenizer& tokenizer, TokenId id) {
  return id < 0 ? Json() : Json(tokenizer.spec().vocab[static_cast<size_t>(id)]);
}

HttpResponse tokenize(const ModelUse& use, const TokenizeBody& body) {
  const ServedModel& model = *use.model;
  std::vector<TokenId> ids;
  if (body.prompt) {
    ids = model.tokenizer.encode(*body.prompt, {.add_special = body.add_special, .parse_special = body.parse_special});
  } else {
    if (!model.chat_template) return to_response(no_template(use));
    auto encoded = encode_chat(model.tokenizer, *model.chat_template, body.messages, body.add_generation_prompt);
    if (!encoded) return to_response(refused_by_template(encoded.error()));
    ids = std::move(*encoded);
  }
  Json answer = {{"count", ids.size()}, {"max_model_len", model.engine.context_length()}, {"tokens", ids}, {"token_strs", nullptr}};
  if (body.with_pieces) {
    Json& pieces = answer["token_strs"] = Json::array();
    for (const TokenId id : ids) pieces.push_back(model.tokenizer.bytes_of(id, /*keep_special=*/true));
  }
  return {.body = dump_json(answer)};
}

HttpResponse detokenize(const ModelUse& use, const DetokenizeBody& body) {
  const Tokenizer& tokenizer = use.model->tokenizer;
  for (const TokenId id : body.tokens) {
    if (id < tokenizer.vocab_size()) continue;
    return to_response({.message = fmt::format("token id {} is outside the vocabulary of {}", id, tokenizer.vocab_size()),
                        .param = "tokens"});
  }
  return {.body = dump_json({{"prompt", tokenizer.decode(body.tokens, body.keep_special)}})};
}

HttpResponse apply_template(const ModelUse& use, const ApplyTemplateBody& body) {
  const ServedModel& model = *use.model;
  if (!model.chat_template) return to_response(no_template(use));
  const auto prompt = model.chat_template->render(body.messages, body.add_generation_prompt, special_names(model.tokenizer));
  if (!prompt) return to_response(refused_by_template(prompt.error()));
  return {.body = dump_json({{"prompt", *prompt}})};
}

}  // namespace

std::variant<TextRequest, ApiError> parse_tokenize(std::string_view body) { return parse<TokenizeBody>(body, tokenize); }
std::variant<TextRequest, ApiError> parse_detokenize(std::string_view body) { return parse<DetokenizeBody>(body, detokenize); }
std::variant<TextRequest, ApiError> parse_apply_template(std::string_view body) { return parse<ApplyTemplateBody>(body, apply_template); }

Json tokenizer_info(const ServedModel& model) {
  const Tokenizer& tokenizer = model.tokenizer;
  return {{"tokenizer_class", "PreTrainedTokenizerFast"},
          {"bos_token", name_or_null(tokenizer, tokenizer.bos())},
          {"eos_token", name_or_null(tokenizer, tokenizer.eos())},
          {"pad_token", nullptr},
          {"add_bos_token", !tokenizer.before_text().empty()},
          {"model_max_length", model.engine.context_length()},
          {"vocab_size", tokenizer.vocab_size()},
          {"chat_template", model.chat_template ? Json(model.chat_template->source()) : Json()}};
}

Json tokenize_schema() { return schema<TokenizeBody>({}); }
Json detokenize_schema() { return schema<DetokenizeBody>({"tokens"}); }
Json apply_template_schema() { return schema<ApplyTemplateBody>({"messages"}); }

}  // namespace owlet
