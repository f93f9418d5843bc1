// Answers of the whole server: chats, completions, streams, disconnects.
#include "serve/test_server.h"

namespace owlet {
namespace {

TEST_F(ServerTest, SmallThings) {
  start();
  TestClient client = connect();
  EXPECT_EQ(client.get("/health").json(), Json({{"status", "ok"}}));
  const Json models = client.get("/v1/models").json();
  EXPECT_EQ(models["data"][0]["id"], "tiny");
  EXPECT_EQ(
      models["data"][0]["meta"],
      Json({{"size_bytes", 1}, {"n_params", 2}, {"context_length", 1024}, {"description", "for tests"}}));
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(client.get("/../etc/passwd").status, 404);
  const TestResponse wrong = client.get("/v1/chat/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("Allow"), "POST, OPTIONS");
  EXPECT_EQ(client.post("/health", {}).status, 405);
}

TEST_F(ServerTest, AnswersAChat) {
  start();
  const TestResponse response = connect().post("/v1/chat/completions", chat(5));
  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = response.json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "tiny");
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("chatcmpl-"));
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "aaaaa");
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["logprobs"], nullptr);
  const int64_t n_prompt = static_cast<int64_t>(std::string("user: hi\nassistant: ").size());
  EXPECT_EQ(json["usage"],
            Json({{"prompt_tokens", n_prompt}, {"completion_tokens", 5}, {"total_tokens", n_prompt + 5}, {"prompt_tokens_details", {{"cached_tokens", 0}}}}));
  EXPECT_EQ(json["timings"]["predicted_n"], 5);
  EXPECT_GT(json["timings"]["predicted_per_second"].get<double>(), 0);
}

TEST_F(ServerTest, StreamsAChat) {
  start();
  Json request = chat(4);
  request["stream"] = true;
  request["stream_options"] = {{"include_usage", true}};
  TestClient client = connect();
  const std::vector<Json> all = events(client.post("/v1/chat/completions", request));
  std::string content;
  ASSERT_GE(all.size(), 3u);
  EXPECT_EQ(all[0]["choices"][0]["delta"], Json({{"role", "assistant"}, {"content", ""}}));
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    EXPECT_EQ(all[i]["object"], "chat.completion.chunk");
    EXPECT_EQ(all[i]["id"], all[0]["id"]);
    content += all[i]["choices"][0]["delta"].value("content", "");
    EXPECT_EQ(all[i]["choices"][0]["finish_reason"], i + 2 == all.size() ? Json("length") : Json());
  }
  EXPECT_EQ(content, "aaaa");
  EXPECT_EQ(all.back()["choices"], Json::array());
  EXPECT_EQ(all.back()["usage"]["completion_tokens"], 4);
  EXPECT_TRUE(all.back()["timings"].contains("predicted_per_second"));
  EXPECT_EQ(client.get("/health").status, 200) << "the connection goes on after a stream";
}

TEST_F(ServerTest, TheSameSeedGivesTheSameAnswerStreamedOrNot) {
  start();
  Json request = {{"prompt", "once"}, {"max_tokens", 40}, {"seed", 5}, {"n", 2}};
  const Json plain = connect().post("/v1/completions", request).json();
  ASSERT_EQ(plain["choices"].size(), 2u);
  EXPECT_NE(plain["choices"][0]["text"], plain["choices"][1]["text"]);
  request["stream"] = true;
  std::vector<std::string> texts(2);
  for (const Json& event : events(connect().post("/v1/completions", request))) {
    const Json& choice = event["choices"][0];
    texts[choice["index"].get<size_t>()] += choice["text"].get<std::string>();
  }
  EXPECT_EQ(Json(texts[0]), plain["choices"][0]["text"]);
  EXPECT_EQ(Json(texts[1]), plain["choices"][1]["text"]);
  const Json alone =
      connect().post("/v1/completions", {{"prompt", "once"}, {"max_tokens", 40}, {"seed", 5}}).json();
  EXPECT_EQ(alone["choices"][0]["text"], Json(texts[0]));
}

TEST_F(ServerTest, PromptsAsIdsAndInBatches) {
  start();
  const Json bias = {{"97", 100}};
  const Json batch = connect()
                         .post("/v1/completions",
                               {{"prompt", {"x", "yy"}}, {"max_tokens", 2}, {"logit_bias", bias}, {"n", 2}})
                         .json();
  ASSERT_EQ(batch["choices"].size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(batch["choices"][static_cast<size_t>(i)]["index"], i);
    EXPECT_EQ(batch["choices"][static_cast<size_t>(i)]["text"], "aa");
  }
  EXPECT_EQ(batch["usage"]["prompt_tokens"], 3);
  EXPECT_EQ(batch["usage"]["completion_tokens"], 8);
  const Json by_id = {{"prompt", {'o', 'n', 'c', 'e'}}, {"max_tokens", 9}, {"seed", 1}};
  const Json by_text = {{"prompt", "once"}, {"max_tokens", 9}, {"seed", 1}};
  EXPECT_EQ(connect().post("/v1/completions", by_id).json()["choices"],
            connect().post("/v1/completions", by_text).json()["choices"]);
}

TEST_F(ServerTest, StopStringsEndTheAnswer) {
  start();
  Json request = chat(500);
  request["stop"] = "aaa";
  Json json = connect().post("/v1/chat/completions", request).json();
  EXPECT_EQ(json["choices"][0]["message"]["content"], "");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["usage"]["completion_tokens"], 3);
  request["stream"] = true;
  const auto all = events(connect().post("/v1/chat/completions", request));
  for (const Json& event : all) EXPECT_EQ(event["choices"][0]["delta"].value("content", ""), "");
  EXPECT_EQ(all.back()["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(comes_to_rest());
}

TEST_F(ServerTest, StopTokensEndTheAnswer) {
  start();
  Json request = chat(500);
  request["logit_bias"] = {{std::to_string(TestTokens::kEnd), 100}};
  const Json json = connect().post("/v1/chat/completions", request).json();
  EXPECT_EQ(json["choices"][0]["message"]["content"], "");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
}

TEST_F(ServerTest, LogprobsInBothForms) {
  start();
  Json request = chat(2);
  request["logprobs"] = true;
  request["top_logprobs"] = 3;
  const Json content =
      connect().post("/v1/chat/completions", request).json()["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["token"], "a");
  EXPECT_EQ(content[0]["bytes"], Json::array({97}));
  EXPECT_EQ(content[0]["top_logprobs"].size(), 3u);
  EXPECT_LT(content[0]["logprob"].get<double>(), 0);
  const Json plain =
      connect()
          .post("/v1/completions",
                {{"prompt", "x"}, {"max_tokens", 3}, {"logprobs", 1}, {"logit_bias", {{"97", 100}}}})
          .json();
  const Json& logprobs = plain["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json({"a", "a", "a"}));
  EXPECT_EQ(logprobs["text_offset"], Json({0, 1, 2}));
  EXPECT_EQ(logprobs["token_logprobs"].size(), 3u);
  EXPECT_EQ(logprobs["top_logprobs"][0].size(), 1u);
}

// What lm-evaluation-harness asks for: ids in, the prompt's log-probabilities out, one token that is not looked at.
TEST_F(ServerTest, EchoesPromptsWithTheirLogprobs) {
  start();
  Json request = {{"prompt", {"once", "up"}}, {"max_tokens", 3}, {"temperature", 0}, {"logprobs", 2}, {"echo", true}};
  const Json whole = connect().post("/v1/completions", request).json();
  ASSERT_EQ(whole["choices"].size(), 2u) << whole;
  const Json& logprobs = whole["choices"][0]["logprobs"];
  const std::string text = whole["choices"][0]["text"];
  EXPECT_TRUE(text.starts_with("once"));
  ASSERT_EQ(logprobs["tokens"].size(), 7u);
  EXPECT_EQ(logprobs["tokens"][1], "n");
  EXPECT_EQ(logprobs["token_logprobs"][0], nullptr);
  EXPECT_EQ(logprobs["top_logprobs"][0], nullptr);
  for (size_t i = 1; i < 7; ++i) {
    EXPECT_LT(logprobs["token_logprobs"][i].get<double>(), 0);
    EXPECT_EQ(logprobs["top_logprobs"][i].size(), 2u);
    EXPECT_GE(logprobs["text_offset"][i], logprobs["text_offset"][i - 1]);
  }
  EXPECT_EQ(logprobs["text_offset"][3], 3);

  // Only the prompt: the same numbers, without an answer.
  request["max_tokens"] = 0;
  const Json only = connect().post("/v1/completions", request).json();
  EXPECT_EQ(only["choices"][0]["text"], "once");
  EXPECT_EQ(only["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(only["usage"]["completion_tokens"], 0);
  ASSERT_EQ(only["choices"][0]["logprobs"]["token_logprobs"].size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(only["choices"][0]["logprobs"]["token_logprobs"][i], logprobs["token_logprobs"][i]);
  }

  // In a stream, in pieces.
  request["max_tokens"] = 3;
  request["prompt"] = "once";
  request["stream"] = true;
  std::string streamed;
  Json scores = Json::array(), offsets = Json::array();
  for (const Json& event : events(connect().post("/v1/completions", request))) {
    const Json& choice = event["choices"][0];
    streamed += choice["text"].get<std::string>();
    if (choice["logprobs"].is_null()) continue;
    for (const Json& score : choice["logprobs"]["token_logprobs"]) scores.push_back(score);
    for (const Json& offset : choice["logprobs"]["text_offset"]) offsets.push_back(offset);
  }
  EXPECT_EQ(streamed, text);
  EXPECT_EQ(scores, logprobs["token_logprobs"]);
  EXPECT_EQ(offsets, logprobs["text_offset"]);
}

// Whoever asks for one token after a prompt finds one among the log-probabilities, even where it ends the answer.
TEST_F(ServerTest, TheTokenThatEndsACompletionIsScored) {
  start();
  const Json answer = connect()
                          .post("/v1/completions", {{"prompt", "once"}, {"max_tokens", 1}, {"echo", true}, {"logprobs", 1},
                                                    {"logit_bias", {{std::to_string(TestTokens::kEnd), 100}}}})
                          .json();
  EXPECT_EQ(answer["choices"][0]["text"], "once");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  const Json& logprobs = answer["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), 5u);
  EXPECT_EQ(logprobs["tokens"][4], "<end>");
  EXPECT_EQ(logprobs["text_offset"], Json({0, 1, 2, 3, 4}));
  EXPECT_EQ(answer["usage"]["completion_tokens"], 0);
}

TEST_F(ServerTest, PromptLogprobsInTheirOwnForm) {
  start();
  const Json plain = connect().post("/v1/completions", {{"prompt", "once"}, {"max_tokens", 1}, {"prompt_logprobs", 1}}).json();
  const Json& list = plain["choices"][0]["prompt_logprobs"];
  ASSERT_EQ(list.size(), 4u) << plain;
  EXPECT_EQ(list[0], nullptr);
  for (size_t i = 1; i < 4; ++i) {
    const Json& own = list[i][std::to_string(static_cast<int>("once"[i]))];
    EXPECT_EQ(own["decoded_token"], std::string(1, "once"[i]));
    EXPECT_GE(own["rank"], 1);
    EXPECT_LT(own["logprob"].get<double>(), 0);
    EXPECT_LE(list[i].size(), 2u);
  }
  Json request = chat(1);
  request["prompt_logprobs"] = 0;
  const Json answer = connect().post("/v1/chat/completions", request).json();
  EXPECT_EQ(answer["prompt_logprobs"].size(), answer["usage"]["prompt_tokens"]);
  EXPECT_FALSE(answer["choices"][0].contains("prompt_logprobs"));
}

TEST_F(ServerTest, AThinkingBudgetEndsTheThought) {
  start({}, "{{ messages[0].content }}{% if enable_thinking is defined and not enable_thinking %}!{% endif %}<think_start>");
  for (const bool stream : {false, true}) {
    Json request = chat(6);
    request["thinking_budget"] = 2;
    request["stream"] = stream;
    std::string thinking, content;
    const TestResponse response = connect().post("/v1/chat/completions", request);
    const std::vector<Json> pieces = stream ? events(response) : std::vector<Json>{response.json()};
    for (const Json& piece : pieces) {
      const Json& message = piece["choices"][0][stream ? "delta" : "message"];
      thinking += message.value("reasoning_content", "");
      content += message.value("content", "");
    }
    EXPECT_EQ(thinking, "aa");
    EXPECT_EQ(content, "aaa");
  }
  Json request = chat(2);
  request["reasoning_effort"] = "none";
  const Json answer = connect().post("/v1/chat/completions", request).json();
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "a");
  EXPECT_FALSE(answer["choices"][0]["message"].contains("reasoning_content"));
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4) << "the template was told";
}

TEST_F(ServerTest, ThoughtsAreNotContent) {
  start({}, "{{ messages[0].content }}<think_start>");
  Json json = connect().post("/v1/chat/completions", chat(3)).json();
  EXPECT_EQ(json["choices"][0]["message"]["content"], "");
  EXPECT_EQ(json["choices"][0]["message"]["reasoning_content"], "aaa");
  Json request = chat(3);
  request["stream"] = true;
  std::string thinking;
  for (const Json& event : events(connect().post("/v1/chat/completions", request))) {
    thinking += event["choices"][0]["delta"].value("reasoning_content", "");
    EXPECT_EQ(event["choices"][0]["delta"].value("content", ""), "");
  }
  EXPECT_EQ(thinking, "aaa");
}

// The model reads what it would have read, had it written the beginning itself, and goes on as it did then.
TEST_F(ServerTest, AnAnswerGoesOnWhereItEnded) {
  start();
  TestClient client = connect();
  Json whole = chat(6);
  whole.erase("logit_bias");
  whole["temperature"] = 0;
  for (int letter = 'a'; letter <= 'z'; ++letter) whole["allowed_token_ids"].push_back(letter);
  const Json first = client.post("/v1/chat/completions", whole).json();
  const std::string answer = first["choices"][0]["message"]["content"];
  ASSERT_EQ(answer.size(), 6u);
  Json rest = whole;
  rest["messages"].push_back({{"role", "assistant"}, {"content", answer.substr(0, 3)}});
  rest["max_tokens"] = 3;
  rest["continue_final_message"] = true;
  rest["add_generation_prompt"] = false;
  const Json second = client.post("/v1/chat/completions", rest).json();
  EXPECT_EQ(second["choices"][0]["message"]["content"], answer.substr(3));
  EXPECT_EQ(second["usage"]["prompt_tokens"], first["usage"]["prompt_tokens"].get<int>() + 3);

  const Json wrong = client.post("/v1/chat/completions", {{"messages", whole["messages"]}, {"continue_final_message", true}}).json();
  EXPECT_EQ(wrong["error"]["param"], "continue_final_message");
  rest["add_generation_prompt"] = true;
  EXPECT_EQ(client.post("/v1/chat/completions", rest).json()["error"]["param"], "add_generation_prompt");
}

TEST_F(ServerTest, AnAnswerGoesOnAfterItsThoughts) {
  start({}, "{% for m in messages %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<think_start>{% endif %}");
  TestClient client = connect();
  Json rest = chat(3, 'b');
  rest["messages"].push_back({{"role", "assistant"}, {"content", "abc"}});
  rest["continue_final_message"] = true;
  const Json answer = client.post("/v1/chat/completions", rest).json();
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "bbb");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 8);  // h i \n, two marks, a b c
}

TEST_F(ServerTest, WhatPeopleWriteIsNeverAControlToken) {
  start();
  Json request = chat(1);
  request["messages"][0]["content"] = "<end><think_start>";
  const Json json = connect().post("/v1/chat/completions", request).json();
  const size_t n_bytes = std::string("user: <end><think_start>\nassistant: ").size();
  EXPECT_EQ(json["usage"]["prompt_tokens"], n_bytes);
  EXPECT_EQ(connect()
                .post("/v1/completions", {{"prompt", "<end>"}, {"max_tokens", 1}})
                .json()["usage"]["prompt_tokens"],
            5);
}

TEST_F(ServerTest, ErrorsInOpenAisForm) {
  start();
  const auto error_of = [this](const Json& request, int status) {
    const TestResponse response = connect().post("/v1/chat/completions", request);
    EXPECT_EQ(response.status, status) << response.body;
    return response.json()["error"];
  };
  Json request = chat(1);
  request["temperature"] = 3;
  Json error = error_of(request, 400);
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "temperature");
  request = chat(1);
  request["model"] = "gpt";
  EXPECT_EQ(error_of(request, 404)["code"], "model_not_found");
  request["model"] = "tiny";
  EXPECT_EQ(connect().post("/v1/chat/completions", request).status, 200);
  request["logit_bias"] = {{"259", 1}};
  error_of(request, 400);
  request = chat(1);
  request["messages"][0]["content"] = std::string(2000, 'x');
  error = error_of(request, 400);
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_NE(error["message"].get<std::string>().find("1024"), std::string::npos);
  EXPECT_NE(error["message"].get<std::string>().find("2018"), std::string::npos);
  request["messages"][0]["content"] = std::string(100'000, 'x');
  EXPECT_NE(error_of(request, 400)["message"].get<std::string>().find("at least "), std::string::npos) << "it is refused before it is encoded";
  EXPECT_EQ(connect().post("/v1/completions", {{"prompt", ""}}).status, 400);
  EXPECT_EQ(connect().post("/v1/completions", {{"prompt", {1, 259}}}).status, 400);
  EXPECT_EQ(connect().post_text("/v1/completions", "{").status, 400);
}

TEST_F(ServerTest, ADisconnectStopsTheWork) {
  start();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<TestClient>> clients;
    for (int i = 0; i < 6; ++i) {  // more than run at once
      Json request = chat(0);
      request.erase("max_tokens");
      request["stream"] = true;
      clients.push_back(std::make_unique<TestClient>(server_->port()));
      clients.back()->send_post("/v1/chat/completions", request.dump());
    }
    ASSERT_TRUE(clients[0]->receive_until("\"content\":\"a\""));
    const Json plain = chat(900);
    clients.push_back(std::make_unique<TestClient>(server_->port()));
    clients.back()->send_post("/v1/chat/completions", plain.dump());
    for (auto& client : clients) client->close();
    EXPECT_TRUE(comes_to_rest());
  }
  EXPECT_EQ(connect().post("/v1/chat/completions", chat(2)).json()["choices"][0]["message"]["content"], "aa");
}

TEST_F(ServerTest, StoppingEndsAnswersInProgress) {
  start();
  Json request = chat(1000);
  request["stream"] = true;
  TestClient client = connect();
  client.send_post("/v1/chat/completions", request.dump());
  ASSERT_TRUE(client.receive_until("\"content\":\"a\""));
  server_->stop(0);
  EXPECT_TRUE(comes_to_rest());
}

TEST_F(ServerTest, DrainingLetsAnswersFinish) {
  start();
  Json request = chat(300);
  request["stream"] = true;
  TestClient client = connect();
  client.send_post("/v1/chat/completions", request.dump());
  ASSERT_TRUE(client.receive_until("\"content\":\"a\""));
  server_->stop(60);
  std::string content;
  for (const Json& event : events(client.receive())) {
    content += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(content, std::string(300, 'a'));
}

TEST_F(ServerTest, KeysAndOrigins) {
  start({.keys = {{.id = "ada", .secret = "secret"}}, .cors_origins = {"https://good.example"}});
  TestClient client = connect();
  EXPECT_EQ(client.get("/v1/models").status, 401);
  EXPECT_EQ(client.get("/v1/models", "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(client.get("/health").status, 200);
  const TestResponse good = client.get("/health", "Origin: https://good.example\r\n");
  EXPECT_EQ(good.header("Access-Control-Allow-Origin"), "https://good.example");
  EXPECT_EQ(client.get("/health", "Origin: https://evil.example\r\n").status, 403);
  client.send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: https://good.example\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, "
      "content-type\r\n\r\n");
  const TestResponse preflight = client.receive();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Headers"), "authorization, content-type");
  client.send("GET /health HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
  EXPECT_EQ(client.receive().status, 403);
}

// A queue of one behind a single place.
class BusyServerTest : public ServerTest {
 protected:
  BusyServerTest()
      : ServerTest({.max_sequences = 1, .max_queue = 1, .chunk_tokens = 64, .context_length = 1024}) {}
};

TEST_F(BusyServerTest, AFullQueueIs429) {
  start();
  Json request = chat(1000);
  request["n"] = 8;
  const TestResponse response = connect().post("/v1/chat/completions", request);
  EXPECT_EQ(response.status, 429);
  EXPECT_GE(std::stoi(response.header("Retry-After")), 1);
  EXPECT_EQ(response.json()["error"]["type"], "rate_limit_error");
  EXPECT_TRUE(comes_to_rest()) << "what was accepted of a refused request is cancelled";
}

}  // namespace
}  // namespace owlet
