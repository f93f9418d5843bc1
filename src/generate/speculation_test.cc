#include "generate/speculation.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

using Tokens = std::vector<int32_t>;

TEST(Lookup, GoesOnAsTheLongestLatestMatchDid) {
  EXPECT_EQ(draft_by_lookup(Tokens{1, 2, 3, 4, 5, 1, 2}, 3), (Tokens{3, 4, 5}));
  EXPECT_EQ(draft_by_lookup(Tokens{1, 2, 8, 9, 1, 2, 7, 1, 2}, 1), Tokens{7}) << "the latest of two";
  EXPECT_EQ(draft_by_lookup(Tokens{5, 1, 2, 8, 9, 1, 2, 7, 5, 1, 2}, 1), Tokens{8}) << "three tokens alike are more than two";
  EXPECT_EQ(draft_by_lookup(Tokens{1, 2, 3, 2, 1}, 4), Tokens{}) << "one token alike is nothing";
  EXPECT_EQ(draft_by_lookup(Tokens{1}, 4), Tokens{});
  EXPECT_EQ(draft_by_lookup({}, 4), Tokens{});
  EXPECT_EQ(draft_by_lookup(Tokens{1, 2, 3, 1, 2}, 0), Tokens{});
}

TEST(Lookup, APeriodGoesOnBeyondTheEnd) {
  EXPECT_EQ(draft_by_lookup(Tokens{9, 1, 2, 3, 1, 2, 3}, 7), (Tokens{1, 2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(draft_by_lookup(Tokens{7, 7, 7}, 4), (Tokens{7, 7, 7, 7}));
}

TEST(Drafting, PaysWhereRowsAreCheapOrDraftsComeTrue) {
  EXPECT_EQ(draft_length(0.5, 0.2), 2);  // 0.5, 0.25, 0.125
  EXPECT_EQ(draft_length(0.5, 0.6), 0);
  EXPECT_EQ(draft_length(0.9, 0.1), 8);
  EXPECT_EQ(draft_length(0.05, 0.1), 0);
}

TEST(Drafting, LearnsFromWhatCameTrueAndForgets) {
  Acceptance good, bad;
  for (int i = 0; i < 20; ++i) {
    good.drafted(4, 4);
    bad.drafted(4, 0);
  }
  EXPECT_GT(good.rate(), 0.95);
  EXPECT_LT(bad.rate(), 0.1);
  for (int i = 0; i < 200; ++i) bad.passed();
  EXPECT_GT(bad.rate(), 0.3) << "what does not pay is tried again one day";
}

// Steps that take 10 + n milliseconds: a pass over the weights, and n rows.
TEST(Drafting, MeasuresWhatARowCosts) {
  RowCost cost;
  for (int i = 0; i < 100; ++i) cost.measured(1, 0.011);
  EXPECT_EQ(cost.of_one_more(1), RowCost().of_one_more(1)) << "steps of one size tell nothing";
  for (const int n : {1, 2, 3, 1, 4, 1, 2}) cost.measured(n, 0.010 + 0.001 * n);
  EXPECT_NEAR(cost.of_one_more(1), 1.0 / 11, 1e-6);
  EXPECT_NEAR(cost.of_one_more(10), 1.0 / 2, 1e-6) << "of ten answers each costs 2 ms";
}

}  // namespace
}  // namespace owlet
