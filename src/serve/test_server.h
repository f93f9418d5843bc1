// A whole server over loopback for tests, on a tiny random model whose words are bytes. A logit bias of 100 makes it say what a test wants.
#pragma once

#include <gtest/gtest.h>

#include <thread>

#include "kernels/backend.h"
#include "model/test_models.h"
#include "serve/server.h"
#include "serve/test_client.h"
#include "serve/test_tokenizer.h"

namespace owlet {

inline const Model& tiny_model() {
  static const Model model = [] {
    const ModelConfig config = two_small_blocks(TestTokens::kVocabSize, 2048);
    Weights weights = make_weights(config);
    init_weights(weights, config, 3);
    return make_model(config, std::move(weights)).value();
  }();
  return model;
}

inline constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt "
    "%}assistant: {% endif %}";

class ServerTest : public testing::Test {
 protected:
  static constexpr int64_t kBudget = 100;  // bytes of loaded models

  explicit ServerTest(EngineOptions options = {.max_sequences = 4,
                                               .chunk_tokens = 64,
                                               .context_length = 1024})
      : pool_(1), ops_(make_cpu_ops(pool_).value()), engine_({*ops_}, tiny_model(), options) {}

  void start(ServerOptions options = {}, const char* chat_template = kTemplate) {
    template_ = ChatTemplate::parse(chat_template).value();
    options.port = 0;
    server_.reset();  // before the models that it serves
    models_ = std::make_unique<ModelCatalog>(kBudget);
    add_models();
    server_ = std::make_unique<Server>(options, *models_, "");
    ASSERT_TRUE(server_->start().ok());
  }
  // What start() serves; others may serve more.
  virtual void add_models() { models_->add(card("tiny"), kBudget, [this](auto&) { return served(); }); }
  static ModelCard card(const std::string& id) {
    return {.id = id, .description = "for tests", .size_bytes = 1, .n_params = 2, .context_length = 1024};
  }
  Result<std::unique_ptr<ServedModel>> served() {
    return std::make_unique<ServedModel>(
        ServedModel{.engine = engine_, .tokenizer = tokenizer_, .chat_template = &*template_, .stop_ids = {TestTokens::kEnd}});
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
  std::unique_ptr<ModelCatalog> models_;  // outlives the engine, whose requests hold what it lends
  Engine engine_;
  Tokenizer tokenizer_ = make_test_tokenizer();
  std::optional<ChatTemplate> template_;
  std::unique_ptr<Server> server_;
};

}  // namespace owlet
