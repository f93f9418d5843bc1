// What the server says of itself, who may ask, and how it stops.
#include <mutex>
#include <set>

#include "serve/api_request.h"
#include "serve/test_server.h"

namespace owlet {
namespace {

using RoutesTest = ServerTest;

// The lines of an access log, once there are enough of them: an exchange is logged when the last who works on it lets go.
class Lines {
 public:
  std::function<void(const std::string&)> writer() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
    };
  }
  std::vector<Json> wait_for(size_t n) {
    for (int i = 0; i < 2000; ++i) {
      {
        const std::lock_guard lock(mutex_);
        if (lines_.size() >= n) break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const std::lock_guard lock(mutex_);
    std::vector<Json> parsed;
    for (const std::string& line : lines_) parsed.push_back(parse_json(line).value());
    return parsed;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST_F(RoutesTest, TextsAndTokens) {
  start();
  TestClient client = connect();
  const Json tokens = client.post("/tokenize", {{"prompt", "hi"}, {"return_token_strs", true}}).json();
  EXPECT_EQ(tokens["tokens"], Json({'h', 'i'}));
  EXPECT_EQ(tokens["token_strs"], Json({"h", "i"}));
  EXPECT_EQ(tokens["count"], 2);
  EXPECT_EQ(tokens["max_model_len"], 1024);
  EXPECT_EQ(client.post("/tokenize", {{"prompt", "<end>"}}).json()["tokens"], Json::array({TestTokens::kEnd}));
  EXPECT_EQ(client.post("/tokenize", {{"prompt", "<end>"}, {"parse_special", false}}).json()["count"], 5);
  const Json messages = Json::array({{{"role", "user"}, {"content", "<end>"}}});
  const std::string chat_text = "user: <end>\nassistant: ";
  EXPECT_EQ(client.post("/tokenize", {{"messages", messages}}).json()["count"], chat_text.size()) << "people's text stays text";
  EXPECT_EQ(client.post("/apply-template", {{"messages", messages}}).json()["prompt"], chat_text);
  EXPECT_EQ(client.post("/apply-template", {{"messages", messages}, {"add_generation_prompt", false}}).json()["prompt"], "user: <end>\n");
  EXPECT_EQ(client.post("/detokenize", {{"tokens", {'h', TestTokens::kEnd, 'i'}}}).json()["prompt"], "hi");
  EXPECT_EQ(client.post("/detokenize", {{"tokens", {TestTokens::kEnd}}, {"keep_special", true}}).json()["prompt"], "<end>");
  const Json info = client.get("/tokenizer_info").json();
  EXPECT_EQ(info["vocab_size"], TestTokens::kVocabSize);
  EXPECT_EQ(info["chat_template"], kTemplate);

  const std::vector<std::pair<std::string, Json>> wrong = {{"/tokenize", Json::object()},
                                                           {"/tokenize", {{"prompt", 5}}},
                                                           {"/tokenize", {{"prompt", "a"}, {"messages", messages}}},
                                                           {"/tokenize", {{"prompt", "a"}, {"more", 1}}},
                                                           {"/detokenize", Json::object()},
                                                           {"/detokenize", {{"tokens", {-1}}}},
                                                           {"/detokenize", {{"tokens", {TestTokens::kVocabSize}}}},
                                                           {"/detokenize", {{"tokens", {1.5}}}},
                                                           {"/apply-template", {{"messages", "hi"}}}};
  for (const auto& [path, body] : wrong) EXPECT_EQ(client.post(path, body).status, 400) << path << body;
  EXPECT_EQ(client.post("/tokenize", {{"prompt", "a"}, {"model", "gpt"}}).status, 404);
}

// The description is made of the routes themselves; walking it walks them all.
TEST_F(RoutesTest, EveryRouteIsDescribedAndAsksForTheKey) {
  start({.keys = {{.id = "ada", .secret = "secret-a"}}});
  TestClient client = connect();
  const Json description = client.get("/openapi.json").json();
  std::set<std::string> open;
  for (const auto& [path, operations] : description["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      const TestResponse response = method == "get" ? client.get(path) : client.post(path, Json::object());
      if (response.status != 401) open.insert(path);
      EXPECT_EQ(response.status == 401, !operation["security"].empty()) << path;
      EXPECT_EQ(operation.contains("requestBody"), method == "post") << path;
      const std::string good = "Authorization: Bearer secret-a\r\n";
      EXPECT_NE((method == "get" ? client.get(path, good) : client.post(path, Json::object(), good)).status, 401) << path;
    }
  }
  EXPECT_EQ(open, (std::set<std::string>{"/", "/health", "/ready", "/openapi.json"}));
  EXPECT_EQ(client.get("/nothing").status, 401) << "nobody learns what there is";
  const Json& body = description["paths"]["/v1/chat/completions"]["post"]["requestBody"];
  EXPECT_EQ(body["content"]["application/json"]["schema"], request_schema(Endpoint::kChat));
}

TEST_F(RoutesTest, RunsAreShownWhereTheyMayBe) {
  start();
  EXPECT_EQ(connect().get("/runs").status, 404);
  EXPECT_EQ(connect().get("/runs").json()["error"]["code"], "no_runs");
  start({.runs = [](const std::string& name) -> std::optional<Json> {
    if (name.empty()) return Json{{"runs", {{{"name", "a b"}}}}};
    return name == "a b" ? std::optional<Json>({{"name", name}, {"step", 3}}) : std::nullopt;
  }});
  EXPECT_EQ(connect().get("/runs").json()["runs"][0]["name"], "a b");
  EXPECT_EQ(connect().get("/runs?name=a%20b").json()["step"], 3);
  EXPECT_EQ(connect().get("/runs?name=c").status, 404);
}

TEST_F(RoutesTest, MetricsCountWhatHappens) {
  start();
  TestClient client = connect();
  client.post("/v1/chat/completions", chat(3));
  client.post("/v1/completions", {{"prompt", "x"}, {"max_tokens", 2}, {"n", 2}, {"ignore_eos", true}});
  client.get("/made-up-by-a-client");
  ASSERT_TRUE(comes_to_rest());
  const TestResponse response = client.get("/metrics");
  EXPECT_EQ(response.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  const std::string& text = response.body;
  const size_t n_prompt = std::string("user: hi\nassistant: ").size() + 1;
  for (const std::string& line :
       {fmt::format("owlet_prompt_tokens_total{{model=\"tiny\"}} {}\n", n_prompt), std::string("owlet_requests_running{model=\"tiny\"} 0\n"), std::string("owlet_requests_waiting{model=\"tiny\"} 0\n"),
        std::string("owlet_kv_pages_used{model=\"tiny\"} 0\n"), std::string("owlet_time_to_first_token_seconds_count{model=\"tiny\"} 3\n"),
        std::string("owlet_time_to_first_token_seconds_bucket{model=\"tiny\",le=\"+Inf\"} 3\n"), std::string("owlet_request_seconds_count{model=\"tiny\"} 2\n"),
        std::string("owlet_http_responses_total{path=\"/v1/completions\",status=\"200\"} 1\n"),
        std::string("owlet_http_responses_total{path=\"other\",status=\"404\"} 1\n"),
        std::string("# TYPE owlet_inter_token_seconds histogram\n")}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(text.find("made-up"), std::string::npos);
}

TEST_F(RoutesTest, ShowsWhatRuns) {
  start();
  Json request = chat(900);
  request["stream"] = true;
  TestClient client = connect(), watcher = connect();
  client.send_post("/v1/chat/completions", request.dump(), "X-Request-Id: my-request.1\r\n");
  ASSERT_TRUE(client.receive_until("\"content\":\"a\""));
  const Json running = watcher.get("/running").json();
  ASSERT_EQ(running["requests"].size(), 1u) << running;
  EXPECT_EQ(running["requests"][0]["id"], "my-request.1");
  EXPECT_EQ(running["requests"][0]["path"], "/v1/chat/completions");
  EXPECT_GE(running["requests"][0]["completion_tokens"], 1);
  EXPECT_EQ(running["requests"][0]["model"], "tiny");
  EXPECT_EQ(running["models"][0]["model"], "tiny");
  EXPECT_GE(running["models"][0]["running"], 1);
  client.close();
  ASSERT_TRUE(comes_to_rest());
}

TEST_F(RoutesTest, LogsEveryRequestWithoutItsText) {
  Lines lines;
  start({.keys = {{.id = "ada", .secret = "secret-a"}}, .access_log = lines.writer()});
  const std::string key = "Authorization: Bearer secret-a\r\n";
  TestClient client = connect();
  Json request = chat(3);
  request["messages"][0]["content"] = "a private word";
  const TestResponse response = client.post("/v1/chat/completions", request, key + "X-Request-Id: bad id\r\n");
  EXPECT_TRUE(response.header("X-Request-Id").starts_with("req-"));
  EXPECT_EQ(client.get("/health", "X-Request-Id: mine\r\n").header("X-Request-Id"), "mine");
  client.get("/v1/models");
  request["stream"] = true;
  request["max_tokens"] = 900;
  request["n"] = 8;  // long enough that the client leaves first
  TestClient leaver = connect();
  leaver.send_post("/v1/chat/completions", request.dump(), key);
  ASSERT_TRUE(leaver.receive_until("\"content\":\"a\""));
  leaver.close();
  const std::vector<Json> all = lines.wait_for(4);
  ASSERT_EQ(all.size(), 4u);
  const auto line_of = [&](const auto& is_it) {
    const auto it = std::find_if(all.begin(), all.end(), is_it);
    return it == all.end() ? Json() : *it;
  };
  const Json chat_line = line_of([&](const Json& line) { return line["id"] == response.header("X-Request-Id"); });
  EXPECT_EQ(chat_line["status"], 200) << chat_line;
  EXPECT_EQ(chat_line["key"], "ada");
  EXPECT_EQ(chat_line["completion_tokens"], 3);
  EXPECT_EQ(chat_line["finish_reasons"], Json::array({"length"}));
  EXPECT_EQ(chat_line["peer"], "127.0.0.1");
  EXPECT_EQ(line_of([](const Json& line) { return line["path"] == "/v1/models"; })["status"], 401);
  const Json left = line_of([](const Json& line) { return line.value("disconnected", false); });
  EXPECT_EQ(left["finish_reasons"], Json(std::vector<std::string>(8, "cancelled")));
  for (const Json& line : all) {
    EXPECT_EQ(line.dump().find("private"), std::string::npos) << line;
    EXPECT_EQ(line.dump().find("secret-a"), std::string::npos) << line;
  }
}

TEST_F(RoutesTest, LogsTextsWhereAskedTo) {
  Lines lines;
  start({.access_log = lines.writer(), .log_bodies = true});
  connect().post("/v1/completions", {{"prompt", "a private word"}, {"max_tokens", 1}});
  const std::vector<Json> all = lines.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all[0]["body"].get<std::string>().find("a private word"), std::string::npos);
}

TEST_F(RoutesTest, KeysHaveLimits) {
  start({.keys = {{.id = "few", .secret = "secret-f", .requests_per_minute = 2},
                  {.id = "short", .secret = "secret-s", .tokens_per_minute = 10},
                  {.id = "one", .secret = "secret-o", .concurrent = 1}}});
  TestClient client = connect();
  const auto bearer = [](const std::string& secret) { return "Authorization: Bearer " + secret + "\r\n"; };
  EXPECT_EQ(client.get("/v1/models", bearer("secret-f")).status, 200);
  EXPECT_EQ(client.get("/v1/models", bearer("secret-f")).status, 200);
  const TestResponse refused = client.get("/v1/models", bearer("secret-f"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "rate_limit_exceeded");
  EXPECT_GE(std::stoi(refused.header("Retry-After")), 28);
  EXPECT_EQ(client.get("/health").status, 200);

  EXPECT_EQ(client.post("/v1/chat/completions", chat(5), bearer("secret-s")).status, 200) << "prompt and answer are more than ten";
  EXPECT_EQ(client.post("/v1/chat/completions", chat(5), bearer("secret-s")).status, 429);

  Json request = chat(900);
  request["stream"] = true;
  TestClient holder = connect();
  holder.send_post("/v1/chat/completions", request.dump(), bearer("secret-o"));
  ASSERT_TRUE(holder.receive_until("\"content\":\"a\""));
  EXPECT_EQ(client.get("/v1/models", bearer("secret-o")).status, 429);
  holder.close();
  ASSERT_TRUE(comes_to_rest());
  int status = 429;
  for (int i = 0; i < 2000 && status == 429; ++i) {
    status = client.get("/v1/models", bearer("secret-o")).status;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(status, 200) << "its place is free again";
}

// What one key's prompt left in the pages is not another's: nobody learns from the time an answer takes what others have asked.
TEST_F(RoutesTest, KeysDoNotShareWhatIsKnown) {
  start({.keys = {{.id = "ada", .secret = "secret-a"}, {.id = "bob", .secret = "secret-b"}}});
  const Json request = {{"prompt", std::string(200, 'x')}, {"max_tokens", 1}};
  const auto n_cached = [&](const std::string& secret) {
    const Json answer = connect().post("/v1/completions", request, "Authorization: Bearer " + secret + "\r\n").json();
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>();
  };
  EXPECT_EQ(n_cached("secret-a"), 0);
  EXPECT_GT(n_cached("secret-a"), 0);
  EXPECT_EQ(n_cached("secret-b"), 0);
  EXPECT_GT(n_cached("secret-b"), 0);
}

TEST_F(RoutesTest, StoppingIsSaidAtOnceAndAnswersEndWithAnError) {
  start();
  Json request = chat(1000);
  request["stream"] = true;
  request["n"] = 4;
  TestClient client = connect(), prober = connect();
  EXPECT_EQ(prober.get("/ready").status, 200);
  client.send_post("/v1/chat/completions", request.dump());
  ASSERT_TRUE(client.receive_until("\"content\":\"a\""));
  TestClient plain = connect();
  request["stream"] = false;
  plain.send_post("/v1/chat/completions", request.dump());
  std::thread stopper([&] { server_->stop(0.3); });
  int ready = 200;
  while (ready == 200) ready = prober.get("/ready").status;
  EXPECT_EQ(ready, 503);
  EXPECT_EQ(prober.get("/health").status, 200);
  EXPECT_EQ(prober.post("/v1/chat/completions", chat(1)).status, 503);
  const std::string rest = client.receive().body;
  stopper.join();
  // Where this machine is fast enough the answers are whole; else they end with the error, and never without a word.
  EXPECT_TRUE(rest.ends_with("data: [DONE]\n\n") || rest.find("\"type\":\"server_error\"") != std::string::npos) << rest;
  const int status = plain.receive().status;
  EXPECT_TRUE(status == 200 || status == 503) << status;
  EXPECT_TRUE(comes_to_rest());
}

// With a single place for answers, this one cannot be whole in time.
class OnePlaceTest : public ServerTest {
 protected:
  OnePlaceTest() : ServerTest({.max_sequences = 1, .chunk_tokens = 64, .context_length = 2048}) {}
};

TEST_F(OnePlaceTest, WhatIsNotDoneWhenTheTimeIsUpEndsWithAnError) {
  start();
  Json request = chat(2000);
  request["stream"] = true;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<TestClient>(server_->port()));
    clients.back()->send_post("/v1/chat/completions", request.dump());
    ASSERT_TRUE(clients.back()->receive_until("\"role\":\"assistant\""));
  }
  server_->stop(0.05);
  const std::string body = clients.back()->receive().body;
  EXPECT_NE(body.find("\"error\""), std::string::npos) << body;
  EXPECT_EQ(body.find("[DONE]"), std::string::npos);
  EXPECT_TRUE(comes_to_rest());
}

}  // namespace
}  // namespace owlet
