#include "apps/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "apps/gguf_pre_tokenizers.h"
#include "tokenizer/train.h"

namespace owlet {
namespace {

Result<Tokenizer> through_gguf(const Tokenizer& tokenizer, int64_t n_rows = 0) {
  const auto path = std::filesystem::path(testing::TempDir()) / "owlet_tokenizer.gguf";
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  OWLET_TRY(write_gguf_tokenizer(tokenizer, {.bos = 0, .eos = 1}, n_rows, writer));
  OWLET_TRY(writer.write(path));
  OWLET_ASSIGN(const GgufFile file, GgufFile::open(path));
  return read_gguf_tokenizer(file);
}

void expect_same(const Tokenizer& a, const Tokenizer& b, const std::string& what) {
  for (const char* text : {"the owls, it's 12345 – naïve\n\n  東京 x", "<s> Hello", " a\t b ", ""}) {
    EXPECT_EQ(a.encode(text), b.encode(text)) << what << ": " << text;
    EXPECT_EQ(a.encode(text, {.parse_special = true}), b.encode(text, {.parse_special = true})) << what << ": " << text;
    EXPECT_EQ(a.decode(a.encode(text), true), b.decode(a.encode(text), true)) << what;
  }
}

TEST(GgufTokenizer, EveryRowOfTheTableHasAToken) {
  auto trainer = BpeTrainer::create({.vocab_size = 300, .special_tokens = {"<s>", "</s>"}, .threads = 1}).value();
  trainer.add_text("the owls and the others");
  const Tokenizer tokenizer = Tokenizer::from_spec(describe(trainer.train()).value()).value();
  const int64_t n = tokenizer.vocab_size();
  const auto padded = through_gguf(tokenizer, n + 3);
  ASSERT_TRUE(padded.ok()) << padded.error().to_string();
  EXPECT_EQ(padded->vocab_size(), n + 3);
  EXPECT_EQ(padded->id_of(fmt::format("[PAD{}]", n)), n);
  expect_same(tokenizer, *padded, "padded");
}

TEST(GgufTokenizer, ByteLevelByEveryName) {
  auto trainer = BpeTrainer::create({.vocab_size = 320, .special_tokens = {"<s>", "</s>"}, .threads = 1}).value();
  for (int i = 0; i < 5; ++i) trainer.add_text("the owls and the others, it's 12345");
  const TokenizerSpec plain = describe(trainer.train()).value();
  for (const char* name : {"gpt-2", "llama-bpe", "dbrx", "qwen2", "qwen35", "starcoder", "gpt-4o", "tekken", "deepseek-v3", "deepseek-llm",
                           "deepseek-coder", "falcon", "default", "bloom", "viking", "bailingmoe", "seed-coder", "superbpe", "tiny_aya"}) {
    TokenizerSpec spec = plain;
    const GgufPreTokenizer pre = gguf_pre_tokenizer(name).value();
    spec.pre_tokenizer = pre.pre_tokenizer;
    spec.ignore_merges = pre.ignore_merges;
    EXPECT_EQ(gguf_name_of_pre_tokenizer(pre.pre_tokenizer, pre.ignore_merges).value(), name);
    const auto tokenizer = Tokenizer::from_spec(spec);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    const auto again = through_gguf(*tokenizer);
    ASSERT_TRUE(again.ok()) << again.error().message;
    expect_same(*tokenizer, *again, name);
  }
  EXPECT_FALSE(gguf_pre_tokenizer("klingon").ok());
  TokenizerSpec odd = plain;
  odd.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"x"},"behavior":"Isolated","invert":false})";
  EXPECT_FALSE(through_gguf(Tokenizer::from_spec(odd).value()).ok());
}

TEST(GgufTokenizer, SentencePieceWithAndWithoutScores) {
  TokenizerSpec spec;
  spec.vocab = {"<unk>", "<s>", "</s>", "▁", "H", "e", "l", "o", "▁a", "ll", "He", "▁H", "▁He", "Hell", "a"};
  spec.added = {{.id = 0, .text = "<unk>"}, {.id = 1, .text = "<s>"}, {.id = 2, .text = "</s>"}};
  for (int byte = 0; byte < 256; ++byte) spec.vocab.push_back(fmt::format("<0x{:02X}>", byte));
  spec.unk = 0;
  spec.byte_fallback = spec.fuse_unk = true;
  spec.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
  spec.decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
                    {"type":"Strip","content":" ","start":1,"stop":0}]})";
  spec.merges = {{"l", "l"}, {"H", "e"}, {"▁", "a"}, {"▁", "He"}, {"He", "ll"}};
  const auto made = Tokenizer::from_spec(spec);
  ASSERT_TRUE(made.ok()) << made.error().message;
  const Tokenizer& merges = *made;
  const auto scored = through_gguf(merges);
  ASSERT_TRUE(scored.ok()) << scored.error().message;
  expect_same(merges, *scored, "merges");
  EXPECT_FALSE(scored->spec().scores.empty());
  const auto again = through_gguf(*scored);
  ASSERT_TRUE(again.ok()) << again.error().message;
  expect_same(*scored, *again, "scores");
}

TEST(GgufTokenizer, UnigramWithAMapOfCharacters) {
  TokenizerSpec spec;
  spec.kind = TokenModelKind::kUnigram;
  spec.vocab = {"<s>", "</s>", "<unk>", "▁", "t", "h", "e", "▁the", "o", "w", "l", "▁ow", "ls"};
  for (size_t id = 0; id < spec.vocab.size(); ++id) spec.scores.push_back(-0.5 * static_cast<double>(id));
  spec.added = {{.id = 0, .text = "<s>"}, {.id = 1, .text = "</s>"}, {.id = 2, .text = "<unk>"}};
  spec.unk = 2;
  spec.eos = 1;
  // An empty trie: a map that changes nothing.
  spec.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"AAAAAA=="},{"type":"Strip","strip_left":true,"strip_right":true},
                       {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]})";
  spec.pre_tokenizer = spec.decoder = R"({"prepend_scheme":"always","replacement":"▁","split":true,"type":"Metaspace"})";
  spec.post_processor = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
                           "special_tokens":{"</s>":{"id":"</s>","ids":[1],"tokens":["</s>"]}}})";
  const auto tokenizer = Tokenizer::from_spec(spec);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto again = through_gguf(*tokenizer);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->spec().kind, TokenModelKind::kUnigram);
  expect_same(*tokenizer, *again, "unigram");
  EXPECT_EQ(again->encode("the  owls").back(), 1);
  spec.normalizer = R"({"type":"NFKC"})";
  EXPECT_FALSE(through_gguf(Tokenizer::from_spec(spec).value()).ok());
}

TEST(GgufTokenizer, WordPiece) {
  TokenizerSpec spec;
  spec.kind = TokenModelKind::kWordPiece;
  spec.vocab = {"[CLS]", "[SEP]", "[UNK]", "the", "owl", "##s", ",", "it", "'", "s", "12", "##345", "##3", "x"};
  spec.added = {{.id = 0, .text = "[CLS]"}, {.id = 1, .text = "[SEP]"}, {.id = 2, .text = "[UNK]"}};
  spec.unk = 2;
  spec.continuing_prefix = "##";
  spec.normalizer = R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  spec.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  spec.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  spec.post_processor = R"({"type":"BertProcessing","sep":["[SEP]",1],"cls":["[CLS]",0]})";
  const auto tokenizer = Tokenizer::from_spec(spec);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto again = through_gguf(*tokenizer);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->spec().vocab, spec.vocab);
  expect_same(*tokenizer, *again, "word pieces");
  spec.kind = TokenModelKind::kWordLevel;
  EXPECT_FALSE(through_gguf(Tokenizer::from_spec(spec).value()).ok());
}

}  // namespace
}  // namespace owlet
