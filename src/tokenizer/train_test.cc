#include "tokenizer/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/golden_files.h"
#include "tokenizer/tokenizer_json.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

BpeSpec train(BpeTrainOptions options, const std::vector<std::string>& texts) {
  const int threads = options.threads;
  auto trainer = BpeTrainer::create(std::move(options)).value();
  for (size_t i = 0; i < texts.size(); ++i) trainer.add_text(texts[i], static_cast<int>(i) % threads);
  return trainer.train();
}

TEST(BpeTrainer, MostFrequentFirstThenLowestIds) {
  const BpeSpec spec = train({.vocab_size = 259, .min_frequency = 1, .special_tokens = {"<s>"}, .threads = 1},
                             {"ab ab ab", "xy", "cd cd"});
  EXPECT_EQ(spec.vocab[0], "<s>");
  EXPECT_EQ(spec.vocab[1], "!");
  ASSERT_EQ(spec.merges.size(), 2u);
  EXPECT_EQ(spec.merges[0], (std::pair<std::string, std::string>("a", "b")));
  EXPECT_EQ(spec.merges[1], (std::pair<std::string, std::string>("c", "d")));  // before "Ġ ab": its ids are lower
  EXPECT_EQ(spec.vocab.back(), "cd");
}

TEST(BpeTrainer, StopsAtRarePairs) {
  const BpeSpec spec = train({.vocab_size = 1000, .min_frequency = 3, .threads = 1}, {"ab ab ab cd cd"});
  EXPECT_EQ(spec.merges.size(), 1u);
}

TEST(BpeTrainer, RefusesWhatCannotBe) {
  const auto message = [](BpeTrainOptions options) {
    const auto trainer = BpeTrainer::create(std::move(options));
    return trainer.ok() ? "" : trainer.error().message;
  };
  EXPECT_THAT(message({.vocab_size = 255}), HasSubstr("no room"));
  EXPECT_THAT(message({.special_tokens = {"<a>", "<a>"}}), HasSubstr("twice"));
  EXPECT_THAT(message({.special_tokens = {""}}), HasSubstr("no text"));
  EXPECT_THAT(message({.pre_tokenizer = "klingon"}), HasSubstr("klingon"));
}

TEST(BpeTrainer, ThreadsChangeNothing) {
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) texts.push_back(fmt::format("text {} of many, {} owls and \xff {}", i, i % 7, i * i));
  const BpeSpec one = train({.vocab_size = 500, .threads = 1}, texts);
  const BpeSpec three = train({.vocab_size = 500, .threads = 3}, texts);
  EXPECT_EQ(one.vocab, three.vocab);
  EXPECT_EQ(one.merges, three.merges);
}

void expect_golden(const std::string& name, int vocab_size, int64_t min_frequency, const std::vector<std::string>& texts) {
  const fs::path dir = golden_root() / "tokenizers/bpe-training";
  const BpeSpec ours = train({.vocab_size = vocab_size,
                              .min_frequency = min_frequency,
                              .special_tokens = {"<|endoftext|>", "<pad>"}},
                             texts);
  const BpeSpec theirs = read_vocab_merges(golden_text(dir / (name + "-vocab.json")),
                                           golden_text(dir / (name + "-merges.txt")), nullptr).value();
  ASSERT_EQ(ours.merges.size(), theirs.merges.size());
  for (size_t i = 0; i < ours.merges.size(); ++i) ASSERT_EQ(ours.merges[i], theirs.merges[i]) << "merge " << i;
  EXPECT_EQ(ours.vocab, theirs.vocab);
}

TEST(Golden, TrainsOnTiesAsHuggingFaceDoes) {
  const fs::path corpus = golden_root() / "tokenizers/bpe-training/ties.corpus.json";
  OWLET_SKIP_WITHOUT_GOLDEN(corpus);
  expect_golden("ties", 400, 0, golden_json(corpus).get<std::vector<std::string>>());
}

TEST(Golden, TrainsOnMixedTextAsHuggingFaceDoes) {
  const fs::path corpus = golden_root() / "tokenizers/mixed.json.zst";
  OWLET_SKIP_WITHOUT_GOLDEN(corpus);
  expect_golden("mixed", 3000, 2, golden_json(corpus).get<std::vector<std::string>>());
}

TEST(Golden, TrainsOnWikipediaAsHuggingFaceDoes) {
  const fs::path corpus = golden_root() / "../data/pretrain/simplewiki.valid.jsonl.zst";
  OWLET_SKIP_WITHOUT_GOLDEN(corpus);
  auto lines = LineReader::open(corpus).value();
  std::vector<std::string> texts;
  for (std::string line; lines.next(line).value();) texts.push_back(get_string(parse_json(line).value(), "text").value());
  expect_golden("wiki", 4000, 2, texts);
}

}  // namespace
}  // namespace owlet
