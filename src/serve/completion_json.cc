#include "serve/completion_json.h"

#include <algorithm>
#include <random>

namespace owlet {
namespace {

constexpr float kLeastLogprob = -9999.0f;  // stands for zero probability, which JSON has no number for

double finite(float logprob) { return static_cast<double>(std::max(logprob, kLeastLogprob)); }

std::string_view token_text(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view bytes = tokenizer.bytes_of(id);
  if (!bytes.empty() || id < 0 || id >= tokenizer.vocab_size()) return bytes;
  return tokenizer.spec().vocab[static_cast<size_t>(id)];  // a special token goes by its name
}

Json chat_logprob(const Tokenizer& tokenizer, int32_t id, float logprob) {
  const std::string_view text = token_text(tokenizer, id);
  Json bytes = Json::array();
  for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", text}, {"logprob", finite(logprob)}, {"bytes", std::move(bytes)}};
}

Json chat_logprobs(const Tokenizer& tokenizer, const Choice& choice) {
  Json content = Json::array();
  for (const GeneratedToken& token : choice.logprobs) {
    Json entry = chat_logprob(tokenizer, token.id, token.logprob);
    Json& top = entry["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : token.top_logprobs) top.push_back(chat_logprob(tokenizer, id, logprob));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json plain_logprobs(const Tokenizer& tokenizer, const Choice& choice) {
  Json tokens = Json::array();
  Json logprobs = Json::array();
  Json best = Json::array();
  Json offsets = Json::array();
  int64_t offset = choice.logprobs_offset;
  for (const GeneratedToken& token : choice.logprobs) {
    tokens.push_back(token_text(tokenizer, token.id));
    offsets.push_back(offset);
    offset += n_characters(tokenizer.bytes_of(token.id));
    if (choice.echoes_prompt && tokens.size() == 1) {
      logprobs.push_back(nullptr);
      best.push_back(nullptr);
      continue;
    }
    logprobs.push_back(finite(token.logprob));
    Json top = Json::object();
    for (const auto& [id, logprob] : token.top_logprobs) {
      // Keys must be text: bytes of a broken character are replaced as the writer would do with values.
      top[Json::parse(dump_json(token_text(tokenizer, id))).get<std::string>()] = finite(logprob);
    }
    best.push_back(std::move(top));
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(best)},
          {"text_offset", std::move(offsets)}};
}

// vLLM's form: null, then for each token an object of ids with itself and the likeliest ones.
Json prompt_logprobs_json(const Tokenizer& tokenizer, const Choice& choice) {
  Json list = Json::array({nullptr});
  for (size_t i = 1; i < choice.prompt_logprobs.size(); ++i) {
    const GeneratedToken& token = choice.prompt_logprobs[i];
    Json entry = Json::object();
    const auto add = [&](int32_t id, float logprob, int64_t rank) {
      entry[std::to_string(id)] = {{"logprob", finite(logprob)}, {"rank", rank}, {"decoded_token", token_text(tokenizer, id)}};
    };
    for (size_t k = 0; k < token.top_logprobs.size(); ++k) {
      add(token.top_logprobs[k].first, token.top_logprobs[k].second, static_cast<int64_t>(k) + 1);
    }
    add(token.id, token.logprob, token.rank);
    list.push_back(std::move(entry));
  }
  return list;
}

Json logprobs_json(const AnswerHead& head, const Tokenizer& tokenizer, const Choice& choice) {
  if (!head.logprobs) return nullptr;
  return head.endpoint == Endpoint::kChat ? chat_logprobs(tokenizer, choice)
                                          : plain_logprobs(tokenizer, choice);
}

Json finish_json(const Choice& choice) {
  return choice.finish_reason.empty() ? Json() : Json(choice.finish_reason);
}

Json envelope(const AnswerHead& head, bool is_chunk, Json choices) {
  const char* object = head.endpoint == Endpoint::kCompletions ? "text_completion"
                       : is_chunk                              ? "chat.completion.chunk"
                                                               : "chat.completion";
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", head.model},
          {"choices", std::move(choices)}};
}

Json usage_json(const Totals& totals) {
  return {{"prompt_tokens", totals.prompt_tokens},
          {"completion_tokens", totals.completion_tokens},
          {"total_tokens", totals.prompt_tokens + totals.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", totals.cached_tokens}}}};
}

double per_second(int64_t n, double ms) { return ms > 0 ? 1000.0 * static_cast<double>(n) / ms : 0.0; }

}  // namespace

std::string make_completion_id(Endpoint endpoint) {
  std::random_device device;
  const uint64_t number = (uint64_t{device()} << 32) | device();
  return fmt::format("{}-{:016x}", endpoint == Endpoint::kChat ? "chatcmpl" : "cmpl", number);
}

Json whole_answer(const AnswerHead& head, const Tokenizer& tokenizer, const std::vector<Choice>& choices,
                  const Totals& totals) {
  Json list = Json::array();
  for (const Choice& choice : choices) {
    Json json = {{"index", choice.index},
                 {"logprobs", logprobs_json(head, tokenizer, choice)},
                 {"finish_reason", finish_json(choice)}};
    if (head.endpoint == Endpoint::kChat) {
      Json message = {{"role", "assistant"}, {"content", choice.text.content}, {"refusal", nullptr}};
      if (!choice.text.thinking.empty()) message["reasoning_content"] = choice.text.thinking;
      json["message"] = std::move(message);
    } else {
      json["text"] = choice.text.content;
    }
    if (!choice.prompt_logprobs.empty()) json["prompt_logprobs"] = prompt_logprobs_json(tokenizer, choice);
    list.push_back(std::move(json));
  }
  Json answer = envelope(head, /*is_chunk=*/false, std::move(list));
  answer["usage"] = usage_json(totals);
  answer["timings"] = timings_json(totals);
  // vLLM has a chat's beside its choices, which share the prompt.
  if (head.endpoint == Endpoint::kChat && answer["choices"][0].contains("prompt_logprobs")) {
    answer["prompt_logprobs"] = answer["choices"][0]["prompt_logprobs"];
    for (Json& choice : answer["choices"]) choice.erase("prompt_logprobs");
  }
  return answer;
}

Json answer_chunk(const AnswerHead& head, const Tokenizer& tokenizer, const Choice& news, bool is_first) {
  Json json = {{"index", news.index},
               {"logprobs", news.logprobs.empty() ? Json() : logprobs_json(head, tokenizer, news)},
               {"finish_reason", finish_json(news)}};
  if (head.endpoint == Endpoint::kChat) {
    Json delta = Json::object();
    if (is_first) delta = {{"role", "assistant"}, {"content", ""}};
    if (!news.text.thinking.empty()) delta["reasoning_content"] = news.text.thinking;
    if (!news.text.content.empty()) delta["content"] = news.text.content;
    json["delta"] = std::move(delta);
  } else {
    json["text"] = news.text.content;
  }
  return envelope(head, /*is_chunk=*/true, Json::array({std::move(json)}));
}

Json usage_chunk(const AnswerHead& head, const Totals& totals) {
  Json chunk = envelope(head, /*is_chunk=*/true, Json::array());
  chunk["usage"] = usage_json(totals);
  chunk["timings"] = timings_json(totals);
  return chunk;
}

Json timings_json(const Totals& totals) {
  return {{"prompt_n", totals.prompt_tokens},
          {"prompt_ms", totals.prompt_ms},
          {"prompt_per_second", per_second(totals.prompt_tokens, totals.prompt_ms)},
          {"predicted_n", totals.completion_tokens},
          {"predicted_ms", totals.decode_ms},
          {"predicted_per_second", per_second(totals.decode_intervals, totals.decode_ms)}};
}

int64_t n_characters(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(),
                       [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; });
}

std::string sse_event(const Json& json) { return "data: " + dump_json(json) + "\n\n"; }

}  // namespace owlet
