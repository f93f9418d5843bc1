#include "generate/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "core/random.h"
#include "kernels/backend.h"
#include "model/test_models.h"

namespace owlet {
namespace {

Model make_tiny_model(int64_t vocab_size) {
  const ModelConfig config = two_small_blocks(vocab_size, 256);
  Weights weights = make_weights(config);
  init_weights(weights, config, 11);
  // Larger than a real start, so that the next token is not decided by noise.
  weights.for_each([](const std::string&, Tensor& tensor) {
    if (tensor.shape().rank() == 2) {
      for (float& x : tensor.span<float>()) x *= 8;
    }
  });
  return make_model(config, std::move(weights)).value();
}

const Model& tiny_model() {
  static const Model model = make_tiny_model(97);
  return model;
}

// An engine with everything it stands on.
struct Rig {
  explicit Rig(int threads = 1, EngineOptions options = {.max_sequences = 4, .chunk_tokens = 64})
      : pool(threads), ops(make_cpu_ops(pool).value()), engine({*ops}, tiny_model(), on_pool(options)) {}
  EngineOptions on_pool(EngineOptions options) {
    options.pool = &pool;
    return options;
  }
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

// The prompt's log-probabilities, [tokens after the first].
std::vector<GeneratedToken> score_prompt(Engine& engine, GenerationRequest request) {
  struct State {
    std::vector<GeneratedToken> scored;
    std::promise<void> finished;
  };
  const auto state = std::make_shared<State>();
  EXPECT_TRUE(engine.submit(std::move(request), {.on_token = nullptr,
                                                 .on_finish = [state](FinishReason, const GenerationStats&) { state->finished.set_value(); },
                                                 .on_prompt = [state](std::vector<GeneratedToken> tokens) {
                                                   state->scored.insert(state->scored.end(), tokens.begin(), tokens.end());
                                                 }})
                  .ok());
  state->finished.get_future().wait();
  return state->scored;
}

// What a greedy answer's tokens scored when they were chosen is what they score as a prompt, in whatever chunks.
TEST(Engine, ScoresPromptsAsItScoresAnswers) {
  GenerationRequest request = request_of(5, 30, 40, /*temperature=*/0);
  request.n_logprobs = 0;
  Rig reference;
  const Answer answer = start(reference.engine, request).get();
  GenerationRequest again = request;
  again.prompt.insert(again.prompt.end(), answer.tokens.begin(), answer.tokens.end());
  again.max_new_tokens = 1;
  again.n_prompt_logprobs = 2;
  for (const int64_t chunk : {256, 33, 7}) {
    Rig rig(1, {.max_sequences = 4, .chunk_tokens = chunk});
    auto other = start(rig.engine, request_of(20, 40, 20));
    score_prompt(rig.engine, again);  // so that the second time its pages are known
    const std::vector<GeneratedToken> scored = score_prompt(rig.engine, again);
    ASSERT_EQ(scored.size(), again.prompt.size() - 1) << "chunks of " << chunk;
    for (size_t i = 0; i < scored.size(); ++i) {
      EXPECT_EQ(scored[i].id, again.prompt[i + 1]);
      ASSERT_EQ(scored[i].top_logprobs.size(), 2u);
      EXPECT_EQ(scored[i].rank == 1, scored[i].top_logprobs[0].first == scored[i].id);
      if (i + 1 < request.prompt.size()) continue;
      EXPECT_EQ(scored[i].logprob, answer.logprobs[i + 1 - request.prompt.size()]);
      EXPECT_EQ(scored[i].rank, 1);
    }
    other.wait();
  }
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

  request.n_logprobs = 1;
  const auto stop = std::make_shared<std::promise<GeneratedToken>>();
  GenerationListener listener;
  listener.on_stop = [stop](const GeneratedToken& token) { stop->set_value(token); };
  ASSERT_TRUE(rig.engine.submit(request, listener).ok());
  const GeneratedToken last = stop->get_future().get();
  EXPECT_EQ(last.id, all[at]) << "told where log-probabilities are asked for";
  EXPECT_LT(last.logprob, 0);
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

// `first` tokens of a common beginning, then `rest` of its own.
GenerationRequest request_after(int64_t first, int32_t own, int64_t rest, int64_t n_new) {
  GenerationRequest request = request_of(1, first, n_new);
  for (int64_t i = 0; i < rest; ++i) request.prompt.push_back(static_cast<int32_t>((own + i * 5) % 97));
  request.sampling.seed = static_cast<uint64_t>(own);
  request.n_logprobs = 2;
  return request;
}

TEST(Engine, AKnownBeginningChangesNothingButTheWork) {
  const EngineOptions without{.max_sequences = 4, .chunk_tokens = 64, .prefix_sharing = false};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    EngineOptions options{.max_sequences = 4, .chunk_tokens = 64};
    options.kv_dtype = dtype;
    Rig with(2, options);
    for (const int32_t own : {3, 4, 5}) {
      const GenerationRequest request = request_after(100, own, 20, 30);
      EngineOptions alone = without;
      alone.kv_dtype = dtype;
      Rig reference(1, alone);
      const Answer expected = start(reference.engine, request).get();
      for (int again = 0; again < 2; ++again) {
        const Answer answer = start(with.engine, request).get();
        EXPECT_EQ(answer.tokens, expected.tokens);
        EXPECT_EQ(answer.logprobs, expected.logprobs);
        EXPECT_EQ(answer.stats.cached_tokens, again ? 119 : own == 3 ? 0 : 100);
      }
      EXPECT_EQ(expected.stats.cached_tokens, 0);
    }
    EXPECT_EQ(with.engine.load().pages_used, 0);
    EXPECT_GT(with.engine.load().pages_kept, 0);
    EXPECT_EQ(with.engine.snapshot().totals.prompt_tokens, 6 * 120);
    EXPECT_EQ(with.engine.snapshot().totals.cached_tokens, 3 * 119 + 2 * 100);
  }
}

TEST(Engine, TheNextTurnOfAChatComputesOnlyWhatIsNew) {
  Rig rig(2);
  GenerationRequest request = request_of(7, 70, 45);
  const Answer first = start(rig.engine, request).get();
  request.prompt.insert(request.prompt.end(), first.tokens.begin(), first.tokens.end());
  for (int32_t id = 0; id < 10; ++id) request.prompt.push_back(id);
  const Answer second = start(rig.engine, request).get();
  EXPECT_EQ(second.stats.prompt_tokens, 125);
  EXPECT_EQ(second.stats.cached_tokens, 70 + 45 - 1) << "all but the last token of the answer, which was never an input";
  EXPECT_EQ(second.tokens, Rig().engine.generate(request).value());
}

TEST(Engine, ScopesShareNothing) {
  Rig rig;
  GenerationRequest request = request_of(7, 100, 5);
  request.cache_scope = "one key";
  start(rig.engine, request).get();
  EXPECT_EQ(start(rig.engine, request).get().stats.cached_tokens, 99);
  request.cache_scope = "another";
  EXPECT_EQ(start(rig.engine, request).get().stats.cached_tokens, 0);
}

TEST(Engine, ManyAnswersToOnePromptComputeItOnce) {
  Rig rig(2, {.max_sequences = 8, .chunk_tokens = 32});
  std::vector<std::future<Answer>> answers;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    GenerationRequest request = request_of(5, 80, 40);
    request.sampling.seed = seed;
    answers.push_back(start(rig.engine, request));
  }
  int64_t computed = 0;
  Rig alone;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    GenerationRequest request = request_of(5, 80, 40);
    request.sampling.seed = seed;
    const Answer answer = answers[seed].get();
    EXPECT_EQ(answer.tokens, alone.engine.generate(request).value());
    computed += answer.stats.prompt_tokens - answer.stats.cached_tokens;
  }
  EXPECT_EQ(computed, 80 + 7);
}

// 64 at once need some 6,700 tokens' keys and values, and there are 608.
TEST(Engine, TenTimesMoreThanThePagesHoldAllEndAsIfAlone) {
  EngineOptions options{.max_sequences = 64, .chunk_tokens = 48};
  options.kv_tokens = 600;
  Rig rig(2, options);
  EXPECT_EQ(rig.engine.load().pages_total, 19);
  const auto request = [](int32_t i) { return request_of(i, 20 + i, 50, i % 2); };
  std::vector<std::future<Answer>> futures;
  // Asked for in the middle of a step, so that the next one finds them all.
  std::promise<void> asked;
  const auto ask = [&](const GeneratedToken&) {
    for (int32_t i = 0; i < 64; ++i) futures.push_back(start(rig.engine, request(i)));
  };
  ASSERT_TRUE(rig.engine.submit(request_of(99, 4, 1), {.on_token = ask, .on_finish = [&](FinishReason, const GenerationStats&) { asked.set_value(); }}).ok());
  asked.get_future().get();
  EngineOptions plenty{.max_sequences = 1};
  plenty.prefix_sharing = false;
  Rig alone(1, plenty);
  for (int32_t i = 0; i < 64; ++i) {
    const Answer answer = futures[static_cast<size_t>(i)].get();
    EXPECT_EQ(answer.reason, FinishReason::kLength);
    EXPECT_EQ(answer.tokens, alone.engine.generate(request(i)).value());
  }
  EXPECT_GT(rig.engine.snapshot().totals.preemptions, 0);
  EXPECT_EQ(rig.engine.load().pages_used, 0);
}

TEST(Engine, CancelsAtRandomLeaveNothingBehind) {
  EngineOptions options{.max_sequences = 4, .chunk_tokens = 8};
  options.kv_tokens = 300;
  Rig rig(2, options);
  Random random{9};
  std::vector<std::future<Answer>> futures;
  for (int32_t i = 0; i < 300; ++i) {
    Engine::RequestId id = 0;
    futures.push_back(start(rig.engine, request_after(40, i, 1 + i % 60, 20), &id));
    if (random.below(3) > 0) rig.engine.cancel(1 + random.below(id));
    if (i % 10 == 9) futures[random.below(futures.size())].wait();
  }
  Rig alone;
  int64_t whole = 0;
  for (int32_t i = 0; i < 300; ++i) {
    const Answer answer = futures[static_cast<size_t>(i)].get();
    const std::vector<int32_t> expected = alone.engine.generate(request_after(40, i, 1 + i % 60, 20)).value();
    ASSERT_LE(answer.tokens.size(), expected.size());
    EXPECT_TRUE(std::equal(answer.tokens.begin(), answer.tokens.end(), expected.begin()));
    whole += answer.tokens.size() == expected.size();
  }
  EXPECT_GT(whole, 0);
  EXPECT_EQ(rig.engine.load().pages_used, 0);
  EXPECT_EQ(rig.engine.snapshot().requests.size(), 0u);
}

TEST(Engine, TheSnapshotShowsWhoRunsAndWhoWaits) {
  std::promise<void> seen, looked;
  std::atomic<int> n = 0;
  Rig rig(1, {.max_sequences = 1, .chunk_tokens = 4});
  GenerationRequest request = request_of(1, 40, 0);
  request.caller = "first";
  Engine::RequestId running = 0;
  GenerationListener listener;
  listener.on_token = [&](const GeneratedToken&) {
    if (++n != 3) return;
    seen.set_value();
    looked.get_future().wait();  // the step stands still
  };
  ASSERT_TRUE(rig.engine.submit(request, listener).ok());
  seen.get_future().wait();
  request.caller = "second";
  auto second = start(rig.engine, request, &running);
  const Engine::Snapshot snapshot = rig.engine.snapshot();
  looked.set_value();
  rig.engine.cancel(1);
  rig.engine.cancel(running);
  EXPECT_EQ(second.get().reason, FinishReason::kCancelled);

  EXPECT_EQ(snapshot.load.running, 1);
  EXPECT_EQ(snapshot.load.waiting, 1);
  EXPECT_EQ(snapshot.load.pages_used, 2);
  EXPECT_EQ(snapshot.totals.generated_tokens, 2);
  EXPECT_GT(snapshot.expected_wait_s, 0);
  ASSERT_EQ(snapshot.requests.size(), 2u);
  EXPECT_EQ(snapshot.requests[0].caller, "first");
  EXPECT_TRUE(snapshot.requests[0].is_running);
  EXPECT_EQ(snapshot.requests[0].stats.new_tokens, 2);
  EXPECT_GT(snapshot.requests[0].stats.prompt_ms, 0);
  EXPECT_EQ(snapshot.requests[1].caller, "second");
  EXPECT_FALSE(snapshot.requests[1].is_running);
}

TEST(Engine, AFullQueueStillTakesAnotherCaller) {
  Rig rig(1, {.max_sequences = 1, .max_queue = 8, .chunk_tokens = 4});
  GenerationRequest request = request_of(1, 200, 0);
  request.caller = "flood";
  while (rig.engine.submit(request, {}).ok()) {
  }
  request.caller = "single";
  EXPECT_TRUE(rig.engine.submit(request, {}).ok());
}

// Answers of a small model soon repeat themselves, so drafts come true.
TEST(Engine, SpeculationChangesNothingButTheSteps) {
  Rig with(2);
  Rig without(1, {.max_sequences = 1, .chunk_tokens = 64, .speculation = false});
  for (const double temperature : {0.0, 0.3, 1.0}) {
    for (const int32_t first : {3, 8}) {
      GenerationRequest request = request_of(first, 30, 150, temperature);
      request.n_logprobs = 1;
      request.sampling.repetition_penalty = first == 8 ? 1.05 : 1.0;
      const Answer expected = start(without.engine, request).get();
      auto other = start(with.engine, request_of(first + 50, 20, 100, temperature));
      const Answer answer = start(with.engine, request).get();
      EXPECT_EQ(answer.tokens, expected.tokens);
      EXPECT_EQ(answer.logprobs, expected.logprobs);
      other.wait();
    }
  }
  const EngineTotals totals = with.engine.snapshot().totals;
  EXPECT_GT(totals.drafted_tokens, totals.accepted_tokens);
  EXPECT_GT(totals.accepted_tokens, 0);
  EXPECT_EQ(totals.generated_tokens, 6 * 250);
  EXPECT_EQ(without.engine.snapshot().totals.drafted_tokens, 0);
}

Adapter made_up_adapter(uint64_t seed) {
  Adapter adapter;
  Random random{seed};
  tiny_model().weights.for_each_linear([&](const std::string& name, const Linear& linear) {
    if (random.below(3) == 0) return;
    const auto matrix = [&](int64_t rows, int64_t cols) {
      const Tensor out(DType::kF32, {rows, cols});
      for (float& x : out.span<float>()) x = 0.3f * static_cast<float>(random.normal());
      return out;
    };
    adapter.parts[name + ".weight"] = {.a_RI = matrix(4, linear.weight_OI.shape()[1]), .b_OR = matrix(linear.weight_OI.shape()[0], 4)};
  });
  return adapter;
}

TEST(Engine, AdaptersOfOneBatchAreThoseOfModelsOfTheirOwn) {
  Rig together(2, {.max_sequences = 6, .chunk_tokens = 32});
  std::vector<std::future<Answer>> answers;
  std::vector<std::shared_ptr<const RequestAdapter>> adapters = {nullptr};
  for (const uint64_t seed : {1, 2}) adapters.push_back(request_adapter(made_up_adapter(seed), 0.5, tiny_model()).value());
  GenerationRequest request = request_of(4, 50, 40);
  request.n_logprobs = 0;
  for (int again = 0; again < 2; ++again) {
    for (const auto& adapter : adapters) {
      request.adapter = adapter;
      answers.push_back(start(together.engine, request));
    }
  }
  request.adapter = nullptr;
  std::vector<Answer> alone;
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool).value();
  for (const uint64_t seed : {0, 1, 2}) {
    Model model = tiny_model();
    if (seed > 0) ASSERT_TRUE(apply_adapter(made_up_adapter(seed), 0.5, model).ok());
    Engine engine({*ops}, model, {.max_sequences = 1});
    alone.push_back(start(engine, request).get());
  }
  EXPECT_NE(alone[0].tokens, alone[1].tokens);
  EXPECT_NE(alone[1].tokens, alone[2].tokens);
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer answer = answers[i].get();
    EXPECT_EQ(answer.tokens, alone[i % 3].tokens);
    EXPECT_EQ(answer.logprobs, alone[i % 3].logprobs);
    EXPECT_EQ(answer.stats.cached_tokens, i < 3 ? 0 : 49) << "known to those with the same adapter alone";
  }
}

TEST(Engine, RefusesAdaptersThatChangeMoreThanRows) {
  Adapter adapter = made_up_adapter(1);
  adapter.parts.begin()->second.magnitude_O = Tensor(DType::kF32, {64});
  EXPECT_EQ(request_adapter(adapter, 1, tiny_model()).error().code, ErrorCode::kUnsupported);
  adapter = made_up_adapter(1);
  adapter.replaced["model.norm.weight"] = Tensor(DType::kF32, {32});
  EXPECT_EQ(request_adapter(adapter, 1, tiny_model()).error().code, ErrorCode::kUnsupported);
}

// A vocabulary large enough that choosing is worth another thread.
TEST(Engine, ChoosesOnAllThreadsAsOnOne) {
  const Model model = make_tiny_model(3000);
  std::vector<std::vector<int32_t>> answers[2];
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto ops = make_cpu_ops(pool).value();
    EngineOptions options{.max_sequences = 8};
    options.pool = &pool;
    Engine engine({*ops}, model, options);
    std::vector<std::future<Answer>> futures;
    for (int32_t i = 0; i < 8; ++i) futures.push_back(start(engine, request_of(i, 12, 40, i % 3)));
    for (auto& future : futures) answers[threads > 1].push_back(future.get().tokens);
  }
  EXPECT_EQ(answers[0], answers[1]);
}


// As in a browser: whoever made the engine steps it.
TEST(Engine, WithoutAThreadItsMakerSteps) {
  const auto wanted = Rig().engine.generate(request_of(5, 40, 20)).value();
  Rig rig(1, {.max_sequences = 4, .chunk_tokens = 16, .has_thread = false});
  EXPECT_FALSE(rig.engine.step());
  std::future<Answer> answer = start(rig.engine, request_of(5, 40, 20));
  while (rig.engine.step()) {}
  EXPECT_EQ(answer.get().tokens, wanted);
  EXPECT_EQ(rig.engine.generate(request_of(5, 40, 20)).value(), wanted);

  Engine::RequestId id = 0;
  std::future<Answer> cancelled = start(rig.engine, request_of(9, 40, 20), &id);
  rig.engine.step();
  rig.engine.cancel(id);
  rig.engine.step();
  EXPECT_EQ(cancelled.get().reason, FinishReason::kCancelled);
  EXPECT_FALSE(rig.engine.step());
}

// What is left when the engine goes is told so.
TEST(Engine, WithoutAThreadWhatIsLeftEndsWithIt) {
  std::future<Answer> left;
  {
    Rig rig(1, {.max_sequences = 4, .chunk_tokens = 16, .has_thread = false});
    left = start(rig.engine, request_of(5, 40, 20));
  }
  EXPECT_EQ(left.get().reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace owlet
