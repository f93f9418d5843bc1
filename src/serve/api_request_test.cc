#include "serve/api_request.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

std::variant<ApiRequest, ApiError> parse(Endpoint endpoint, const std::string& body) {
  return parse_api_request(endpoint, body, [](const std::string&) { return SamplingParams(); });
}

ApiRequest chat(const std::string& fields) {
  return std::get<ApiRequest>(parse(Endpoint::kChat, R"({"messages":[{"role":"user","content":"hi"}])" +
                                                         (fields.empty() ? "" : "," + fields) + "}"));
}

ApiError chat_error(const std::string& fields) {
  const auto result =
      parse(Endpoint::kChat, R"({"messages":[{"role":"user","content":"hi"}],)" + fields + "}");
  return std::holds_alternative<ApiError>(result) ? std::get<ApiError>(result)
                                                  : ApiError{.status = 200, .message = "accepted"};
}

TEST(ApiRequest, ReadsEveryParameter) {
  const ApiRequest r = chat(
      R"("model":"m","max_tokens":7,"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"n":3,"seed":-1,
      "stop":["a","b"],"presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.1,"logit_bias":{"5":-100,"6":1.5},
      "logprobs":true,"top_logprobs":4,"stream":true,"stream_options":{"include_usage":true})");
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(r.max_tokens, std::optional<int64_t>(7));
  EXPECT_EQ(r.sampling.params.temperature, 0.5);
  EXPECT_EQ(r.sampling.params.top_p, 0.9);
  EXPECT_EQ(r.sampling.params.top_k, 40);
  EXPECT_EQ(r.sampling.params.min_p, 0.05);
  EXPECT_EQ(r.n, 3);
  EXPECT_EQ(r.sampling.params.seed, UINT64_MAX);
  EXPECT_EQ(r.stops, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(r.sampling.params.presence_penalty, 1);
  EXPECT_EQ(r.sampling.params.frequency_penalty, -1);
  EXPECT_EQ(r.sampling.params.repetition_penalty, 1.1);
  EXPECT_EQ(r.sampling.params.logit_bias, (std::vector<std::pair<int32_t, float>>{{5, -100.0f}, {6, 1.5f}}));
  EXPECT_EQ(r.n_logprobs, 4);
  EXPECT_TRUE(r.stream);
  EXPECT_TRUE(r.include_usage);
}

TEST(ApiRequest, DefaultsComeFromTheModelAndSeedsAreDrawn) {
  const std::string body = R"({"messages":[{"role":"user","content":"hi"}],"temperature":null})";
  const ApiRequest a =
      std::get<ApiRequest>(parse_api_request(Endpoint::kChat, body, [](const std::string&) { return SamplingParams{.temperature = 0.6, .top_k = 20}; }));
  const ApiRequest b = std::get<ApiRequest>(parse(Endpoint::kChat, body));
  EXPECT_EQ(a.sampling.params.temperature, 0.6);
  EXPECT_EQ(a.sampling.params.top_k, 20);
  EXPECT_EQ(a.n_logprobs, -1);
  EXPECT_NE(a.sampling.params.seed, b.sampling.params.seed);
}

TEST(ApiRequest, MessagesInTheirForms) {
  const auto r = std::get<ApiRequest>(parse(Endpoint::kChat, R"({"messages":[
      {"role":"developer","content":"be nice"},
      {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
      {"role":"assistant","content":"c","reasoning_content":"t","refusal":null,"annotations":[],"tool_calls":null}]})"));
  ASSERT_EQ(r.messages.size(), 3u);
  EXPECT_EQ(r.messages[0].role, "system");
  EXPECT_EQ(r.messages[1].content, "ab");
  EXPECT_EQ(r.messages[2].content, "c");
  EXPECT_EQ(r.messages[2].thinking, "t");
}

TEST(ApiRequest, PromptsInTheirForms) {
  const auto prompts = [](const std::string& prompt) {
    return std::get<ApiRequest>(parse(Endpoint::kCompletions, R"({"prompt":)" + prompt + "}")).prompts;
  };
  EXPECT_EQ(prompts(R"("a")"), (std::vector<Prompt>{std::string("a")}));
  EXPECT_EQ(prompts("[1,2]"), (std::vector<Prompt>{std::vector<TokenId>{1, 2}}));
  EXPECT_EQ(prompts(R"(["a","b"])"), (std::vector<Prompt>{std::string("a"), std::string("b")}));
  EXPECT_EQ(prompts("[[1],[2,3]]"),
            (std::vector<Prompt>{std::vector<TokenId>{1}, std::vector<TokenId>{2, 3}}));
}

// Every field at and past its limits: 400, and the field is named.
TEST(ApiRequest, WhatIsWrongIsNamed) {
  const std::string long_stop(1025, 'x');
  std::string many_stops = "\"a\"";
  for (int i = 0; i < 16; ++i) many_stops += ",\"a\"";
  std::string many_biases = "\"0\":0";
  for (int i = 1; i <= 1024; ++i) many_biases += fmt::format(",\"{}\":0", i);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("temperature":-0.1)", "temperature"},
      {R"("temperature":1e9)", "temperature"},
      {R"("temperature":"1")", "temperature"},
      {R"("temperature":true)", "temperature"},
      {R"("top_p":1.1)", "top_p"},
      {R"("top_p":-1)", "top_p"},
      {R"("min_p":2)", "min_p"},
      {R"("top_k":-2)", "top_k"},
      {R"("top_k":1.5)", "top_k"},
      {R"("top_k":1e9)", "top_k"},
      {R"("n":0)", "n"},
      {R"("n":9)", "n"},
      {R"("n":-1)", "n"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_completion_tokens":0)", "max_completion_tokens"},
      {R"("prompt_logprobs":21)", "prompt_logprobs"},
      {R"("prompt_logprobs":true)", "prompt_logprobs"},
      {R"("stream":true,"prompt_logprobs":1)", "prompt_logprobs"},
      {R"("thinking_budget":-1)", "thinking_budget"},
      {R"("reasoning_effort":5)", "reasoning_effort"},
      {R"("store":true)", "store"},
      {R"("service_tier":"priority")", "service_tier"},
      {R"("max_tokens":-1)", "max_tokens"},
      {R"("max_tokens":1000001)", "max_tokens"},
      {R"("max_tokens":18446744073709551615)", "max_tokens"},
      {R"("max_completion_tokens":"many")", "max_completion_tokens"},
      {R"("seed":1.5)", "seed"},
      {R"("seed":99999999999999999999)", "seed"},
      {R"("presence_penalty":3)", "presence_penalty"},
      {R"("frequency_penalty":-3)", "frequency_penalty"},
      {R"("repetition_penalty":0)", "repetition_penalty"},
      {R"("stop":1)", "stop"},
      {R"("stop":"")", "stop"},
      {R"("stop":["a",2])", "stop"},
      {R"("stop":")" + long_stop + "\"", "stop"},
      {R"("stop":[)" + many_stops + "]", "stop"},
      {R"("logit_bias":[1])", "logit_bias"},
      {R"("logit_bias":{"x":1})", "logit_bias"},
      {R"("logit_bias":{"-1":1})", "logit_bias"},
      {R"("logit_bias":{"1":101})", "logit_bias"},
      {R"("logit_bias":{"99999999999":1})", "logit_bias"},
      {R"("logit_bias":{)" + many_biases + "}", "logit_bias"},
      {R"("logprobs":3)", "logprobs"},
      {R"("top_logprobs":3)", "top_logprobs"},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
      {R"("stream":"yes")", "stream"},
      {R"("stream_options":{"include_usage":true})", "stream_options"},
      {R"("stream":true,"stream_options":{"include_usage":1})", "stream_options.include_usage"},
      {R"("stream":true,"stream_options":{"x":1})", "stream_options.x"},
      {R"("model":5)", "model"},
      {R"("tools":[{"type":"function"}])", "tools"},
      {R"("tool_choice":"required")", "tool_choice"},
      {R"("response_format":{"type":"json_object"})", "response_format"},
      {R"("response_format":"json")", "response_format"},
      {R"("reasoning_effort":"most")", "reasoning_effort"},
      {R"("modalities":["audio"])", "modalities"},
      {R"("mirostat":1)", "mirostat"},
  };
  for (const auto& [field, param] : cases) {
    const ApiError error = chat_error(field);
    EXPECT_EQ(error.status, 400) << field.substr(0, 80);
    EXPECT_EQ(error.param, param) << field.substr(0, 80);
    EXPECT_NE(error.message.find(param), std::string::npos) << error.message;
  }
}

TEST(ApiRequest, HarmlessFieldsPass) {
  for (const char* field :
       {R"("user":"x")", R"("tools":[])", R"("tools":null)", R"("tool_choice":"none")", R"("store":false)",
        R"("response_format":{"type":"text"})", R"("logit_bias":{})", R"("n":8)", R"("temperature":2)",
        R"("top_p":0)", R"("top_k":-1)", R"("unknown":null)", R"("metadata":{"a":"b"})"}) {
    EXPECT_EQ(chat_error(field).status, 200) << field << ": " << chat_error(field).message;
  }
}

TEST(ApiRequest, PlainPromptsAndThoughts) {
  const std::string body = R"({"prompt":"a","max_tokens":0,"echo":true,"logprobs":1,"prompt_logprobs":3})";
  const auto plain = std::get<ApiRequest>(parse(Endpoint::kCompletions, body));
  EXPECT_EQ(plain.max_tokens, std::optional<int64_t>(0));
  EXPECT_TRUE(plain.echo);
  EXPECT_EQ(plain.n_logprobs, 1);
  EXPECT_EQ(plain.n_prompt_logprobs, 3);
  EXPECT_EQ(chat("").max_tokens, std::nullopt);
  EXPECT_EQ(chat("").thinking_budget, std::nullopt);
  EXPECT_EQ(chat(R"("reasoning_effort":"none")").thinking_budget, std::optional<int64_t>(0));
  EXPECT_EQ(chat(R"("reasoning_effort":"high")").thinking_budget, std::optional<int64_t>(-1));
  EXPECT_EQ(chat(R"("reasoning_effort":"low","thinking_budget":7)").thinking_budget, std::optional<int64_t>(7));
}

// At most so many answers to one request.
TEST(ApiRequest, PromptsTimesAnswersAreBounded) {
  Json body = {{"prompt", std::vector<std::string>(64, "a")}, {"n", 2}};
  EXPECT_TRUE(std::holds_alternative<ApiRequest>(parse(Endpoint::kCompletions, body.dump())));
  body["n"] = 3;
  const auto refused = parse(Endpoint::kCompletions, body.dump());
  ASSERT_TRUE(std::holds_alternative<ApiError>(refused));
  EXPECT_EQ(std::get<ApiError>(refused).param, "n");
  body = {{"prompt", std::vector<std::string>(129, "a")}};
  EXPECT_TRUE(std::holds_alternative<ApiError>(parse(Endpoint::kCompletions, body.dump())));
}

TEST(ApiRequest, DescribesWhatItReads) {
  const Json chat_schema = request_schema(Endpoint::kChat);
  const Json& properties = chat_schema["properties"];
  EXPECT_EQ(properties["temperature"], Json({{"type", "number"}, {"minimum", 0.0}, {"maximum", 2.0}}));
  EXPECT_EQ(properties["n"], Json({{"type", "integer"}, {"minimum", 1}, {"maximum", 8}}));
  for (const char* name : {"messages", "stop", "logit_bias", "stream_options", "reasoning_effort", "min_tokens", "bad_words"}) {
    EXPECT_TRUE(properties.contains(name)) << name;
  }
  EXPECT_FALSE(properties.contains("prompt"));
  EXPECT_TRUE(request_schema(Endpoint::kCompletions)["properties"].contains("echo"));
}

TEST(ApiRequest, BodiesThatAreNoRequest) {
  const auto status = [](Endpoint endpoint, const std::string& body) {
    const auto result = parse(endpoint, body);
    return std::holds_alternative<ApiError>(result) ? std::get<ApiError>(result).status : 200;
  };
  for (const std::string& body :
       std::vector<std::string>{"",
                                "{",
                                "[]",
                                "null",
                                "\"x\"",
                                "NaN",
                                R"({"messages":[],"messages":[]})",
                                std::string(100'000, '['),
                                "{}",
                                R"({"messages":[]})",
                                R"({"messages":"hi"})",
                                R"({"messages":[1]})",
                                R"({"messages":[{"role":"user"}]})",
                                R"({"messages":[{"role":"tool","content":"x"}]})",
                                R"({"messages":[{"role":5,"content":"x"}]})",
                                R"({"messages":[{"role":"user","content":5}]})",
                                R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})",
                                R"({"messages":[{"role":"user","content":[5]}]})",
                                R"({"messages":[{"role":"assistant","content":"x","tool_calls":[{}]}]})",
                                R"({"messages":[{"role":"user","content":"x"}],"temperature":1e999})",
                                R"({"messages":[{"role":"user","content":"x"}],"temperature":NaN})",
                                "{\"messages\":[{\"role\":\"user\",\"content\":\"\xC3\"}]}",
                                R"({"messages":[{"role":"user","content":"\ud800"}]})"}) {
    EXPECT_EQ(status(Endpoint::kChat, body), 400) << body.substr(0, 80);
  }
  for (const char* body :
       {"{}", R"({"prompt":5})", R"({"prompt":[]})", R"({"prompt":[1,"a"]})", R"({"prompt":[-1]})",
        R"({"prompt":[1.5]})", R"({"prompt":[99999999999]})", R"({"prompt":[[]]})",
        R"({"prompt":"a","echo":1})", R"({"prompt":"a","suffix":"b"})", R"({"prompt":"a","best_of":2})",
        R"({"prompt":"a","logprobs":true})", R"({"prompt":[[1,2],"a",3]})", R"({"prompt":"a","tools":[]})"}) {
    EXPECT_EQ(status(Endpoint::kCompletions, body), 400) << body;
  }
}

TEST(ApiError, HasOpenAisForm) {
  const HttpResponse response = to_response({.status = 429, .message = "later", .code = "queue_full"});
  EXPECT_EQ(response.body,
            R"({"error":{"code":"queue_full","message":"later","param":null,"type":"rate_limit_error"}})");
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].first, "Retry-After");
}

// What vLLM, llama.cpp and transformers have beyond OpenAI.
TEST(ApiRequest, SamplingOfOtherServers) {
  const auto request = parse(
      Endpoint::kCompletions,
      R"({"prompt": "x", "typical_p": 0.9, "top_n_sigma": 1.5, "repeat_penalty": 1.2, "repeat_last_n": 64, "dry_multiplier": 0.8,
          "dry_sequence_breakers": ["."], "xtc_probability": 0.5, "mirostat": 2, "mirostat_tau": 4, "no_repeat_ngram_size": 3,
          "min_tokens": 5, "stop_token_ids": [7], "bad_words": ["no"], "allowed_token_ids": [1, 7], "ignore_eos": true,
          "sequence_bias": [[[4, 7], -2.5]], "exponential_decay_length_penalty": [10, 1.5]})");
  ASSERT_TRUE(std::holds_alternative<ApiRequest>(request)) << std::get<ApiError>(request).message;
  const SamplingRequest& s = std::get<ApiRequest>(request).sampling;
  EXPECT_EQ(s.params.typical_p, 0.9);
  EXPECT_EQ(s.params.top_n_sigma, 1.5);
  EXPECT_EQ(s.params.repetition_penalty, 1.2);
  EXPECT_EQ(s.params.repetition_window, 64);
  EXPECT_EQ(s.params.dry.multiplier, 0.8);
  EXPECT_EQ(s.dry_breakers, std::vector<std::string>{"."});
  EXPECT_EQ(s.params.xtc_probability, 0.5);
  EXPECT_EQ(s.params.mirostat_tau, 4);
  EXPECT_EQ(s.params.no_repeat_ngram_size, 3);
  EXPECT_EQ(s.params.min_tokens, 5);
  EXPECT_EQ(s.stop_ids, TokenIds{7});
  EXPECT_EQ(s.bad_words, std::vector<std::string>{"no"});
  EXPECT_EQ(s.params.allowed_tokens, (TokenIds{1, 7}));
  EXPECT_TRUE(s.ignore_eos);
  EXPECT_EQ(s.params.sequence_bias.size(), 1u);
  EXPECT_EQ(s.params.decay_factor, 1.5);
}

TEST(ApiRequest, WrongSamplingIsRefusedByName) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"("typical_p": 2)", "typical_p"},
      {R"("mirostat": 1)", "mirostat"},
      {R"("dry_multiplier": -1)", "dry_multiplier"},
      {R"("stop_token_ids": [-1])", "stop_token_ids"},
      {R"("stop_token_ids": "x")", "stop_token_ids"},
      {R"("bad_words": [""])", "bad_words"},
      {R"("sequence_bias": [[[], 1]])", "sequence_bias"},
      {R"("sequence_bias": [[[1], "x"]])", "sequence_bias"},
      {R"("exponential_decay_length_penalty": [1])", "exponential_decay_length_penalty"},
      {R"("exponential_decay_length_penalty": [1, 1e9])", "exponential_decay_length_penalty"},
      {R"("no_repeat_ngram_size": 1e9)", "no_repeat_ngram_size"},
  };
  for (const auto& [field, name] : cases) {
    const auto request = parse(Endpoint::kCompletions, fmt::format(R"({{"prompt": "x", {}}})", field));
    ASSERT_TRUE(std::holds_alternative<ApiError>(request)) << field;
    EXPECT_EQ(std::get<ApiError>(request).param, name) << field;
  }
}

// Objects and keys cost more than their bytes: there is a bound on all of them together, beyond those that each field has.
TEST(ApiRequest, ValuesOfABodyAreBounded) {
  std::string messages, biases;
  for (int i = 0; i < 2048; ++i) messages += std::string(i == 0 ? "" : ",") + R"({"role":"user","content":[{"type":"text","text":"a \"{[:"}]})";
  EXPECT_TRUE(std::holds_alternative<ApiRequest>(parse(Endpoint::kChat, "{\"messages\":[" + messages + "]}")));
  for (int i = 0; i < 60'000; ++i) biases += fmt::format("{}\"{}\":1", i == 0 ? "" : ",", i);
  const auto refused = parse(Endpoint::kCompletions, "{\"prompt\":\"a\",\"logit_bias\":{" + biases + "}}");
  ASSERT_TRUE(std::holds_alternative<ApiError>(refused));
  EXPECT_EQ(std::get<ApiError>(refused).message, "the body has more than 16384 objects, arrays and keys");
  std::string ids = "1";
  for (int i = 0; i < 140'000; ++i) ids += ",1";
  const auto many = parse(Endpoint::kCompletions, "{\"prompt\":[" + ids + "]}");
  ASSERT_TRUE(std::holds_alternative<ApiError>(many));
  EXPECT_EQ(std::get<ApiError>(many).message, "the body has more than 131072 values");
}

}  // namespace
}  // namespace owlet
