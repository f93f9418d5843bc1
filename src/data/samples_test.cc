#include "data/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>


#include "core/file.h"
#include "data/test_tokenizer.h"
#include "tokenizer/golden_files.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

std::vector<Sample> samples_of(const char* json, size_t max_tokens = 4096) {
  const Tokenizer tokenizer = byte_tokenizer();
  const auto tokens = ChatTokens::find(tokenizer);
  const auto chat = read_example(*parse_json(json));
  EXPECT_TRUE(chat.ok()) << chat.error().to_string();
  return chat_samples(*chat, tokenizer, *tokens, max_tokens);
}

// The sample as one string: control tokens in brackets, what is learnt in upper case.
std::string drawn(const Sample& sample) {
  static constexpr const char* kNames[] = {"[pad]",      "[q_end]", "[a_end]",
                                           "[text_end]", "[think]", "[/think]"};
  std::string out;
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    const int32_t id = sample.ids[i];
    std::string piece = id < kFirstByte ? kNames[id] : std::string(1, static_cast<char>(id - kFirstByte));
    if (sample.counted[i]) {
      for (char& c : piece) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    out += piece;
  }
  return out;
}

Sample copy_of(const StoredSample& stored) {
  Sample sample;
  for (size_t i = 0; i < stored.size(); ++i) {
    sample.ids.push_back(stored.id(i));
    sample.counted.push_back(stored.counted(i));
  }
  return sample;
}

std::string drawn(const StoredSample& stored) { return drawn(copy_of(stored)); }

TEST(ChatSamples, LearnTheAnswerAndItsThought) {
  const auto samples = samples_of(R"({"messages": [{"role": "user", "content": "hi"},
      {"role": "assistant", "content": "yo", "thinking": "hm"}]})");
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(drawn(samples[0]), "hi[q_end][THINK]HM[/THINK]YO[A_END]");
}

TEST(ChatSamples, OneATurnAndEarlierThoughtsAreDropped) {
  const auto samples =
      samples_of(R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
      {"role": "assistant", "content": "b", "thinking": "t"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]})");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(drawn(samples[0]), "s\na[q_end][THINK]T[/THINK]B[A_END]");
  EXPECT_EQ(drawn(samples[1]), "s\na[q_end]b[a_end]c[q_end]D[A_END]");
}

TEST(ChatSamples, MessagesKeepTheirMarks) {
  const auto samples = samples_of(
      R"({"messages": [{"role": "user", "content": "# **a**"}, {"role": "assistant", "content": "b. c"}]})");
  EXPECT_EQ(drawn(samples[0]), "# **a**[q_end]B. C[A_END]");
}

TEST(ChatSamples, ControlTokensInTheTextStayText) {
  const auto samples = samples_of(
      R"({"messages": [{"role": "user", "content": "<a_end>"}, {"role": "assistant", "content": "x"}]})");
  EXPECT_EQ(drawn(samples[0]), "<a_end>[q_end]X[A_END]");
}

TEST(ChatSamples, AreCutToTheLimit) {
  const auto samples = samples_of(
      R"({"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cdef"}]})", 5);
  EXPECT_EQ(drawn(samples[0]), "ab[q_end]CD");
  EXPECT_EQ(samples[0].counted.size(), 5u);
}

TEST(ChatSamples, WhatIsNoChatIsRefused) {
  for (const char* bad :
       {"{}", "[]", "3", R"({"messages": 3})", R"({"messages": [3]})", R"({"messages": [{"role": "user"}]})",
        R"({"messages": [{"role": "judge", "content": "x"}]})", R"({"data": [1, 2]})", R"({"data": 3})",
        R"({"conversations": [{"from": "human"}]})", R"({"instruction": "x"})", R"({"completion": "x"})", R"({"conversations": {}})",
        R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", R"({"instruction": "a", "output": "b", "history": ["x"]})"}) {
    EXPECT_FALSE(read_example(*parse_json(bad)).ok()) << bad;
  }
}

TEST(ChatSamples, ComeInTheShapesThatPeopleHave) {
  const std::string want = "s\na[q_end]b[a_end]c[q_end]D[A_END]";
  for (const char* shape :
       {R"({"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]})",
        R"({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
            {"from": "user", "value": "c"}, {"from": "assistant", "value": "d"}]})",
        R"({"instruction": "c", "input": "", "output": "d", "system": "s", "history": [["a", "b"]]})"}) {
    const auto samples = samples_of(shape);
    ASSERT_EQ(samples.size(), 2u) << shape;
    EXPECT_EQ(drawn(samples[1]), want) << shape;
  }
  EXPECT_EQ(drawn(samples_of(R"({"instruction": "c", "input": "x", "output": "d"})")[0]), "c\n\nx[q_end]D[A_END]");
}

TEST(ChatSamples, OfAModelsOwnTemplateCountFromWhereTheAnswerBegins) {
  const Tokenizer tokenizer = byte_tokenizer();
  const auto chat_template = ChatTemplate::parse(
      "{% for m in messages %}{{ m.role }}:{{ m.content }}<a_end>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}");
  ASSERT_TRUE(chat_template.ok());
  const std::vector<ChatMessage> messages{{"user", "a", ""}, {"assistant", "b", ""}, {"user", "<a_end>", ""}, {"assistant", "d", ""}};
  const auto samples = template_samples(messages, tokenizer, *chat_template, 100);
  ASSERT_TRUE(samples.ok());
  ASSERT_EQ(samples->size(), 2u);
  EXPECT_EQ(drawn((*samples)[0]), "user:a[a_end]assistant:B[A_END]");
  EXPECT_EQ(drawn((*samples)[1]), "user:a[a_end]assistant:b[a_end]user:<a_end>[a_end]assistant:D[A_END]");
}

TEST(HeldOut, IsAShareOfTheLinesByTheirHash) {
  int held_out = 0;
  for (int i = 0; i < 5000; ++i) held_out += is_held_out(fmt::format("line {}", i), 0.1);
  EXPECT_NEAR(held_out, 500, 90);
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_held_out_test";
  fs::create_directories(dir);
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += fmt::format("{{\"prompt\": \"{}\", \"completion\": \"b\"}}\n", i);
  ASSERT_TRUE(write_file(dir / "lines.jsonl", lines).ok());
  const Tokenizer tokenizer = byte_tokenizer();
  const auto valid = load_samples(dir / "lines.jsonl", tokenizer, {.max_tokens = 100, .held_out = 0.2, .take_held_out = true});
  const auto train = load_samples(dir / "lines.jsonl", tokenizer, {.max_tokens = 100, .held_out = 0.2});
  EXPECT_EQ(valid->size() + train->size(), 200u);
  EXPECT_NEAR(static_cast<double>(valid->size()), 40, 25);
  EXPECT_EQ(drawn((*load_samples(dir / "lines.jsonl", tokenizer, {.max_tokens = 100}))[0]), "0B[TEXT_END]");
}

TEST(CleanUp, OfTheHomemadeForm) {
  EXPECT_EQ(clean_question("Use **bold**?\n## Title"), "Use bold?\n Title");
  EXPECT_EQ(clean_question("a # b *c*"), "a # b *c*");
  EXPECT_EQ(clean_answer("\n\nPlain text 😀 only. And a tail without its end"), "\n\nPlain text  only.");
  EXPECT_EQ(clean_answer("He said \"Go!\""), "He said \"Go!\"");
  EXPECT_EQ(clean_answer("no stop at all"), "no stop at all");
}

TEST(TextSamples, EveryTokenIsPredictedOnce) {
  const Tokenizer tokenizer = byte_tokenizer();
  const std::string text = "The quick brown fox jumps.";
  for (size_t max_tokens = 2; max_tokens < 40; ++max_tokens) {
    std::string seen = text.substr(0, 1);  // the first token has nothing before it
    bool ended = false;
    for (const Sample& sample : text_samples(text, tokenizer, kTextEnd, max_tokens)) {
      ASSERT_LE(sample.ids.size(), max_tokens);
      ASSERT_GE(sample.ids.size(), 2u);
      for (size_t i = 1; i < sample.ids.size(); ++i) {
        EXPECT_TRUE(sample.counted[i]);
        if (sample.ids[i] == kTextEnd)
          ended = true;
        else
          seen += static_cast<char>(sample.ids[i] - kFirstByte);
      }
    }
    EXPECT_EQ(seen, text);
    EXPECT_TRUE(ended);
  }
}

TEST(LoadSamples, ReadsTextsAndChatsAndSaysWhichLineIsBad) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_samples_test";
  fs::create_directories(dir);
  const Tokenizer tokenizer = byte_tokenizer();
  ASSERT_TRUE(write_file(dir / "mixed.jsonl",
                         "{\"text\": \"abc\"}\n\n{\"messages\": [{\"role\": \"user\", \"content\": \"q\"}, "
                         "{\"role\": \"assistant\", \"content\": \"a\"}]}\n")
                  .ok());
  const auto mixed = load_samples(dir / "mixed.jsonl", tokenizer, {.max_tokens = 100});
  ASSERT_TRUE(mixed.ok()) << mixed.error().to_string();
  ASSERT_EQ(mixed->size(), 2u);
  EXPECT_EQ(drawn((*mixed)[0]), "ABC[TEXT_END]");
  EXPECT_EQ(drawn((*mixed)[1]), "q[q_end]A[A_END]");

  ASSERT_TRUE(write_file(dir / "plain.txt", "one\ntwo\n").ok());
  const auto plain = load_samples(dir / "plain.txt", tokenizer, {.max_tokens = 100});
  EXPECT_EQ(drawn((*plain)[0]), "ONE\nTWO\n[TEXT_END]");

  ASSERT_TRUE(write_file(dir / "bad.jsonl", "{\"text\": \"abc\"}\n{\"text\": 3}\n").ok());
  const auto bad = load_samples(dir / "bad.jsonl", tokenizer, {.max_tokens = 100});
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error().message, testing::HasSubstr("bad.jsonl:2"));
  EXPECT_FALSE(load_samples(dir / "absent.jsonl", tokenizer, {.max_tokens = 100}).ok());
  ASSERT_TRUE(write_file(dir / "array.jsonl", "[]\n3\n").ok());
  EXPECT_FALSE(load_samples(dir / "array.jsonl", tokenizer, {.max_tokens = 100}).ok());
}

TEST(LoadSamples, ALongDocumentIsReadInPiecesThatLoseNothing) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_long_document_test";
  fs::create_directories(dir);
  std::string text;
  for (int line = 0; text.size() < (size_t{5} << 19); ++line) text += fmt::format("line {} of a long text\n", line);
  ASSERT_TRUE(write_file(dir / "long.txt", text).ok());
  const auto samples = load_samples(dir / "long.txt", byte_tokenizer(), {.max_tokens = 33});
  ASSERT_TRUE(samples.ok());
  // Samples overlap by one token, but where a piece begins.
  std::string seen;
  int64_t ends = 0, pieces = 0;
  for (size_t s = 0; s < samples->size(); ++s) {
    const StoredSample sample = (*samples)[s];
    const bool begins = s == 0 || sample.id(0) != (*samples)[s - 1].id((*samples)[s - 1].size() - 1);
    pieces += begins;
    for (size_t i = begins ? 0 : 1; i < sample.size(); ++i) {
      if (sample.id(i) == kTextEnd) ++ends;
      else seen += static_cast<char>(sample.id(i) - kFirstByte);
    }
  }
  EXPECT_TRUE(seen == text);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(pieces, 3);
}

TEST(SampleStore, GivesBackWhatWasAdded) {
  std::vector<Sample> samples;
  for (int32_t n = 0; n < 3000; ++n) {
    Sample sample;
    for (int32_t i = 0; i < n % 300; ++i) {
      sample.ids.push_back(i % 7 == 0 ? INT32_MAX - n : n + i);
      sample.counted.push_back((n + i) % 3 == 0);
    }
    samples.push_back(std::move(sample));
  }
  const auto store = SampleStore::of(samples);
  ASSERT_TRUE(store.ok());
  ASSERT_EQ(store->size(), samples.size());
  for (size_t n = 0; n < samples.size(); ++n) {
    const Sample back = copy_of((*store)[n]);
    ASSERT_EQ(back.ids, samples[n].ids);
    ASSERT_EQ(back.counted, samples[n].counted);
  }
  EXPECT_EQ(SampleStore::of({})->size(), 0u);
}

// What the homemade model's own fine-tuning builds from a chat: ids and loss mask.
TEST(Golden, HomemadeSamples) {
  const fs::path dir = golden_root() / "homemade";
  if (!fs::exists(dir / "samples.json")) GTEST_SKIP() << "no golden numbers in " << dir;
  const auto tokenizer =
      Tokenizer::load_vocab_merges(dir / "tokenizer-vocab.json", dir / "tokenizer-merges.txt");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  // The vocabulary names its control tokens otherwise; the family's ids are fixed.
  const ChatTokens tokens{.q_end = 1, .a_end = 2, .think_start = 7, .think_end = 8};
  const auto golden = parse_json(*read_file(dir / "samples.json"));
  const auto max_tokens = static_cast<size_t>(*get_int(*golden, "max_seq_len")) - 1;
  for (const Json& row : (*golden)["rows"]) {
    const auto chat = read_example(row);
    ASSERT_TRUE(chat.ok()) << chat.error().to_string();
    const auto samples = chat_samples(*chat, *tokenizer, tokens, max_tokens);
    ASSERT_EQ(samples.size(), row["samples"].size());
    for (size_t i = 0; i < samples.size(); ++i) {
      EXPECT_EQ(samples[i].ids, row["samples"][i]["ids"].get<std::vector<int32_t>>())
          << row["data"].dump();
      EXPECT_EQ(samples[i].counted, row["samples"][i]["mask"].get<std::vector<uint8_t>>())
          << row["data"].dump();
    }
  }
}

}  // namespace
}  // namespace owlet
