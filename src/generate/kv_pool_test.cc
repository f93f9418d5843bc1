#include "generate/kv_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace owlet {
namespace {

using Tokens = std::vector<int32_t>;

// Pages of four tokens.
struct PoolRig {
  explicit PoolRig(int64_t n_pages = 8) : pool(n_pages, 4) {}

  // A text that somebody computes and keeps; its pages.
  std::vector<int32_t> write(const Tokens& text, const std::string& scope = "") {
    const KvPool::Match match = pool.find(scope, text);
    pool.use(match);
    std::vector<int32_t> pages = match.pages;
    while (static_cast<int64_t>(pages.size()) < pool.pages_for(static_cast<int64_t>(text.size()))) pages.push_back(*pool.take());
    for (size_t i = match.pages.size(); i < pages.size(); ++i) {
      const std::span<const int32_t> part = std::span(text).subspan(4 * i, std::min<size_t>(4, text.size() - 4 * i));
      pages[i] = pool.keep(scope, i == 0 ? -1 : pages[i - 1], part, pages[i]);
    }
    return pages;
  }
  void release(const std::vector<int32_t>& pages) {
    for (auto page = pages.rbegin(); page != pages.rend(); ++page) pool.release(*page);
  }
  int64_t n_known(const Tokens& text, const std::string& scope = "") const { return pool.find(scope, text).n_tokens(4); }

  KvPool pool;
};

TEST(KvPool, GivesEachPageOnce) {
  KvPool pool(4, 32);
  std::set<int32_t> taken;
  for (int i = 0; i < 4; ++i) taken.insert(*pool.take());
  EXPECT_EQ(taken.size(), 4u);
  EXPECT_FALSE(pool.take().has_value());
  pool.release(2);
  EXPECT_EQ(pool.n_used(), 3);
  EXPECT_EQ(pool.take(), 2);
}

TEST(KvPool, FindsTheLongestBeginningInItsScopeAlone) {
  PoolRig rig;
  const auto pages = rig.write({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const KvPool::Match match = rig.pool.find("", Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12});
  EXPECT_EQ(match.pages, Tokens(pages.begin(), pages.begin() + 2));
  EXPECT_EQ(match.partial, pages[2]);
  EXPECT_EQ(match.n_partial, 1);
  EXPECT_EQ(rig.n_known({1, 2, 3, 4, 5, 7, 7, 8}), 5);
  EXPECT_EQ(rig.n_known({1, 2}), 2);
  EXPECT_EQ(rig.n_known({2, 1}), 0);
  EXPECT_EQ(rig.n_known({5, 6, 7, 8}), 0) << "the same page under nothing is another text";
  EXPECT_EQ(rig.n_known({1, 2, 3, 4}, "another key"), 0);
  EXPECT_EQ(rig.n_known({}), 0);
}

TEST(KvPool, WhatBranchesSharesWhatComesBefore) {
  PoolRig rig;
  const auto a = rig.write({1, 2, 3, 4, 5, 6, 7, 8});
  const auto b = rig.write({1, 2, 3, 4, 9, 9, 9, 9, 9});
  EXPECT_EQ(a[0], b[0]);
  EXPECT_NE(a[1], b[1]);
  EXPECT_EQ(rig.pool.n_used(), 4);
  rig.release(a);
  EXPECT_EQ(rig.pool.n_used(), 3);
  EXPECT_EQ(rig.pool.n_kept(), 1);
  EXPECT_EQ(rig.n_known({1, 2, 3, 4, 5, 6, 7, 8}), 8);
}

TEST(KvPool, TwoWhoComputeTheSamePageEndUpWithOne) {
  PoolRig rig;
  const int32_t mine = *rig.pool.take(), yours = *rig.pool.take();
  EXPECT_EQ(rig.pool.keep("", -1, Tokens{1, 2}, mine), mine);
  EXPECT_EQ(rig.pool.keep("", -1, Tokens{1, 2, 3, 4}, yours), yours);
  EXPECT_EQ(rig.pool.keep("", -1, Tokens{1, 2, 3, 4}, mine), yours);
  EXPECT_EQ(rig.pool.n_used(), 1);
  EXPECT_EQ(rig.pool.n_kept(), 0);
  rig.pool.release(yours);
  EXPECT_TRUE(rig.pool.is_used(yours));
  rig.pool.release(yours);
  EXPECT_EQ(rig.pool.n_used(), 0);
  EXPECT_EQ(rig.n_known({1, 2, 3, 4}), 4);
}

TEST(KvPool, APageThatFillsUpIsKnownByAllOfIt) {
  PoolRig rig;
  const int32_t page = *rig.pool.take();
  rig.pool.keep("", -1, Tokens{1, 2}, page);
  EXPECT_EQ(rig.n_known({1, 2, 3, 4}), 2);
  EXPECT_EQ(rig.pool.keep("", -1, Tokens{1, 2, 3, 4}, page), page);
  EXPECT_EQ(rig.n_known({1, 2, 3, 4}), 4);
  EXPECT_EQ(rig.pool.find("", Tokens{1, 2, 3, 4}).pages, Tokens{page});
}

TEST(KvPool, ThePartOfALongerPageIsNotKeptBesideIt) {
  PoolRig rig;
  rig.release(rig.write({1, 2, 3}));
  EXPECT_EQ(rig.pool.n_kept(), 1);
  const int32_t longer = *rig.pool.take();
  rig.pool.keep("", -1, Tokens{1, 2, 3, 4}, longer);
  EXPECT_EQ(rig.pool.n_kept(), 0) << "the three tokens are in the longer page too";
  const int32_t shorter = *rig.pool.take();
  rig.pool.keep("", -1, Tokens{1, 2}, shorter);
  EXPECT_FALSE(rig.pool.is_known(shorter));
}

TEST(KvPool, EvictsLeavesThatNobodyUsedForTheLongestTime) {
  PoolRig rig(4);
  rig.release(rig.write({1, 1, 1, 1, 2, 2, 2, 2}));
  rig.release(rig.write({3, 3, 3, 3, 4, 4, 4, 4}));
  EXPECT_EQ(rig.pool.n_available(), 4);
  rig.release(rig.write({1, 1, 1, 1, 2, 2, 2, 2}));  // used again: the other text is older now
  const int32_t taken = *rig.pool.take();
  EXPECT_EQ(rig.n_known({3, 3, 3, 3, 4, 4, 4, 4}), 4) << "the end goes before the beginning";
  EXPECT_EQ(rig.n_known({1, 1, 1, 1, 2, 2, 2, 2}), 8);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rig.pool.take().has_value());
  EXPECT_FALSE(rig.pool.take().has_value());
  EXPECT_EQ(rig.n_known({1}), 0);
  EXPECT_FALSE(rig.pool.is_known(taken));
}

TEST(KvPool, WhatIsUsedIsNeverEvicted) {
  PoolRig rig(3);
  const auto used = rig.write({1, 1, 1, 1, 2, 2, 2, 2});
  rig.release(rig.write({1, 1, 1, 1, 3}));
  EXPECT_EQ(rig.pool.n_kept(), 1);
  EXPECT_TRUE(rig.pool.take().has_value());
  EXPECT_FALSE(rig.pool.take().has_value());
  EXPECT_EQ(rig.n_known({1, 1, 1, 1, 2, 2, 2, 2}), 8);
}

TEST(KvPool, ADeepTreeIsAsGoodAsAFlatOne) {
  constexpr int64_t kPages = 100'000;
  PoolRig rig(kPages);
  Tokens text(4 * kPages);
  std::iota(text.begin(), text.end(), 0);
  rig.release(rig.write(text));
  EXPECT_EQ(rig.n_known(text), 4 * kPages);
  for (int64_t i = 0; i < kPages; ++i) ASSERT_TRUE(rig.pool.take().has_value());
  EXPECT_EQ(rig.n_known(text), 0);
}

}  // namespace
}  // namespace owlet
