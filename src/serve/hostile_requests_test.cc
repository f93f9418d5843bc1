// A table of requests that are wrong, too large or meant to hurt, over the wire: each is answered with a 4xx in OpenAI's form, and the
// server goes on.
#include "serve/test_server.h"

namespace owlet {
namespace {

using HostileRequestsTest = ServerTest;

std::string repeat(std::string_view text, size_t n) {
  std::string result;
  result.reserve(text.size() * n);
  for (size_t i = 0; i < n; ++i) result += text;
  return result;
}

// A chat request with this text among its fields, as it stands.
std::string chat_with(const std::string& field) { return R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":1,)" + field + "}"; }

struct Case {
  std::string what;
  std::string body;
  int status = 400;
};

// Past what numbers may be, in every way that JSON can say so.
std::vector<Case> numbers() {
  std::vector<Case> cases;
  for (const char* name :
       {"n", "top_k", "min_tokens", "max_completion_tokens", "top_logprobs", "prompt_logprobs", "thinking_budget", "no_repeat_ngram_size",
        "repeat_last_n", "dry_allowed_length", "dry_penalty_last_n", "seed", "mirostat", "temperature", "top_p", "min_p", "typical_p", "top_h",
        "top_n_sigma", "epsilon_cutoff", "eta_cutoff", "xtc_probability", "xtc_threshold", "mirostat_tau", "mirostat_eta", "presence_penalty",
        "frequency_penalty", "repetition_penalty", "repeat_penalty", "dry_multiplier", "dry_base", "forced_eos_token_id"}) {
    for (const char* value : {"1e19", "-1e19", "NaN", "Infinity", "1e999", "\"1\"", "[]", "{}", "true", "99999999999999999999"}) {
      cases.push_back({fmt::format("{} = {}", name, value), chat_with(fmt::format("\"{}\":{}", name, value))});
    }
  }
  return cases;
}

std::vector<Case> structures() {
  std::vector<Case> cases = {
      {"an empty body", ""},
      {"a body that is no JSON", "hello"},
      {"100k nested lists", repeat("[", 100'000)},
      {"100k nested objects", repeat("{\"a\":", 100'000)},
      {"nesting that is closed", chat_with("\"stop\":" + repeat("[", 1000) + repeat("]", 1000))},
      {"nesting in a message", R"({"messages":)" + repeat("[", 200) + repeat("]", 200) + "}"},
      {"a key that comes twice", chat_with(R"("n":1,"n":1)")},
      {"half a character", "{\"messages\":[{\"role\":\"user\",\"content\":\"\xE2\x82\"}]}"},
      {"bytes that are no text", "{\"messages\":[{\"role\":\"user\",\"content\":\"\xFF\xFE\"}]}"},
      {"half a surrogate", R"({"messages":[{"role":"user","content":"\ud83d"}]})"},
      {"an overlong zero", "{\"messages\":[{\"role\":\"user\",\"content\":\"\xC0\x80\"}]}"},
      {"two documents", chat_with(R"("n":1)") + chat_with(R"("n":1)")},
      {"10k stop strings", chat_with("\"stop\":[\"a\"" + repeat(",\"a\"", 10'000) + "]")},
      {"a stop of 1 MB less the rest", chat_with("\"stop\":\"" + std::string(1'000'000, 'x') + "\"")},
      {"100k biases", chat_with("\"logit_bias\":{\"0\":1" + [] {
         std::string more;
         for (int i = 1; i < 60'000; ++i) more += fmt::format(",\"{}\":1", i);
         return more;
       }() + "}")},
      {"a field name of 500 kB", chat_with("\"" + std::string(500'000, 'x') + "\":1")},
      {"a model's name of 500 kB", chat_with("\"model\":\"" + std::string(500'000, 'x') + "\""), 404},
      {"a model's name that climbs", chat_with(R"("model":"../../etc/passwd")"), 404},
      {"5,000 messages", R"({"messages":[{"role":"user","content":"a"})" + repeat(R"(,{"role":"user","content":"a"})", 5000) + "]}"},
      {"a template in the request", chat_with(R"("chat_template":"{% for i in range(999999999) %}x{% endfor %}")")},
      {"tools", chat_with(R"("tools":[{"type":"function","function":{"name":"f"}}])")},
      {"a schema", chat_with(R"("response_format":{"type":"json_schema","json_schema":{}})")},
      {"an image", R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]})"},
      {"an unknown role", R"({"messages":[{"role":"root","content":"hi"}]})"},
      {"a prompt beyond the context", R"({"messages":[{"role":"user","content":")" + std::string(900'000, 'a') + "\"}]}"},
      {"a body of 2 MB", chat_with("\"user\":\"" + std::string(2'000'000, 'x') + "\""), 413},
  };
  return cases;
}

void expect_openai_error(const TestResponse& response, const Case& c) {
  ASSERT_EQ(response.status, c.status) << c.what << ": " << response.body.substr(0, 300);
  const auto json = parse_json(response.body);
  ASSERT_TRUE(json.ok()) << c.what << ": " << response.body.substr(0, 300);
  const Json& error = (*json)["error"];
  EXPECT_TRUE(error["message"].is_string() && error["type"].is_string() && error.contains("param") && error.contains("code")) << c.what;
  EXPECT_LT(response.body.size(), 2000u) << c.what << ": an error that repeats what was sent";
}

TEST_F(HostileRequestsTest, EveryBodyIsRefusedInTheRightForm) {
  start();
  for (const auto& cases : {numbers(), structures()}) {
    for (const Case& c : cases) expect_openai_error(connect().post_text("/v1/chat/completions", c.body), c);
  }
  for (const std::string body : {R"({"prompt":[99999999999]})", R"({"prompt":[[-1]]})", R"({"prompt":"a","echo":"yes"})", R"({"prompt":"a","suffix":"b"})",
                                 R"({"prompt":"a","best_of":99})", R"({"prompt":[]})", R"({"prompt":[300]})", R"({"prompt":"a","stop_token_ids":[300]})",
                                 R"({"prompt":"a","bad_words":["a"],"allowed_token_ids":[300]})"}) {
    expect_openai_error(connect().post_text("/v1/completions", body), {body, body});
  }
  EXPECT_EQ(connect().post("/v1/chat/completions", chat(1)).status, 200);
  EXPECT_TRUE(comes_to_rest());
}

TEST_F(HostileRequestsTest, HttpThatIsNoneIsRefusedInTheRightForm) {
  start();
  const std::string host = "Host: localhost\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"POST /v1/completions HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400},
      {"POST /v1/completions HTTP/1.1\r\n" + host + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /v1/completions HTTP/1.1\r\n" + host + "Content-Length: 1000000000000\r\n\r\n", 413},
      {"POST /v1/completions HTTP/1.1\r\n" + host + "X: " + std::string(40'000, 'x') + "\r\n\r\n", 431},
      {"GET /../../etc/passwd HTTP/1.1\r\n" + host + "\r\n", 404},
      {"GET /%2e%2e/etc/passwd HTTP/1.1\r\n" + host + "\r\n", 404},
      {"GET /v1/models\\..\\x HTTP/1.1\r\n" + host + "\r\n", 404},
      {"GET /v1/" + std::string(8000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 404},
      {"BREW /v1/models HTTP/1.1\r\n" + host + "\r\n", 405},
      {"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
      {"GET /v1/models HTTP/1.1\r\n" + host + "Origin: https://evil.example\r\n\r\n", 403},
  };
  for (const auto& [request, status] : cases) {
    TestClient client = connect();
    client.send(request);
    expect_openai_error(client.receive(), {request.substr(0, 80), "", status});
  }
  EXPECT_EQ(connect().get("/health").status, 200);
}

// A template that never ends costs its budget, and is a 400.
TEST_F(HostileRequestsTest, TemplatesHaveABudget) {
  start({}, "{% for i in range(100000) %}{% for j in range(100000) %}{{ messages[0].content }}{% endfor %}{% endfor %}");
  expect_openai_error(connect().post("/v1/chat/completions", chat(1)), {"a template bomb", ""});
  expect_openai_error(connect().post("/apply-template", {{"messages", chat(1)["messages"]}}), {"a template bomb", ""});
}

}  // namespace
}  // namespace owlet
