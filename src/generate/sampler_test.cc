#include "generate/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "generate/softmax.h"
#include "generate/test_candidates.h"

namespace owlet {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> log_of(std::vector<float> probabilities) {
  for (float& p : probabilities) p = std::log(p);
  return probabilities;
}

TEST(Softmax, ItsExponentialIsRightToTheLastBits) {
  for (double x = 0; x > -707; x -= 0.00917) {
    const double expected = std::exp(x);
    EXPECT_NEAR(exp_of_negative(x) / expected, 1, 5e-16) << x;
  }
  EXPECT_EQ(exp_of_negative(0), 1);
  EXPECT_EQ(exp_of_negative(-709), 0);
  EXPECT_EQ(exp_of_negative(-1e300), 0);
  EXPECT_EQ(exp_of_negative(-std::numeric_limits<double>::infinity()), 0);
}

// Blocks are skipped, never what is in them.
TEST(Softmax, FindsWhereANumberFalls) {
  Candidates candidates;
  for (int32_t id = 0; id < 1000; ++id) candidates.push_back({id, static_cast<float>(id % 7)});
  const Softmax softmax(candidates);
  for (double u = 0; u < 1; u += 0.000713) {
    double mass = 0;
    int32_t expected = 0;
    while ((mass += softmax.weight(candidates[static_cast<size_t>(expected)])) <= u * softmax.total()) ++expected;
    EXPECT_EQ(softmax.at(u).id, expected) << u;
  }
}

TEST(Rules, RepetitionPenaltyPushesBothSignsDown) {
  std::vector<float> scores{2, -2, 3, 0};
  penalize_repetition(scores, std::vector<int32_t>{0, 1, 3}, 2.0);
  EXPECT_THAT(scores, ElementsAre(1, -4, 3, 0));
}

TEST(Rules, PresenceAndFrequencyCountTheAnswer) {
  std::vector<float> scores{1, 1, 1};
  penalize_presence_and_frequency(scores, {{0, 1}, {2, 3}}, 0.5, 0.25);
  EXPECT_THAT(scores, ElementsAre(0.25f, 1, -0.25f));
}

TEST(Rules, BiasIsAdded) {
  std::vector<float> scores{1, 1, 1};
  const std::vector<std::pair<int32_t, float>> bias{{1, -100.0f}, {2, 1.5f}};
  add_bias(scores, bias);
  EXPECT_THAT(scores, ElementsAre(1, -99, 2.5f));
}

TEST(Rules, TemperatureScalesDifferences) {
  Candidates c = candidates_of({1, 3, 2});
  scale_by_temperature(c, 0.5);
  EXPECT_FLOAT_EQ(c[1].score - c[0].score, 4);
  EXPECT_FLOAT_EQ(c[1].score - c[2].score, 2);
  c = candidates_of({1, 3, 2});
  scale_by_temperature(c, 1e-300);
  EXPECT_EQ(c[1].score, 0);
  EXPECT_TRUE(std::isfinite(c[0].score));
}

TEST(Rules, TopKKeepsEqualsOfTheLast) {
  Candidates c = candidates_of({1, 5, 3, 3, 0});
  keep_top_k(c, 2);
  EXPECT_THAT(ids_of(c), UnorderedElementsAre(1, 2, 3));
  c = candidates_of({1, 5, 3});
  keep_top_k(c, 0);
  EXPECT_EQ(c.size(), 3u);
  keep_top_k(c, 1000);
  EXPECT_EQ(c.size(), 3u);
  keep_top_k(c, 1);
  EXPECT_THAT(ids_of(c), ElementsAre(1));
}

TEST(Rules, TopPKeepsTheSmallestSetThatReachesIt) {
  const std::vector<float> scores = log_of({0.1f, 0.5f, 0.15f, 0.25f});
  for (const auto& [p, n] : std::vector<std::pair<double, size_t>>{
           {0.0, 1}, {0.49, 1}, {0.51, 2}, {0.74, 2}, {0.76, 3}, {0.95, 4}, {1.0, 4}}) {
    Candidates c = candidates_of(scores);
    keep_top_p(c, p);
    EXPECT_EQ(c.size(), n) << p;
  }
}

TEST(Rules, TopPPrefersLowIdsAmongEqualsAndReachesFarIntoFlatLists) {
  Candidates c = candidates_of(std::vector<float>(1000, 0.0f));
  keep_top_p(c, 0.5);
  ASSERT_EQ(c.size(), 500u);
  for (const int32_t id : ids_of(c)) EXPECT_LT(id, 500);
}

TEST(Rules, MinPIsRelativeToTheBest) {
  Candidates c = candidates_of(log_of({0.04f, 0.5f, 0.06f, 0.4f}));
  keep_min_p(c, 0.1);
  EXPECT_THAT(ids_of(c), ElementsAre(1, 2, 3));
  keep_min_p(c, 1.0);
  EXPECT_THAT(ids_of(c), ElementsAre(1));
}

TEST(Rules, DrawWalksTheProbabilitiesInOrderOfIds) {
  const std::vector<float> scores = log_of({0.2f, 0.3f, 0.5f});
  Candidates c = candidates_of(scores);
  std::swap(c[0], c[2]);
  EXPECT_EQ(draw(c, 0.0), 0);
  EXPECT_EQ(draw(c, 0.19), 0);
  EXPECT_EQ(draw(c, 0.21), 1);
  EXPECT_EQ(draw(c, 0.49), 1);
  EXPECT_EQ(draw(c, 0.51), 2);
  EXPECT_EQ(draw(c, std::nextafter(1.0, 0.0)), 2);
}

TEST(Rules, MostLikelyTakesTheLowestIdAndIgnoresNan) {
  EXPECT_EQ(most_likely(std::vector<float>{1, 7, 7, 2}), 1);
  EXPECT_EQ(most_likely(std::vector<float>{NAN, -3, NAN, -2}), 3);
  EXPECT_EQ(most_likely(std::vector<float>{NAN, -kInf}), 0);
}

TEST(Rules, LogprobsAreALogSoftmax) {
  const std::vector<float> logits{1.0f, 2.0f, 3.0f, 3.0f};
  const Logprobs l = log_probabilities(logits, 0, 3);
  const double total = std::exp(1.0) + std::exp(2.0) + 2 * std::exp(3.0);
  EXPECT_NEAR(l.of_token, 1.0 - std::log(total), 1e-6);
  ASSERT_EQ(l.best.size(), 3u);
  EXPECT_EQ(l.best[0].first, 2);
  EXPECT_EQ(l.best[1].first, 3);
  EXPECT_EQ(l.best[2].first, 1);
  EXPECT_NEAR(l.best[0].second, 3.0 - std::log(total), 1e-6);
  EXPECT_EQ(log_probabilities(logits, 0, 100).best.size(), 4u);
}

TEST(Sampler, TheSameSeedDrawsTheSameTokensWhateverItsNeighboursDo) {
  std::vector<float> logits(500);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i));
  const auto run = [&](uint64_t seed, bool disturbed) {
    Sampler sampler({.seed = seed}, {});
    Sampler other({.seed = 99}, {});
    Sampler::Scratch scratch;
    std::vector<int32_t> ids;
    for (int i = 0; i < 50; ++i) {
      if (disturbed) other.next(logits, {}, scratch);
      ids.push_back(sampler.next(logits, {}, scratch));
    }
    return ids;
  };
  EXPECT_EQ(run(1, false), run(1, true));
  EXPECT_NE(run(1, false), run(2, false));
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  const std::vector<float> logits = log_of({0.1f, 0.2f, 0.7f});
  Sampler sampler({.seed = 5}, {});
  Sampler::Scratch scratch;
  std::vector<int> counts(3);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(sampler.next(logits, {}, scratch))];
  EXPECT_NEAR(counts[0] / double{kDraws}, 0.1, 0.01);
  EXPECT_NEAR(counts[1] / double{kDraws}, 0.2, 0.01);
  EXPECT_NEAR(counts[2] / double{kDraws}, 0.7, 0.01);
}

TEST(Sampler, GreedyWithPenaltiesMovesOn) {
  const std::vector<float> logits{3.0f, 2.0f, 1.9f};
  Sampler::Scratch scratch;
  Sampler frequency({.temperature = 0, .frequency_penalty = 0.6}, {});
  EXPECT_EQ(frequency.next(logits, {}, scratch), 0);  // 3.0
  EXPECT_EQ(frequency.next(logits, {}, scratch), 0);  // 2.4
  EXPECT_EQ(frequency.next(logits, {}, scratch), 1);  // 1.8 against 2.0
  Sampler repetition({.temperature = 0, .repetition_penalty = 2.0}, std::vector<int32_t>{0, 0});
  EXPECT_EQ(repetition.next(logits, {}, scratch), 1);  // the prompt counts
  Sampler presence({.temperature = 0, .presence_penalty = 2.0}, std::vector<int32_t>{0, 0});
  EXPECT_EQ(presence.next(logits, {}, scratch), 0);  // the prompt does not count
}

// Tokens 3 and 4 stand around a thought, and the model would never stop thinking.
TEST(Sampler, ThoughtsEndWithTheirBudget) {
  const std::vector<float> logits{5, 1, 0, -9, -9};
  Sampler::Scratch scratch;
  const auto answer_to = [&](std::vector<int32_t> prompt, int64_t budget) {
    Sampler sampler({.temperature = 0, .logit_bias = {{4, -100.0f}}, .thought_start = 3, .thought_end = 4, .thinking_budget = budget}, prompt);
    std::vector<int32_t> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(sampler.next(logits, {}, scratch));
    return ids;
  };
  EXPECT_EQ(answer_to({1, 3}, 2), (std::vector<int32_t>{0, 0, 4, 0, 0}));
  EXPECT_EQ(answer_to({1, 3, 1}, 2), (std::vector<int32_t>{0, 4, 0, 0, 0})) << "the prompt has begun it";
  EXPECT_EQ(answer_to({1, 3}, 0), (std::vector<int32_t>{4, 0, 0, 0, 0}));
  EXPECT_EQ(answer_to({1, 3}, -1), (std::vector<int32_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(answer_to({3, 1, 1, 1, 4}, 2), (std::vector<int32_t>{0, 0, 0, 0, 0})) << "an earlier thought is over";
}

TEST(Sampler, SurvivesBrokenLogits) {
  Sampler::Scratch scratch;
  Sampler sampler({.top_k = 2, .top_p = 0.9, .min_p = 0.1, .seed = 3}, {});
  EXPECT_EQ(sampler.next(std::vector<float>{NAN, NAN, NAN}, {}, scratch), 0);
  EXPECT_EQ(sampler.next(std::vector<float>{0, kInf, NAN}, {}, scratch), 1);
  EXPECT_EQ(sampler.next(std::vector<float>{-kInf, -kInf, 4}, {}, scratch), 2);
}

}  // namespace
}  // namespace owlet
