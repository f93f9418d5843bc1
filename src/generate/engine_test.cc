#include "generate/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "kernels/backend.h"

namespace owlet {
namespace {

ModelConfig tiny_config() {
  ModelConfig config;
  config.vocab_size = 97;
  config.dim = 32;
  config.n_layers = 2;
  config.n_heads = 4;
  config.n_kv_heads = 2;
  config.head_dim = 8;
  config.ffn_dim = 64;
  config.max_positions = 256;
  config.tie_embeddings = true;
  return config;
}

const Model& tiny_model() {
  static const Model model = [] {
    const ModelConfig config = tiny_config();
    Weights weights = make_weights(config);
    init_weights(weights, config, 11);
    // Larger than a real start, so that the next token is not decided by noise.
    weights.for_each([](const std::string&, Tensor& tensor) {
      if (tensor.shape().rank() == 2) {
        for (float& x : tensor.span<float>()) x *= 8;
      }
    });
    return make_model(config, std::move(weights)).value();
  }();
  return model;
}

// An engine with everything it stands on.
struct Rig {
  explicit Rig(int threads = 1, EngineOptions options = {.max_sequences = 4, .chunk_tokens = 64})
      : pool(threads), ops(make_cpu_ops(pool).value()), engine({*ops}, tiny_model(), options) {}
  ThreadPool pool;
  std::unique_ptr<Ops> ops;
  Engine engine;
};

GenerationRequest request_of(int32_t first, int64_t n_prompt, int64_t n_new, double temperature = 1.0) {
  GenerationRequest request;
  for (int64_t i = 0; i < n_prompt; ++i) request.prompt.push_back(static_cast<int32_t>((first + i * 7) % 97));
  request.max_new_tokens = n_new;
  request.sampling.temperature = temperature;
  request.sampling.seed = static_cast<uint64_t>(first);
  return request;
}

// What one request brought: tokens and logprobs, and how it ended.
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  FinishReason reason = FinishReason::kCancelled;
  GenerationStats stats;
};

std::future<Answer> start(Engine& engine, GenerationRequest request, Engine::RequestId* id = nullptr) {
  struct State {
    Answer answer;
    std::promise<Answer> promise;
  };
  const auto state = std::make_shared<State>();
  std::future<Answer> future = state->promise.get_future();
  const auto submitted =
      engine.submit(std::move(request), {.on_token =
                                             [state](const GeneratedToken& token) {
                                               state->answer.tokens.push_back(token.id);
                                               state->answer.logprobs.push_back(token.logprob);
                                             },
                                         .on_finish =
                                             [state](FinishReason reason, const GenerationStats& stats) {
                                               state->answer.reason = reason;
                                               state->answer.stats = stats;
                                               state->promise.set_value(state->answer);
                                             }});
  EXPECT_TRUE(submitted.ok());
  if (id && submitted.ok()) *id = *submitted;
  return future;
}

TEST(Engine, AnswersDoNotDependOnThreadsNeighboursOrChunks) {
  GenerationRequest request = request_of(3, 90, 40);
  request.n_logprobs = 0;
  Rig reference;
  const Answer alone = start(reference.engine, request).get();
  ASSERT_EQ(alone.tokens.size(), 40u);
  EXPECT_EQ(alone.reason, FinishReason::kLength);

  for (const int threads : {1, 2}) {
    for (const int64_t chunk : {256, 33, 7}) {
      Rig rig(threads, {.max_sequences = 4, .chunk_tokens = chunk});
      std::vector<std::future<Answer>> others;
      for (const int32_t other : {20, 21, 22})
        others.push_back(start(rig.engine, request_of(other, 10 + other, 50)));
      const Answer beside = start(rig.engine, request).get();
      EXPECT_EQ(beside.tokens, alone.tokens) << threads << " threads, chunks of " << chunk;
      EXPECT_EQ(beside.logprobs, alone.logprobs) << threads << " threads, chunks of " << chunk;
      for (auto& other : others) EXPECT_EQ(other.get().tokens.size(), 50u);
    }
  }
}

TEST(Engine, MoreRequestsThanSequencesAllEndAsIfAlone) {
  Rig rig(2, {.max_sequences = 3, .chunk_tokens = 16});
  std::vector<std::future<Answer>> futures;
  for (int32_t i = 0; i < 12; ++i) futures.push_back(start(rig.engine, request_of(i, 5 + 3 * i, 10)));
  Rig alone;
  for (int32_t i = 0; i < 12; ++i) {
    const auto expected = alone.engine.generate(request_of(i, 5 + 3 * i, 10));
    ASSERT_TRUE(expected.ok());
    EXPECT_EQ(futures[static_cast<size_t>(i)].get().tokens, *expected);
  }
  EXPECT_EQ(rig.engine.load().running, 0);
  EXPECT_EQ(rig.engine.load().pages_used, 0);
}

TEST(Engine, StopsAtAStopIdWithoutDeliveringIt) {
  Rig rig;
  const std::vector<int32_t> all = rig.engine.generate(request_of(5, 8, 20, 0)).value();
  GenerationRequest request = request_of(5, 8, 20, 0);
  // Stop at the first token that did not occur before it.
  size_t at = 1;
  while (std::find(all.begin(), all.begin() + static_cast<ptrdiff_t>(at), all[at]) !=
         all.begin() + static_cast<ptrdiff_t>(at))
    ++at;
  request.stop_ids = {all[at]};
  const Answer answer = start(rig.engine, request).get();
  EXPECT_EQ(answer.reason, FinishReason::kStop);
  EXPECT_EQ(answer.tokens, std::vector<int32_t>(all.begin(), all.begin() + static_cast<ptrdiff_t>(at)));
  EXPECT_EQ(answer.stats.prompt_tokens, 8);
  EXPECT_EQ(answer.stats.new_tokens, static_cast<int64_t>(at));
}

TEST(Engine, GreedyIsTheBestOfTheLogprobs) {
  Rig rig;
  GenerationRequest request = request_of(9, 12, 10, 0);
  request.n_logprobs = 3;
  std::vector<GeneratedToken> tokens;
  std::promise<void> done;
  ASSERT_TRUE(
      rig.engine
          .submit(request, {.on_token = [&](const GeneratedToken& t) { tokens.push_back(t); },
                            .on_finish = [&](FinishReason, const GenerationStats&) { done.set_value(); }})
          .ok());
  done.get_future().wait();
  ASSERT_EQ(tokens.size(), 10u);
  for (const GeneratedToken& token : tokens) {
    ASSERT_EQ(token.top_logprobs.size(), 3u);
    EXPECT_EQ(token.top_logprobs[0].first, token.id);
    EXPECT_EQ(token.top_logprobs[0].second, token.logprob);
    EXPECT_LT(token.logprob, 0);
    EXPECT_GE(token.top_logprobs[0].second, token.top_logprobs[1].second);
  }
}

TEST(Engine, RunsToTheEndOfTheContext) {
  Rig rig(1, {.max_sequences = 1, .chunk_tokens = 64, .context_length = 50});
  const Answer answer = start(rig.engine, request_of(1, 20, 0)).get();
  EXPECT_EQ(answer.tokens.size(), 30u);
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(start(rig.engine, request_of(1, 20, 1000)).get().tokens.size(), 30u);
}

TEST(Engine, CancelsWhatRunsAndWhatWaits) {
  Rig rig(1, {.max_sequences = 1, .chunk_tokens = 4});
  Engine::RequestId running = 0;
  Engine::RequestId waiting = 0;
  auto first = start(rig.engine, request_of(1, 250, 0), &running);
  auto second = start(rig.engine, request_of(2, 10, 0), &waiting);
  rig.engine.cancel(waiting);
  rig.engine.cancel(running);
  rig.engine.cancel(12345);
  EXPECT_EQ(first.get().reason, FinishReason::kCancelled);
  EXPECT_EQ(second.get().reason, FinishReason::kCancelled);
  EXPECT_EQ(rig.engine.load().running, 0);
  EXPECT_EQ(rig.engine.load().waiting, 0);
  EXPECT_EQ(rig.engine.load().pages_used, 0);
  EXPECT_EQ(rig.engine.generate(request_of(1, 10, 5)).value().size(), 5u);
}

TEST(Engine, AListenerMayCancelItsOwnRequest) {
  Rig rig;
  std::promise<FinishReason> done;
  std::atomic<int> n = 0;
  const auto submitted = rig.engine.submit(
      request_of(1, 3, 200),
      {.on_token =
           [&](const GeneratedToken&) {
             if (++n == 5) rig.engine.cancel(1);
           },
       .on_finish = [&](FinishReason reason, const GenerationStats&) { done.set_value(reason); }});
  ASSERT_TRUE(submitted.ok());
  EXPECT_EQ(*submitted, 1u);
  EXPECT_EQ(done.get_future().get(), FinishReason::kCancelled);
  EXPECT_EQ(n, 5);
}

TEST(Engine, TheDestructorEndsEverything) {
  std::vector<std::future<Answer>> futures;
  {
    Rig rig(1, {.max_sequences = 2, .chunk_tokens = 8});
    for (int32_t i = 0; i < 6; ++i) futures.push_back(start(rig.engine, request_of(i, 100, 0)));
  }
  for (auto& future : futures) EXPECT_EQ(future.get().reason, FinishReason::kCancelled);
}

TEST(Engine, RefusesWhatCannotRun) {
  Rig rig(1, {.max_sequences = 1, .max_queue = 2, .chunk_tokens = 4});
  const auto message = [&](const GenerationRequest& request) {
    const auto result = rig.engine.submit(request, {});
    return result.ok() ? std::string() : result.error().message;
  };
  EXPECT_NE(message({}).find("empty"), std::string::npos);
  GenerationRequest outside = request_of(1, 3, 1);
  outside.prompt[1] = 97;
  EXPECT_NE(message(outside).find("97"), std::string::npos);
  outside = request_of(1, 3, 1);
  outside.sampling.logit_bias = {{-1, 1.0f}};
  EXPECT_NE(message(outside).find("-1"), std::string::npos);
  const std::string too_long = message(request_of(1, 256, 1));
  EXPECT_NE(too_long.find("256"), std::string::npos);

  // One runs (or waits), at most two more wait; the queue never holds a fourth.
  int refused = 0;
  for (int32_t i = 0; i < 4; ++i)
    refused += message(request_of(i, 250, 0)).find("queue") != std::string::npos;
  EXPECT_GE(refused, 1);
}

}  // namespace
}  // namespace owlet
