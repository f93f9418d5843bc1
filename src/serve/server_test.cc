// The whole server over loopback, on a tiny random model whose words are bytes. A logit bias of 100 makes it
// say what a test wants.
#include "serve/server.h"

#include <gtest/gtest.h>

#include <thread>

#include "kernels/backend.h"
#include "serve/test_client.h"
#include "serve/test_tokenizer.h"

namespace owlet {
namespace {

const Model& tiny_model() {
  static const Model model = [] {
    ModelConfig config;
    config.vocab_size = TestTokens::kVocabSize;
    config.dim = 32;
    config.n_layers = 2;
    config.n_heads = 4;
    config.n_kv_heads = 2;
    config.head_dim = 8;
    config.ffn_dim = 64;
    config.max_positions = 2048;
    config.tie_embeddings = true;
    Weights weights = make_weights(config);
    init_weights(weights, config, 3);
    return make_model(config, std::move(weights)).value();
  }();
  return model;
}

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt "
    "%}assistant: {% endif %}";

class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(EngineOptions options = {.max_sequences = 4,
                                               .chunk_tokens = 64,
                                               .context_length = 1024})
      : pool_(1), ops_(make_cpu_ops(pool_).value()), engine_({*ops_}, tiny_model(), options) {}

  void start(ServerOptions options = {}, const char* chat_template = kTemplate) {
    template_ = ChatTemplate::parse(chat_template).value();
    options.port = 0;
    ServedModel model{.id = "tiny",
                      .description = "for tests",
                      .size_bytes = 1,
                      .n_params = 2,
                      .engine = engine_,
                      .tokenizer = tokenizer_,
                      .chat_template = &*template_,
                      .stop_ids = {TestTokens::kEnd}};
    server_ = std::make_unique<Server>(options, model, "");
    ASSERT_TRUE(server_->start().ok());
  }
  TestClient connect() { return TestClient(server_->port()); }

  // A chat request that says nothing but `letter`.
  static Json chat(int max_tokens, char letter = 'a') {
    return {{"messages", {{{"role", "user"}, {"content", "hi"}}}},
            {"max_tokens", max_tokens},
            {"logit_bias", {{std::to_string(static_cast<int>(letter)), 100}}}};
  }

  // The events of a stream, without the [DONE] that must be the last.
  static std::vector<Json> events(const TestResponse& response) {
    EXPECT_EQ(response.header("Content-Type"), "text/event-stream");
    std::vector<Json> result;
    std::string_view rest = response.body;
    EXPECT_TRUE(rest.ends_with("data: [DONE]\n\n")) << rest;
    rest.remove_suffix(std::min<size_t>(14, rest.size()));
    while (!rest.empty()) {
      EXPECT_TRUE(rest.starts_with("data: "));
      const size_t end = rest.find("\n\n");
      result.push_back(parse_json(rest.substr(6, end - 6)).value());
      rest.remove_prefix(end + 2);
    }
    return result;
  }

  // Waits for the engine to have nothing left to do; it needs a step to notice that a client has gone.
  bool comes_to_rest() {
    for (int i = 0; i < 2000; ++i) {
      const Engine::Load load = engine_.load();
      if (load.running == 0 && load.waiting == 0 && load.pages_used == 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
  Engine engine_;
  Tokenizer tokenizer_ = make_test_tokenizer();
  std::optional<ChatTemplate> template_;
  std::unique_ptr<Server> server_;
};

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
            Json({{"prompt_tokens", n_prompt}, {"completion_tokens", 5}, {"total_tokens", n_prompt + 5}}));
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
  start({.api_key = "secret", .cors_origins = {"https://good.example"}});
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
  EXPECT_EQ(response.header("Retry-After"), "1");
  EXPECT_EQ(response.json()["error"]["type"], "rate_limit_error");
  EXPECT_TRUE(comes_to_rest()) << "what was accepted of a refused request is cancelled";
}

}  // namespace
}  // namespace owlet
