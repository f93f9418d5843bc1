// Several models and an adapter behind one server.
#include "serve/model_catalog.h"

#include <atomic>
#include <future>
#include <numeric>

#include "model/adapter.h"
#include "serve/test_server.h"

namespace owlet {
namespace {

// What an adapter of rank 1 adds to the first layer's output projection: enough to change answers.
Adapter test_adapter() {
  const ModelConfig& c = tiny_model().config;
  Adapter::Part part{.a_RI = Tensor(DType::kF32, {1, c.n_heads * c.head_dim}), .b_OR = Tensor(DType::kF32, {c.dim, 1}), .scale = 4};
  for (int64_t i = 0; i < part.a_RI.numel(); ++i) part.a_RI.f32()[i] = i % 2 == 0 ? 1.f : -1.f;
  for (int64_t i = 0; i < part.b_OR.numel(); ++i) part.b_OR.f32()[i] = i % 3 == 0 ? 1.f : -0.5f;
  Adapter adapter;
  adapter.parts["model.layers.0.self_attn.o_proj.weight"] = std::move(part);
  return adapter;
}

Model other_model() {
  ModelConfig config = tiny_model().config;
  Weights weights = make_weights(config);
  init_weights(weights, config, 4);
  return make_model(config, std::move(weights)).value();
}

// "tiny" with the adapter "tiny:odd", "other", "broken", and "slow", which is another "tiny" that waits to be let through. Two of them
// have room.
class CatalogTest : public ServerTest {
 protected:
  void add_models() override {
    models_->add(card("tiny"), 40, [this](auto&) -> Result<std::unique_ptr<ServedModel>> {
      ++n_loads_;
      OWLET_ASSIGN(auto model, served());
      model->adapters["tiny:odd"] = adapter_;
      return model;
    });
    models_->add_adapter("tiny:odd", "tiny");
    models_->add(card("other"), 40, [this](auto&) -> Result<std::unique_ptr<ServedModel>> {
      ++n_loads_;
      const auto engine = std::make_shared<Engine>(Context{*other_ops_}, other_, EngineOptions{.max_sequences = 4, .context_length = 1024});
      return std::make_unique<ServedModel>(ServedModel{.owner = engine, .engine = *engine, .tokenizer = tokenizer_, .stop_ids = {TestTokens::kEnd}});
    });
    models_->add(card("broken"), 40, [](auto&) -> Result<std::unique_ptr<ServedModel>> { return corrupt("not a GGUF file"); });
    models_->add(card("slow"), 40, [this](auto& share) {
      share = 0.25;
      ++n_loads_;
      started_.set_value();
      go_on_.get_future().wait();
      return served();
    });
  }

  // Models that refer to what is declared here go first.
  void TearDown() override {
    server_.reset();
    EXPECT_TRUE(comes_to_rest());
    models_.reset();
  }

  // Answers are letters, so that bytes are characters.
  static TokenIds letters() {
    TokenIds ids(26);
    std::iota(ids.begin(), ids.end(), 'a');
    return ids;
  }
  static Json question(const std::string& model) {
    return {{"model", model}, {"prompt", "once"}, {"max_tokens", 24}, {"seed", 7}, {"allowed_token_ids", letters()}};
  }
  std::string answer(const std::string& model) {
    const TestResponse response = connect().post("/v1/completions", question(model));
    EXPECT_EQ(response.status, 200) << response.body;
    const Json json = response.json();
    EXPECT_EQ(json["model"], model);
    return json["choices"][0]["text"].get<std::string>();
  }
  // What an engine that knows of nothing else says.
  std::string alone(const Model& model, std::shared_ptr<const RequestAdapter> adapter = nullptr) {
    Engine engine({*ops_}, model, {.max_sequences = 1, .context_length = 1024});
    GenerationRequest request{.prompt = tokenizer_.encode("once"), .max_new_tokens = 24, .sampling = {.seed = 7, .allowed_tokens = letters()},
                              .stop_ids = {TestTokens::kEnd}, .adapter = std::move(adapter)};
    return tokenizer_.decode(engine.generate(std::move(request)).value());
  }
  // Asks for it and gives it back at once: an answer's hold on its model may last a little longer than the client sees.
  void use(const std::string& model) {
    std::promise<void> done;
    models_->use(*std::get<const ModelCard*>(models_->find(model)), [&done](const std::variant<ModelUse, ApiError>& use) {
      EXPECT_TRUE(std::holds_alternative<ModelUse>(use));
      done.set_value();
    });
    done.get_future().wait();
  }
  std::map<std::string, std::string> states() {
    std::map<std::string, std::string> states;
    const Json models = connect().get("/v1/models").json();
    for (const Json& model : models["data"]) states[model["id"]] = model["status"]["value"];
    return states;
  }

  const Model other_ = other_model();
  // Of its own: engines that run at once share no kernels' scratch memory.
  ThreadPool other_pool_{1};
  const std::unique_ptr<Ops> other_ops_ = make_cpu_ops(other_pool_).value();
  const std::shared_ptr<const RequestAdapter> adapter_ = request_adapter(test_adapter(), 1, tiny_model()).value();
  std::atomic<int> n_loads_ = 0;
  std::promise<void> started_, go_on_;
};

TEST_F(CatalogTest, EachAnswersAsIfItWereAlone) {
  start();
  const std::string tiny = alone(tiny_model()), odd = alone(tiny_model(), adapter_), other = alone(other_);
  EXPECT_NE(tiny, odd);
  EXPECT_NE(tiny, other);
  const std::map<std::string, std::string> expected = {{"tiny", tiny}, {"tiny:odd", odd}, {"other", other}};
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    for (const auto& [model, text] : expected) {
      clients.emplace_back([&] {
        for (int k = 0; k < 4; ++k) EXPECT_EQ(answer(model), text) << model;
      });
    }
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(n_loads_, 2);
}

TEST_F(CatalogTest, ListsAllOfThemAndWhatIsLoaded) {
  start();
  const Json models = connect().get("/v1/models").json()["data"];
  ASSERT_EQ(models.size(), 5u);
  EXPECT_EQ(models[0]["parent"], nullptr);
  EXPECT_EQ(models[1]["id"], "tiny:odd");
  EXPECT_EQ(models[1]["parent"], "tiny");
  EXPECT_EQ(models[1]["meta"]["context_length"], 1024);
  answer("tiny:odd");
  EXPECT_EQ(states()["tiny"], "loaded");
  EXPECT_EQ(states()["other"], "unloaded");
  EXPECT_EQ(connect().get("/ready").json(), Json({{"status", "ready"}, {"models", 5}, {"loaded", 2}}));
}

TEST_F(CatalogTest, WhatWasNotAskedForTheLongestIsUnloaded) {
  start();
  for (const char* model : {"other", "tiny", "other"}) use(model);
  go_on_.set_value();
  answer("slow");
  EXPECT_EQ(states(), (std::map<std::string, std::string>{
                          {"tiny", "unloaded"}, {"tiny:odd", "unloaded"}, {"other", "loaded"}, {"broken", "unloaded"}, {"slow", "loaded"}}));
  EXPECT_EQ(answer("tiny"), alone(tiny_model())) << "loaded again, it says the same";
}

TEST_F(CatalogTest, NamesThatAreNotServedAndModelsThatCannotBeLoaded) {
  start();
  const TestResponse unknown = connect().post("/v1/completions", question("gpt"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json()["error"]["code"], "model_not_found");
  const std::string message = unknown.json()["error"]["message"];
  for (const char* name : {"'gpt'", "'tiny'", "'tiny:odd'", "'other'"}) EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_EQ(connect().get("/tokenizer_info?model=gpt").status, 404);
  EXPECT_EQ(connect().get("/tokenizer_info?model=tiny%3Aodd").status, 200);
  const TestResponse broken = connect().post("/v1/completions", question("broken"));
  EXPECT_EQ(broken.status, 500);
  EXPECT_EQ(broken.json()["error"]["message"], "The model 'broken' cannot be loaded: not a GGUF file");
  EXPECT_EQ(connect().post("/tokenize", {{"prompt", "a"}, {"model", "broken"}}).status, 500);
  EXPECT_EQ(connect().post("/tokenize", {{"prompt", "a"}, {"model", "other"}}).json()["count"], 1);
  EXPECT_EQ(answer("tiny"), alone(tiny_model()));
}

TEST_F(CatalogTest, LoadingOneKeepsNobodyFromAnother) {
  start();
  const std::string tiny = answer("tiny");
  TestClient first = connect(), second = connect();
  first.send_post("/v1/completions", question("slow").dump());
  started_.get_future().wait();
  second.send_post("/v1/completions", question("slow").dump());
  EXPECT_EQ(states()["slow"], "loading");
  EXPECT_EQ(connect().get("/v1/models").json()["data"].back()["status"]["progress"], 0.25);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(answer("tiny"), tiny);
  go_on_.set_value();
  EXPECT_EQ(first.receive().json()["choices"][0]["text"], tiny);
  EXPECT_EQ(second.receive().json()["choices"][0]["text"], tiny);
  EXPECT_EQ(n_loads_, 2);
}

TEST_F(CatalogTest, NumbersAreToldOfEachModel) {
  start();
  answer("tiny:odd");
  answer("other");
  const std::string text = connect().get("/metrics").body;
  for (const char* line : {"owlet_requests_running{model=\"tiny\"} ", "owlet_kv_pages{model=\"other\"} ", "owlet_prompt_tokens_total{model=\"tiny:odd\"} 4\n",
                           "owlet_prompt_tokens_total{model=\"other\"} 4\n", "owlet_request_seconds_count{model=\"other\"} 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  const Json models = connect().get("/running").json()["models"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[1]["model"], "other");
}

TEST_F(CatalogTest, WhoWaitsForAModelIsToldWhenTheServerStops) {
  start();
  TestClient client = connect();
  client.send_post("/v1/completions", question("slow").dump());
  started_.get_future().wait();
  std::thread stopper([&] { server_->stop(1); });
  EXPECT_EQ(client.receive().status, 503);
  stopper.join();
  go_on_.set_value();
}

}  // namespace
}  // namespace owlet
