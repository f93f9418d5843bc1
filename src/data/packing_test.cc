#include "data/packing.h"

#include <gtest/gtest.h>

#include <map>

#include "core/random.h"
#include "data/test_tokenizer.h"

namespace owlet {
namespace {

// n samples of 2 … T + 1 tokens; every token is its sample's own: sample s holds s·1000, s·1000 + 1, …
std::vector<Sample> numbered(int32_t n, int64_t T, int32_t first = 1) {
  Random random{.seed = 5};
  std::vector<Sample> samples;
  for (int32_t s = first; s < first + n; ++s) {
    Sample sample;
    const auto size = static_cast<int32_t>(2 + random.below(static_cast<uint64_t>(T)));
    for (int32_t i = 0; i < size; ++i) {
      sample.ids.push_back(s * 1000 + i);
      sample.counted.push_back(i % 3 == 0 ? 0 : 1);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

Corpus::Part part_of(const std::vector<Sample>& samples, double weight) { return {SampleStore::of(samples).value(), weight}; }

BatchStream stream_of(Corpus corpus, int64_t B, int64_t T, uint64_t seed) {
  auto stream = BatchStream::create(std::move(corpus), B, T, seed);
  OWLET_CHECK(stream.ok(), "{}", stream.error().message);
  return std::move(stream).value();
}

std::vector<int32_t> flat(const Batch& batch) {
  std::vector<int32_t> all = batch.tokens;
  for (const auto* part : {&batch.targets, &batch.positions, &batch.segments})
    all.insert(all.end(), part->begin(), part->end());
  return all;
}

TEST(BatchStream, AnEpochHoldsEveryTokenOnce) {
  constexpr int64_t kT = 24;
  const auto samples = numbered(200, kT);
  BatchStream stream = stream_of({{part_of(samples, 1)}}, 1, kT, 9);
  std::map<int32_t, int> seen_tokens, seen_targets;
  for (int64_t row = 0; row < stream.rows_per_epoch(); ++row) {
    const Batch batch = *stream.next();
    for (size_t i = 0; i < static_cast<size_t>(kT); ++i) {
      if (batch.tokens[i] > 0) ++seen_tokens[batch.tokens[i]];
      if (batch.targets[i] >= 0) ++seen_targets[batch.targets[i]];
    }
  }
  for (const Sample& sample : samples) {
    for (size_t i = 0; i < sample.ids.size(); ++i) {
      EXPECT_EQ(seen_tokens[sample.ids[i]], i + 1 < sample.ids.size() ? 1 : 0);  // the last is only predicted
      EXPECT_EQ(seen_targets[sample.ids[i]], i > 0 && sample.counted[i] ? 1 : 0);
    }
  }
}

TEST(BatchStream, PositionsAndSegmentsFollowTheSamples) {
  constexpr int64_t kT = 24;
  BatchStream stream = stream_of({{part_of(numbered(100, kT), 1)}}, 2, kT, 1);
  for (int n = 0; n < 20; ++n) {
    const Batch batch = *stream.next();
    for (int64_t row = 0; row < batch.B; ++row) {
      for (int64_t t = 0; t < batch.T; ++t) {
        const auto i = static_cast<size_t>(row * batch.T + t);
        if (t == 0) {
          EXPECT_EQ(batch.positions[i], 0);
          EXPECT_EQ(batch.segments[i], 0);
          continue;
        }
        const bool same = batch.segments[i] == batch.segments[i - 1];
        EXPECT_EQ(batch.positions[i], same ? batch.positions[i - 1] + 1 : 0);
        EXPECT_EQ(batch.tokens[i] / 1000 == batch.tokens[i - 1] / 1000, same);
        if (!same) EXPECT_EQ(batch.segments[i], batch.segments[i - 1] + 1);
        if (batch.tokens[i] == 0) EXPECT_EQ(batch.targets[i], -100);
      }
    }
  }
}

TEST(BatchStream, LittleIsPadding) {
  constexpr int64_t kT = 64;
  const auto samples = numbered(2000, 30);
  int64_t needed = 0;
  for (const Sample& sample : samples) needed += static_cast<int64_t>(sample.ids.size()) - 1;
  BatchStream stream = stream_of({{part_of(samples, 1)}}, 1, kT, 1);
  EXPECT_LT(stream.rows_per_epoch() * kT, needed * 105 / 100);
}

TEST(BatchStream, ResumesExactlyAnywhere) {
  const Corpus corpus{{part_of(numbered(60, 16), 1.5), part_of(numbered(30, 16, 500), 0.5)}};
  BatchStream whole = stream_of(corpus, 3, 16, 77);
  std::vector<Json> states;
  std::vector<std::vector<int32_t>> batches;
  for (int n = 0; n < 60; ++n) {
    states.push_back(whole.state());
    batches.push_back(flat(*whole.next()));
  }
  EXPECT_GT(states.back()["epoch"], 1);
  for (const size_t from : {0u, 1u, 7u, 15u, 31u, 58u}) {
    BatchStream resumed = stream_of(corpus, 3, 16, 77);
    ASSERT_TRUE(resumed.restore(*parse_json(dump_json(states[from]))).ok());
    for (size_t n = from; n < batches.size(); ++n)
      ASSERT_EQ(flat(*resumed.next()), batches[n]) << from << " " << n;
  }
}

TEST(BatchStream, SeedsAndEpochsDiffer) {
  const Corpus corpus{{part_of(numbered(80, 16), 1)}};
  BatchStream a = stream_of(corpus, 2, 16, 1), b = stream_of(corpus, 2, 16, 2);
  const auto first = flat(*a.next());
  EXPECT_NE(first, flat(*b.next()));
  for (int64_t row = 2; row < a.rows_per_epoch(); row += 2) ASSERT_TRUE(a.next().ok());
  EXPECT_NE(first, flat(*a.next()));
}

TEST(BatchStream, WeightsSayHowOftenAFileIsSeen) {
  BatchStream stream = stream_of({{part_of(numbered(400, 8), 0.5), part_of(numbered(400, 8, 1000), 3)}}, 1, 8, 3);
  std::map<int32_t, int> starts;
  for (int64_t row = 0; row < stream.rows_per_epoch(); ++row) {
    const Batch batch = *stream.next();
    for (const int32_t token : batch.tokens) {
      if (token > 0 && token % 1000 == 0) ++starts[token / 1000];
    }
  }
  int rare = 0;
  for (const auto& [sample, count] : starts) {
    if (sample >= 1000)
      EXPECT_EQ(count, 3);
    else
      rare += count;
  }
  EXPECT_GT(rare, 150);
  EXPECT_LT(rare, 250);
}

TEST(BatchStream, RefusesWhatDoesNotFitOrIsNotThere) {
  EXPECT_FALSE(BatchStream::create({{part_of(numbered(20, 30), 1)}}, 1, 16, 0).ok());
  EXPECT_FALSE(BatchStream::create({}, 1, 16, 0).ok());
  BatchStream stream = stream_of({{part_of(numbered(20, 16), 1)}}, 1, 16, 0);
  for (const char* bad :
       {"{}", R"({"epoch": 0, "row": 0, "rows": 3})", R"({"epoch": 0, "row": -1, "rows": 20})", "[]"}) {
    EXPECT_FALSE(stream.restore(*parse_json(bad)).ok()) << bad;
  }
}

TEST(BatchStream, ValidationIsTheFirstEpochWithItsBytes) {
  const Tokenizer tokenizer = byte_tokenizer();
  Corpus corpus{{part_of(text_samples("Hello, owlet.", tokenizer, kTextEnd, 9), 1)}};
  BatchStream stream = stream_of(std::move(corpus), 4, 8, 0);
  const auto batches = stream.first_batches(100);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(target_bytes(batches, tokenizer), 12);  // all but the first, which nothing predicts
  EXPECT_TRUE(stream.first_batches(0).empty());
}

}  // namespace
}  // namespace owlet
