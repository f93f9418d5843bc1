#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tokenizer/bpe_merger.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/golden_files.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/train.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

BpeSpec small_spec() {
  auto trainer = BpeTrainer::create({.vocab_size = 320, .special_tokens = {"<pad>", "<end>"}, .threads = 1}).value();
  for (int i = 0; i < 20; ++i) trainer.add_text("the owl and the other owls, then there they are; it's 1234 – naïve 東京");
  return trainer.train();
}

Tokenizer small_tokenizer() { return Tokenizer::from_spec(small_spec()).value(); }

std::string random_bytes(uint64_t seed, size_t n) {
  std::string out;
  uint64_t x = seed * 2 + 1;
  while (out.size() < n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    out.push_back(static_cast<char>(x >> 56));
  }
  return out;
}

TEST(Tokenizer, AnyBytesComeBackExactly) {
  const Tokenizer tokenizer = small_tokenizer();
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::string bytes = random_bytes(seed, 1 + seed);
    const auto ids = tokenizer.encode(bytes);
    EXPECT_EQ(tokenizer.decode(ids), bytes);
    StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const TokenId id : ids) {
      const std::string part = decoder.push(id);
      EXPECT_EQ(unicode::replace_broken(part), part);
      streamed += part;
    }
    EXPECT_EQ(streamed + decoder.finish(), unicode::replace_broken(bytes));
  }
}

TEST(Tokenizer, SpecialTokensOnlyWhereTheTextIsTrusted) {
  const Tokenizer tokenizer = small_tokenizer();
  EXPECT_EQ(tokenizer.id_of("<end>"), 1);
  EXPECT_TRUE(tokenizer.is_special(1));
  const auto trusted = tokenizer.encode("a<end>b", {.parse_special = true});
  EXPECT_THAT(trusted, ElementsAre(tokenizer.id_of("a"), 1, tokenizer.id_of("b")));
  EXPECT_THAT(tokenizer.encode("a<end>b"), testing::Not(testing::Contains(1)));
  EXPECT_EQ(tokenizer.decode(trusted), "ab");
  EXPECT_EQ(tokenizer.decode(trusted, true), "a<end>b");
  EXPECT_EQ(tokenizer.bytes_of(1), "");
  for (const TokenId id : {-1, -2147483647, 320, 2147483647}) {
    EXPECT_EQ(tokenizer.bytes_of(id), "");
    EXPECT_FALSE(tokenizer.is_special(id));
  }
}

// Words seen before, words that push others out, and words too long for the cache come out the same; so do batches.
TEST(Tokenizer, CachesAndThreadsChangeNothing) {
  const Tokenizer tokenizer = small_tokenizer();
  std::vector<std::string> texts;
  for (uint64_t seed = 0; seed < 400; ++seed) texts.push_back("the owls " + random_bytes(seed % 100, 300) + std::string(seed % 40, 'a'));
  ThreadPool pool(3);
  const auto batch = small_tokenizer().encode_batch(texts, pool);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(batch[i], tokenizer.encode(texts[i])) << i;
}

TEST(Unicode, AsciiIsAsTheTableHasIt) {
  for (uint32_t c = 0; c < 128; ++c) EXPECT_EQ(unicode::kAsciiClasses[c], unicode::classes_of(c)) << c;
}

TEST(StreamDecoder, HoldsBackUnfinishedCharacters) {
  const Tokenizer tokenizer = small_tokenizer();
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> parts;
  for (const char c : std::string("é🦉\xf0\x9f")) {
    parts.push_back(decoder.push(tokenizer.id_of(to_printable({&c, 1}))));
  }
  EXPECT_THAT(parts, ElementsAre("", "é", "", "", "", "🦉", "", ""));
  EXPECT_EQ(decoder.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(decoder.finish(), "");
}

// Both ways to merge find the same, and the work on one endless word grows no faster than n log n.
TEST(BpeMerger, LongPiecesTakeNearlyLinearWork) {
  BpeMerger merger;
  for (TokenId id = 0; id < 12; ++id) merger.add(id, id, {id, id + 1});
  const auto steps_for = [&](size_t n) {
    std::vector<TokenId> ids(n, 0);
    uint64_t steps = 0;
    merger.merge(ids, &steps);
    EXPECT_EQ(ids.size(), (n + 4095) / 4096);
    return steps;
  };
  EXPECT_LT(steps_for(size_t{1} << 20), 8u << 20);
  EXPECT_LT(steps_for(size_t{1} << 20), 34 * steps_for(size_t{1} << 15));
}

TEST(BpeMerger, ShortAndLongPiecesAgree) {
  BpeMerger merger;
  int32_t rank = 0;
  for (TokenId a = 0; a < 4; ++a) {
    for (TokenId b = 0; b < 4; ++b) {
      if ((a * 7 + b * 5) % 3) merger.add(a, b, {(rank++ * 7) % 11 + 20 * (a ^ b), (a * 3 + b) % 6});
    }
  }
  // 9 is never merged: it keeps the halves of a long piece apart.
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::vector<TokenId> piece;
    for (const char c : random_bytes(seed, 20)) piece.push_back(c & 3);
    std::vector<TokenId> twice = piece;
    twice.push_back(9);
    twice.insert(twice.end(), piece.begin(), piece.end());
    merger.merge(piece);
    merger.merge(twice);
    std::vector<TokenId> expected = piece;
    expected.push_back(9);
    expected.insert(expected.end(), piece.begin(), piece.end());
    EXPECT_EQ(twice, expected);
  }
}

TEST(AddedTokens, LongestFirstAndStripping) {
  BpeSpec spec = small_spec();
  const auto add = [&](AddedToken token) {
    token.id = static_cast<TokenId>(spec.vocab.size());
    spec.vocab.push_back(token.text);
    spec.added.push_back(token);
    return token.id;
  };
  const TokenId less = add({.text = "<x"}), more = add({.text = "<x>"});
  const TokenId greedy = add({.text = "[G]", .lstrip = true, .rstrip = true});
  const TokenId word = add({.text = "zap", .special = false, .single_word = true});
  const Tokenizer t = Tokenizer::from_spec(spec).value();
  const EncodeOptions trusted{.parse_special = true};
  EXPECT_THAT(t.encode("<x><x", trusted), ElementsAre(more, less));
  EXPECT_THAT(t.encode(" \n\u00a0[G]  [G] ", trusted), ElementsAre(greedy, greedy));
  EXPECT_THAT(t.encode("zap", {}), ElementsAre(word));
  EXPECT_THAT(t.encode("zaps", {}), testing::Not(testing::Contains(word)));
}

// Ids by Hugging Face's tokenizers.
TEST(AddedTokens, SpacesThatTwoTokensTakeAlong) {
  BpeSpec spec = small_spec();
  const auto size = static_cast<TokenId>(spec.vocab.size());
  const TokenId spaces = size, x = size + 1, owl = size + 2, lines = size + 3;
  for (const AddedToken& token : {AddedToken{.id = spaces, .text = "  ", .rstrip = true}, AddedToken{.id = x, .text = "[X]", .lstrip = true},
                                  AddedToken{.id = owl, .text = "[O]", .lstrip = true, .rstrip = true},
                                  AddedToken{.id = lines, .text = "\n\n", .lstrip = true}}) {
    spec.vocab.push_back(token.text);
    spec.added.push_back(token);
  }
  const Tokenizer t = Tokenizer::from_spec(spec).value();
  const EncodeOptions trusted{.parse_special = true};
  EXPECT_THAT(t.encode("     [X]", trusted), ElementsAre(spaces, spaces, x));
  EXPECT_THAT(t.encode("  [X]    [X]", trusted), ElementsAre(spaces, x, spaces, spaces, x));
  EXPECT_THAT(t.encode("   [O]   ", trusted), ElementsAre(spaces, owl, spaces));
  EXPECT_THAT(t.encode("\n\n[X]", trusted), ElementsAre(lines, x));
  EXPECT_THAT(t.encode("[O]\n\n[X]", trusted), ElementsAre(owl, x));  // nothing is left of the lines
  EXPECT_EQ(t.encode(std::string(1 << 20, ' '), trusted).size(), size_t{1} << 19);
}

TEST(TokenizerJson, WrittenAndReadBackIsTheSame) {
  const fs::path folder = fs::path(testing::TempDir()) / "owlet_tokenizer";
  for (const char* pre : {"gpt2", "llama3", "qwen2", "smollm"}) {
    BpeSpec spec = small_spec();
    spec.pre_tokenizer = pre;
    spec.added.push_back({.id = static_cast<TokenId>(spec.vocab.size()), .text = "\"<é>\""});
    spec.vocab.push_back("\"<é>\"");
    spec.add_bos = true;
    spec.bos = 1;
    const Tokenizer tokenizer = Tokenizer::from_spec(spec).value();
    ASSERT_TRUE(tokenizer.save(folder).ok());
    const auto again = Tokenizer::load(folder);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->spec().vocab, spec.vocab);
    EXPECT_EQ(again->spec().merges, spec.merges);
    EXPECT_EQ(again->spec().pre_tokenizer, tokenizer.spec().pre_tokenizer);
    const std::string text = "then\n\n 1234 the owls\t<end>\"<é>\"";
    EXPECT_EQ(again->encode(text, {.parse_special = true}), tokenizer.encode(text, {.parse_special = true}));
    EXPECT_EQ(again->encode(text)[0], 1);
    const auto pair = Tokenizer::load_vocab_merges(folder / "vocab.json", folder / "merges.txt");
    ASSERT_TRUE(pair.ok()) << pair.error().message;
    EXPECT_EQ(pair->spec().vocab, spec.vocab);
    EXPECT_TRUE(pair->is_special(0) && pair->is_special(1));
  }
}

std::string json_with(std::string_view model, std::string_view rest = "") {
  return fmt::format(R"({{"model":{{"type":"BPE",{}}},"pre_tokenizer":{{"type":"ByteLevel"}}{}}})", model, rest);
}

Result<Tokenizer> read(std::string_view text) {
  OWLET_ASSIGN(TokenizerSpec spec, read_tokenizer_json(text));
  return Tokenizer::from_spec(std::move(spec));
}

TEST(TokenizerJson, HostileFilesGetClearErrors) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "object"},
      {R"({"model":{"type":"Oracle"}})", "'Oracle'"},
      {R"({"model":{"type":"Unigram"}})", "must be a list"},
      {R"({"model":{"type":"Unigram","unk_id":1,"vocab":[["a",0]]}})", "'unk_id' 1"},
      {R"({"model":{"type":"Unigram","vocab":[["a"]]}})", "entry 0"},
      {json_with(R"("vocab":{"a":-1},"merges":[])"), "id -1"},
      {json_with(R"("vocab":{"a":4000000000},"merges":[])"), "id 4000000000"},
      {json_with(R"("vocab":{"a":1e3},"merges":[])"), "not an integer"},
      {json_with(R"("vocab":{"a":0,"b":0},"merges":[])"), "both 'a' and 'b'"},
      {json_with(R"("vocab":{"":0},"merges":[])"), "no text"},
      {json_with(R"("vocab":{},"merges":[])"), "empty"},
      {json_with(R"("vocab":{"a":0},"merges":["a"])"), "one space"},
      {json_with(R"("vocab":{"a":0},"merges":["a b"])"), "needs the token 'b'"},
      {json_with(R"("vocab":{"a":0},"merges":["a a"])"), "needs the token 'aa'"},
      {json_with(R"("vocab":{"a":0},"merges":[["a",1]])"), "merge 0"},
      {json_with(R"("vocab":{"a":0},"merges":[["a"]])"), "merge 0"},
      {json_with(R"("vocab":{"a":0},"merges":[["a","b","c"]])"), "merge 0"},
      {json_with(R"("vocab":{"a":0},"merges":[[["a","b"]]])"), "merge 0"},
      {json_with(R"("vocab":{"a":0},"merges":[{"a":"b"}])"), "merge 0"},
      {json_with(R"("vocab":{"a":0},"merges":{})"), "must be a list"},
      {json_with(R"("vocab":{"a":[0]},"merges":[])"), "id of the token 'a' is not an integer"},
      {json_with(R"("vocab":{"a":{"b":0}},"merges":[])"), "id of the token 'a' is not an integer"},
      {json_with(R"("vocab":{"a":18446744073709551615},"merges":[])"), "id of the token 'a' is not an integer"},
      {R"({"model":{"type":"Unigram","vocab":[["a",0],5]}})", "entry 1"},
      {R"({"model":{"type":"Unigram","vocab":[["a",0],[1,"b"]]}})", "entry 1"},
      {R"({"model":{"type":"Unigram","vocab":[["a",0],["b",1,2]]}})", "entry 1"},
      {R"({"model":{"type":"Unigram","vocab":[["a",0],["b",null]]}})", "entry 1"},
      {json_with(R"("vocab":{"a":0},"merges":[])", R"(,"added_tokens":[{"id":0,"content":"b"}])"), "both"},
      {json_with(R"("vocab":{"a":0},"merges":[])", R"(,"added_tokens":[{"id":1}])"), "'content'"},
      {json_with(R"("vocab":{"a":0},"merges":[])", R"(,"added_tokens":[{"id":5,"content":"a"}])"), "twice"},
      {json_with(R"("vocab":{"a":0},"merges":[])", R"(,"normalizer":{"type":"NFX"})"), "'NFX'"},
      {json_with(R"("vocab":{"a":0},"merges":[])", R"(,"decoder":{"type":"Morse"})"), "'Morse'"},
      {json_with(R"("vocab":{"a":0},"merges":[])", R"(,"post_processor":{"type":"BertProcessing","cls":["a",7],"sep":["a",0]})"), "token id 7"},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"}}})", "'(a'"},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Blank"}})", "'Blank'"},
  };
  for (const auto& [text, expected] : cases) {
    const auto result = read(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_THAT(result.error().message, HasSubstr(expected)) << text;
  }
  BpeSpec spec = small_spec();
  spec.pre_tokenizer = "klingon";
  EXPECT_THAT(Tokenizer::from_spec(spec).error().to_string(), HasSubstr("gpt2, llama3"));
}

TEST(TokenizerJson, AnyByteChangedIsAnErrorOrATokenizer) {
  const std::string good = write_tokenizer_json(describe(small_spec()).value());
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::string noise = random_bytes(seed, 9);
    uint64_t at;
    std::memcpy(&at, noise.data(), sizeof at);
    std::string bad = good;
    bad[at % bad.size()] = noise[8];
    if (const auto tokenizer = read(bad); tokenizer.ok()) tokenizer->encode("the owls <end>");
    EXPECT_FALSE(read(std::string_view(good).substr(0, at % good.find_last_of('}'))).ok());
  }
}

TEST(Golden, HomemadeTokenizer) {
  const fs::path dir = golden_root() / "homemade";
  OWLET_SKIP_WITHOUT_GOLDEN(dir);
  const auto tokenizer = Tokenizer::load_vocab_merges(dir / "tokenizer-vocab.json", dir / "tokenizer-merges.txt");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->id_of("<think_start>"), 7);
  EXPECT_TRUE(tokenizer->is_special(8));
  const Json samples = golden_json(dir / "samples.json");
  for (const Json& sample : samples["encode"]) {
    EXPECT_EQ(tokenizer->encode(sample["text"].get<std::string>()), sample["ids"].get<std::vector<TokenId>>()) << sample;
  }
}

}  // namespace
}  // namespace owlet
