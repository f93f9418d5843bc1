// Rules that no outside numbers hold; the others are compared with transformers' by the golden runner.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "generate/sampler.h"
#include "generate/test_candidates.h"

namespace owlet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr float kGone = -INFINITY;

TEST(LogitRules, DryPunishesWhatGoesOnWithTheLongestRepetition) {
  const DryParams params{.multiplier = 1, .base = 2, .allowed_length = 2};
  std::vector<float> scores(10, 0.0f);
  // "1 2 3 4 … 1 2 3": 4 would lengthen a repetition of three, 9 one of the single 3.
  penalize_dry(scores, TokenIds{1, 2, 3, 4, 3, 9, 1, 2, 3}, params);
  EXPECT_THAT(scores, ElementsAre(0, 0, 0, 0, -2, 0, 0, 0, 0, 0));
  scores.assign(10, 0.0f);
  penalize_dry(scores, TokenIds{1, 2, 3, 4, 1, 2, 3}, {.multiplier = 1, .base = 2, .allowed_length = 2, .breakers = {2}});
  EXPECT_THAT(scores, testing::Each(0));  // only the 3 after the breaker counts
  scores.assign(10, 0.0f);
  penalize_dry(scores, TokenIds{1, 2, 3, 4, 1, 2, 3}, {.multiplier = 1, .base = 2, .allowed_length = 2, .window = 3});
  EXPECT_THAT(scores, testing::Each(0));
}

// The linear search against every repetition looked up one by one.
TEST(LogitRules, DryEqualsItsDefinition) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    TokenIds history;
    for (uint32_t i = 0, x = seed; i < 40; ++i) history.push_back(static_cast<int32_t>((x = x * 1664525u + 1013904223u) >> 30));
    std::vector<float> expected(4, 0.0f), scores(4, 0.0f);
    std::vector<int64_t> longest(4, 0);
    const auto n = static_cast<int64_t>(history.size());
    for (int64_t end = 1; end < n; ++end) {
      int64_t length = 0;
      while (length < end && history[static_cast<size_t>(end - 1 - length)] == history[static_cast<size_t>(n - 1 - length)]) ++length;
      int64_t& best = longest[static_cast<size_t>(history[static_cast<size_t>(end)])];
      best = std::max(best, length);
    }
    for (size_t id = 0; id < 4; ++id) {
      if (longest[id] >= 3) expected[id] = -static_cast<float>(0.5 * std::pow(1.5, static_cast<double>(longest[id] - 3)));
    }
    penalize_dry(scores, history, {.multiplier = 0.5, .base = 1.5, .allowed_length = 3});
    EXPECT_EQ(scores, expected) << seed;
  }
}

TEST(LogitRules, WordsAndLists) {
  std::vector<float> scores(5, 1.0f);
  forbid_words(scores, TokenIds{3, 4}, std::vector<TokenIds>{{4, 0}, {3, 1}, {2}, {9, 3, 4, 4}});
  EXPECT_THAT(scores, ElementsAre(kGone, 1, kGone, 1, 1));
  scores.assign(5, 1.0f);
  allow_only(scores, TokenIds{1, 3, 3});
  EXPECT_THAT(scores, ElementsAre(kGone, 1, kGone, 1, kGone));
  forbid_repeated_ngrams(scores, {}, 1);
  EXPECT_EQ(scores[1], 1);
}

TEST(CandidateRules, TopNSigmaCountsDeviationsFromTheBest) {
  Candidates c = candidates_of({0, 0, 0, 4});  // mean 1, deviation √3
  keep_top_n_sigma(c, 2);
  EXPECT_THAT(ids_of(c), ElementsAre(3));
  c = candidates_of({0, 0, 0, 4});
  keep_top_n_sigma(c, 2.4);
  EXPECT_EQ(c.size(), 4u);
}

TEST(CandidateRules, ExcludesAllTopChoicesButTheLast) {
  const auto log_of = [](double p) { return static_cast<float>(std::log(p)); };
  Candidates c = candidates_of({log_of(0.4), log_of(0.3), log_of(0.2), log_of(0.1)});
  exclude_top_choices(c, 0.15);
  EXPECT_THAT(ids_of(c), ElementsAre(2, 3));
  exclude_top_choices(c, 0.9);  // none that likely
  EXPECT_THAT(ids_of(c), ElementsAre(2, 3));
}

TEST(Sampler, MirostatComesToTheSurpriseItAimsAt) {
  std::vector<float> logits(500);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = -static_cast<float>(i) * 0.02f;
  Sampler sampler({.seed = 7, .mirostat_tau = 3.0, .mirostat_eta = 0.1}, {});
  Sampler::Scratch scratch;
  double ids = 0;
  for (int i = 0; i < 2000; ++i) ids += sampler.next(logits, {}, scratch);
  Sampler free({.seed = 7}, {});
  double free_ids = 0;
  for (int i = 0; i < 2000; ++i) free_ids += free.next(logits, {}, scratch);
  // Three bits are about eight tokens to choose from; the whole distribution has seven.
  EXPECT_NEAR(ids / 2000, 3.5, 1.0);
  EXPECT_GT(free_ids / 2000, 30);
}

TEST(Sampler, StopsWaitForTheLeastLengthAndComeAtTheMost) {
  const std::vector<float> logits{5, 1, 0};
  Sampler::Scratch scratch;
  Sampler patient({.temperature = 0, .min_tokens = 2}, {}, {0});
  TokenIds history;
  for (int i = 0; i < 3; ++i) history.push_back(patient.next(logits, history, scratch));
  EXPECT_THAT(history, ElementsAre(1, 1, 0));
  Sampler forced({.temperature = 0, .forced_last = 2}, {}, {}, 2);
  EXPECT_EQ(forced.next(logits, {}, scratch), 0);
  EXPECT_EQ(forced.next(logits, TokenIds{0}, scratch), 2);
}

TEST(Sampler, TheRepetitionWindowForgets) {
  const std::vector<float> logits{3, 2, 1};
  Sampler::Scratch scratch;
  Sampler sampler({.temperature = 0, .repetition_penalty = 10, .repetition_window = 2}, TokenIds{0, 1, 2});
  EXPECT_EQ(sampler.next(logits, TokenIds{0, 1, 2}, scratch), 0);
  EXPECT_EQ(sampler.next(logits, TokenIds{0, 1, 2, 0}, scratch), 1);
}

TEST(SamplingParams, RefusesIdsOutsideTheVocabularyByName) {
  EXPECT_TRUE(check_ids({.suppress_tokens = {0, 9}}, 10).ok());
  EXPECT_THAT(check_ids({.suppress_tokens = {10}}, 10).error().message, testing::HasSubstr("suppress_tokens: token id 10"));
  EXPECT_FALSE(check_ids({.sequence_bias = {{{1, -1}, 1.0f}}}, 10).ok());
  EXPECT_FALSE(check_ids({.bad_words = {{1, 10}}}, 10).ok());
  EXPECT_FALSE(check_ids({.forced_last = 10}, 10).ok());
}

}  // namespace
}  // namespace owlet
