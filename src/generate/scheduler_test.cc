#include "generate/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace owlet {
namespace {

constexpr Sequence::Clock::time_point kNow{};

// Numbers below zero: what they are made of differs from request to request.
std::unique_ptr<Sequence> sequence(Engine::RequestId id, int64_t n_prompt, int64_t n_new, const std::string& caller = "") {
  GenerationRequest request;
  request.prompt.assign(static_cast<size_t>(n_prompt), -static_cast<int32_t>(id));
  request.caller = caller;
  auto made = std::make_unique<Sequence>(std::move(request), GenerationListener{}, n_prompt + n_new);
  made->id = id;
  return made;
}

// What the engine does with a plan: computes the rows and, where a sequence completes, appends a token or ends it.
void pretend_to_run(Scheduler& scheduler, const StepPlan& plan) {
  for (const StepRows& rows : plan.rows) {
    Sequence& s = *rows.sequence;
    const bool completes = rows.completes();
    scheduler.computed(s, rows.n_rows);
    if (!completes) continue;
    scheduler.append(s, 7, kNow);
    if (s.n_tokens() >= s.max_tokens) scheduler.remove(s.id);
  }
}

using Ids = std::vector<Engine::RequestId>;

Ids ids_in(const StepPlan& plan) {
  Ids ids;
  for (const StepRows& rows : plan.rows) ids.push_back(rows.sequence->id);
  return ids;
}

// One whole step; who was in it.
Ids step(Scheduler& scheduler) {
  const StepPlan plan = scheduler.plan(kNow);
  Ids ids = ids_in(plan);
  pretend_to_run(scheduler, plan);
  return ids;
}

TEST(Scheduler, PromptsComeInChunksBesideRunningAnswers) {
  Scheduler scheduler({.max_sequences = 4, .chunk_tokens = 8, .n_pages = 100, .page_len = 4});
  scheduler.add(sequence(1, 5, 10));
  step(scheduler);
  scheduler.add(sequence(2, 20, 2));
  for (const int64_t chunk : {8, 8, 4}) {
    const StepPlan plan = scheduler.plan(kNow);
    ASSERT_EQ(plan.rows.size(), 2u);
    EXPECT_EQ(plan.rows[0].n_rows, 1);  // the answer of 1 goes on
    EXPECT_EQ(plan.rows[1].n_rows, chunk);
    EXPECT_EQ(plan.rows[1].completes(), chunk == 4);
    pretend_to_run(scheduler, plan);
  }
}

TEST(Scheduler, PagesAreTakenAsAnswersGrowAndComeBackAtOnce) {
  Scheduler scheduler({.max_sequences = 4, .chunk_tokens = 64, .n_pages = 8, .page_len = 4, .prefix_sharing = false});
  scheduler.add(sequence(1, 6, 10));
  step(scheduler);
  EXPECT_EQ(scheduler.load().pages_used, 2);
  for (int i = 0; i < 3; ++i) step(scheduler);
  EXPECT_EQ(scheduler.load().pages_used, 3);
  EXPECT_NE(scheduler.remove(1), nullptr);
  EXPECT_EQ(scheduler.load().pages_used, 0);
  EXPECT_EQ(scheduler.remove(1), nullptr);
  EXPECT_TRUE(scheduler.idle());
}

TEST(Scheduler, WhoWasAdmittedLastGivesUpItsPagesAndComesBackFirst) {
  Scheduler scheduler({.max_sequences = 4, .chunk_tokens = 64, .n_pages = 5, .page_len = 4, .prefix_sharing = false});
  scheduler.add(sequence(1, 4, 13));
  scheduler.add(sequence(2, 4, 9));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(step(scheduler), (Ids{1, 2}));
  EXPECT_EQ(scheduler.totals().preemptions, 0);
  EXPECT_EQ(step(scheduler), Ids{1}) << "which needed a third page, and there was one";
  EXPECT_EQ(scheduler.preempted().front()->id, 2u);
  scheduler.add(sequence(4, 1, 1));
  EXPECT_EQ(step(scheduler), Ids{1}) << "nobody new before who was preempted";
  scheduler.remove(1);
  EXPECT_EQ(ids_in(scheduler.plan(kNow)), (Ids{4, 2})) << "2 has its tokens computed again";
  EXPECT_EQ(scheduler.running().front()->id, 2u);
  EXPECT_EQ(scheduler.running().front()->stats.preemptions, 1);
}

TEST(Scheduler, OnePromptIsComputedOnceForAllItsAnswers) {
  Scheduler scheduler({.max_sequences = 8, .chunk_tokens = 64, .n_pages = 64, .page_len = 4});
  const auto ask = [&](Engine::RequestId id) {
    auto s = sequence(id, 10, 6);
    s->tokens.assign(10, 5);
    scheduler.add(std::move(s));
  };
  for (Engine::RequestId id = 1; id <= 4; ++id) ask(id);
  EXPECT_EQ(step(scheduler), Ids{1}) << "the others wait for its prompt";
  const StepPlan plan = scheduler.plan(kNow);
  EXPECT_EQ(ids_in(plan), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(plan.copies.size(), 3u) << "each writes in a copy of the page in which the prompt ends";
  for (const StepRows& rows : plan.rows) EXPECT_EQ(rows.n_rows, 1);
  EXPECT_EQ(scheduler.load().pages_used, 2 + 4);
  EXPECT_EQ(scheduler.running()[3]->stats.cached_tokens, 9);
  EXPECT_EQ(scheduler.totals().cached_tokens, 27);
  EXPECT_EQ(scheduler.totals().prompt_tokens, 40);
}

TEST(Scheduler, ScopesShareNothing) {
  Scheduler scheduler({.max_sequences = 8, .chunk_tokens = 64, .n_pages = 64, .page_len = 4});
  for (Engine::RequestId id = 1; id <= 3; ++id) {
    auto s = sequence(id, 10, 6);
    s->tokens.assign(10, 5);
    s->request.cache_scope = id == 2 ? "b" : "a";
    scheduler.add(std::move(s));
  }
  EXPECT_EQ(step(scheduler), (Ids{1, 2}));
  step(scheduler);
  EXPECT_EQ(scheduler.running()[1]->stats.cached_tokens, 0);
  EXPECT_EQ(scheduler.running()[2]->stats.cached_tokens, 9);
}

TEST(Scheduler, AFloodOfOneCallerDoesNotKeepAnotherOut) {
  Scheduler scheduler({.max_sequences = 2, .chunk_tokens = 64, .n_pages = 64, .page_len = 4});
  for (Engine::RequestId id = 1; id <= 20; ++id) scheduler.add(sequence(id, 8, 2, "flood"));
  step(scheduler);
  for (Engine::RequestId id = 101; id <= 103; ++id) scheduler.add(sequence(id, 8, 2, "single"));
  Ids admitted;
  for (int i = 0; i < 12; ++i) {
    for (const Engine::RequestId id : step(scheduler)) {
      if (std::find(admitted.begin(), admitted.end(), id) == admitted.end()) admitted.push_back(id);
    }
  }
  // Two of the flood were there before; from then on they take turns.
  const auto place = [&](Engine::RequestId id) { return std::find(admitted.begin(), admitted.end(), id) - admitted.begin(); };
  EXPECT_LE(place(101), 3);
  EXPECT_LE(place(102), 5);
  EXPECT_LE(place(103), 7);
}

TEST(Scheduler, TheLeastServedCallersPromptComesFirst) {
  Scheduler scheduler({.max_sequences = 4, .chunk_tokens = 10, .n_pages = 100, .page_len = 4});
  scheduler.add(sequence(1, 200, 1, "long"));
  EXPECT_EQ(step(scheduler), Ids{1});
  scheduler.add(sequence(2, 10, 5, "short"));
  EXPECT_EQ(step(scheduler), Ids{1}) << "who comes begins where the others stand, and 1 was first";
  EXPECT_EQ(step(scheduler), Ids{2}) << "the whole step's prompt rows";
  EXPECT_EQ(step(scheduler), (Ids{2, 1}));
}

}  // namespace
}  // namespace owlet
