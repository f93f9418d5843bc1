#include "generate/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/random.h"

namespace owlet {
namespace {

std::unique_ptr<Sequence> sequence(Engine::RequestId id, int64_t n_prompt, int64_t n_new) {
  GenerationRequest request;
  request.prompt.assign(static_cast<size_t>(n_prompt), 1);
  return std::make_unique<Sequence>(id, std::move(request), GenerationListener{}, n_prompt + n_new);
}

// What the engine does with a plan: caches the rows and, where a sequence completes, appends a token or ends
// it.
void pretend_to_run(Scheduler& scheduler, const std::vector<StepRows>& plan) {
  for (const StepRows& rows : plan) {
    Sequence& s = *rows.sequence;
    const bool completes = rows.completes();
    s.n_cached += rows.n_rows;
    if (!completes) continue;
    s.tokens.push_back(7);
    if (s.n_tokens() >= s.max_tokens) scheduler.remove(s.id);
  }
}

TEST(PageAllocator, GivesEachPageOnce) {
  PageAllocator pages(4);
  std::vector<int32_t> a = pages.take(3);
  std::vector<int32_t> b = pages.take(1);
  std::set<int32_t> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all.size(), 4u);
  EXPECT_EQ(pages.n_free(), 0);
  pages.give_back(a);
  EXPECT_EQ(pages.n_used(), 1);
}

TEST(Scheduler, PromptsComeInChunksBesideRunningAnswers) {
  Scheduler scheduler({.max_sequences = 4, .chunk_tokens = 8, .n_pages = 100, .page_len = 4});
  scheduler.add(sequence(1, 5, 10));
  pretend_to_run(scheduler, scheduler.plan());
  scheduler.add(sequence(2, 20, 2));
  for (const int64_t chunk : {8, 8, 4}) {
    const auto plan = scheduler.plan();
    ASSERT_EQ(plan.size(), 2u);
    EXPECT_EQ(plan[0].n_rows, 1);  // the answer of 1 goes on
    EXPECT_EQ(plan[1].n_rows, chunk);
    EXPECT_EQ(plan[1].completes(), chunk == 4);
    pretend_to_run(scheduler, plan);
  }
}

TEST(Scheduler, ReservesPagesForTheWholeAnswerAndAdmitsInOrder) {
  Scheduler scheduler({.max_sequences = 4, .chunk_tokens = 64, .n_pages = 4, .page_len = 4});
  scheduler.add(sequence(1, 3, 6));  // 9 tokens: 3 pages
  scheduler.add(sequence(2, 4, 4));  // 2 pages: has to wait
  scheduler.add(sequence(3, 1, 1));  // would fit, but is not before its turn
  EXPECT_EQ(scheduler.plan().size(), 1u);
  EXPECT_EQ(scheduler.load().pages_used, 3);
  EXPECT_EQ(scheduler.load().waiting, 2);
  EXPECT_NE(scheduler.remove(1), nullptr);
  EXPECT_EQ(scheduler.plan().size(), 2u);
  EXPECT_EQ(scheduler.remove(42), nullptr);
}

// Random arrivals and cancels: pages are never shared or lost, first come is first admitted, everything ends.
TEST(Scheduler, InvariantsHoldForManySeeds) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random{seed};
    const Scheduler::Limits limits{.max_sequences = 3,
                                   .chunk_tokens = 1 + static_cast<int64_t>(random.below(9)),
                                   .n_pages = 12,
                                   .page_len = 4};
    Scheduler scheduler(limits);
    Engine::RequestId last_id = 0;
    for (int step = 0; step < 200; ++step) {
      if (step < 100 && random.below(3) == 0) {
        scheduler.add(sequence(++last_id, 1 + static_cast<int64_t>(random.below(20)),
                               1 + static_cast<int64_t>(random.below(20))));
      }
      if (last_id > 0 && random.below(10) == 0) scheduler.remove(1 + random.below(last_id));
      const auto plan = scheduler.plan();
      std::set<int32_t> pages;
      int64_t n_pages = 0;
      int64_t prompt_rows = 0;
      Engine::RequestId last_id_in_plan = 0;
      for (const StepRows& rows : plan) {
        n_pages += static_cast<int64_t>(rows.sequence->pages.size());
        pages.insert(rows.sequence->pages.begin(), rows.sequence->pages.end());
        if (rows.n_rows > 1) prompt_rows += rows.n_rows;
        EXPECT_GE(static_cast<int64_t>(rows.sequence->pages.size()) * limits.page_len,
                  rows.sequence->max_tokens);
        EXPECT_GT(rows.sequence->id, last_id_in_plan) << "not first come, first served, seed " << seed;
        last_id_in_plan = rows.sequence->id;
      }
      EXPECT_EQ(static_cast<int64_t>(pages.size()), n_pages) << "a page belongs to two, seed " << seed;
      EXPECT_LE(prompt_rows, limits.chunk_tokens);
      EXPECT_LE(scheduler.load().pages_used, limits.n_pages);
      EXPECT_TRUE(scheduler.idle() || !plan.empty()) << "nobody moves, seed " << seed;
      pretend_to_run(scheduler, plan);
    }
    for (int step = 0; step < 2000 && !scheduler.idle(); ++step) pretend_to_run(scheduler, scheduler.plan());
    EXPECT_TRUE(scheduler.idle()) << "seed " << seed;
    EXPECT_EQ(scheduler.load().pages_used, 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace owlet
