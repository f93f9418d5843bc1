// Every stage of tokenizer.json by itself, every kind of model as a whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "core/file.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/decoders.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/token_lists.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

std::string normalized(const char* json, std::string_view text) {
  const auto normalizer = read_normalizer(parse_json(json).value());
  if (!normalizer.ok()) return "[" + normalizer.error().message + "]";
  return normalize(*normalizer, text);
}

TEST(Normalizers, EachKind) {
  const std::vector<std::array<const char*, 3>> cases = {
      {R"({"type":"NFC"})", "e\u0301 \u1100\u1161", "é 가"},
      {R"({"type":"NFD"})", "é", "e\u0301"},
      {R"({"type":"NFKC"})", "ﬁ①Ａ", "fi1A"},
      {R"({"type":"NFC"})", "a\u0323\u0301 a\u0301\u0323", "ạ\u0301 ạ\u0301"},
      {R"({"type":"Lowercase"})", "ÄİΣ", "äi\u0307σ"},
      {R"({"type":"StripAccents"})", "e\u0301x", "ex"},
      {R"({"type":"Strip","strip_left":true,"strip_right":false})", " \t a ", "a "},
      {R"({"type":"Prepend","prepend":"_"})", "a", "_a"},
      {R"({"type":"Prepend","prepend":"_"})", "", ""},
      {R"({"type":"Replace","pattern":{"String":"."},"content":"!"})", "a.b", "a!b"},
      {R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})", "a   b c", "a b c"},
      {R"({"type":"ByteLevel"})", " é", "ĠÃ©"},
      {R"({"type":"Nmt"})", "a\u200bb\u0001", "a b"},
      {R"({"type":"BertNormalizer"})", "Né\t中\u0000"  "x", "ne  中 "},
      {R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Prepend","prepend":"X"}]})", "A", "Xa"},
      {R"({"type":"NFX"})", "", "[the normalizer 'NFX' is not one that Owlet reads]"},
  };
  for (const auto& [json, text, expected] : cases) EXPECT_EQ(normalized(json, text), expected) << json;
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "e\u0301\xff\u0301"), "é\xff\u0301");
}

Strings pieces(const char* json, std::string_view text, const char* normalizer = "null") {
  const auto pre = PreTokenizer::read(parse_json(json).value());
  if (!pre.ok()) return {"[" + pre.error().message + "]"};
  const Normalizer change = read_normalizer(parse_json(normalizer).value()).value();
  size_t first = text.empty() ? 0 : unicode::code_point_at(text, 0).length;
  const std::string normal = change ? change(text, first) : std::string(text);
  Pieces list;
  list.list.push_back({normal, first});
  pre->cut(list);
  Strings out;
  for (const auto& piece : list.list) out.emplace_back(piece.text);
  return out;
}

TEST(PreTokenizers, EachKind) {
  EXPECT_THAT(pieces(R"({"type":"Whitespace"})", "it's  a-b é\u0301"), ElementsAre("it", "'", "s", "a", "-", "b", "é\u0301"));
  EXPECT_THAT(pieces(R"({"type":"WhitespaceSplit"})", " a b\u3000c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(pieces(R"({"type":"Digits","individual_digits":true})", "a12"), ElementsAre("a", "1", "2"));
  EXPECT_THAT(pieces(R"({"type":"Digits","individual_digits":false})", "a12b"), ElementsAre("a", "12", "b"));
  EXPECT_THAT(pieces(R"({"type":"Punctuation"})", "a?!b"), ElementsAre("a", "?", "!", "b"));
  EXPECT_THAT(pieces(R"({"type":"Punctuation","behavior":"Contiguous"})", "a?!b"), ElementsAre("a", "?!", "b"));
  EXPECT_THAT(pieces(R"({"type":"BertPreTokenizer"})", "it's ok"), ElementsAre("it", "'", "s", "ok"));
  EXPECT_THAT(pieces(R"({"type":"CharDelimiterSplit","delimiter":"-"})", "a-b--c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(pieces(R"({"type":"FixedLength","length":2})", "aéb"), ElementsAre("aé", "b"));
  EXPECT_THAT(pieces(R"({"type":"Metaspace"})", "a b"), ElementsAre("▁a", "▁b"));
  EXPECT_THAT(pieces(R"({"type":"Metaspace","prepend_scheme":"never","split":false})", "a b"), ElementsAre("a▁b"));
  EXPECT_THAT(pieces(R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","prepend_scheme":"first"}]})", "a b"),
              ElementsAre("▁a", "b"));
  EXPECT_THAT(pieces(R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":true},{"type":"Digits","individual_digits":true}]})", "é1"),
              ElementsAre("ĠÃ©", "1"));
  EXPECT_THAT(pieces(R"({"type":"Split","pattern":{"Regex":"("}})", ""), ElementsAre(HasSubstr("cannot be used")));
}

// What Hugging Face's tokenizers cut these texts into, character by character.
TEST(PreTokenizers, MetaspaceFindsWhatStemsFromTheFirstCharacter) {
  const auto cut = [](std::string_view text, const char* normalizer) {
    return pieces(R"({"type":"Sequence","pretokenizers":[{"type":"FixedLength","length":1},
                     {"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false}]})", text, normalizer);
  };
  EXPECT_THAT(cut("abc", "null"), ElementsAre("_a", "b", "c"));
  EXPECT_THAT(cut("81", R"({"type":"Prepend","prepend":"a"})"), ElementsAre("_a", "_8", "1"));
  EXPECT_THAT(cut(" ab", R"({"type":"Strip","strip_left":true,"strip_right":false})"), ElementsAre("a", "b"));
  EXPECT_THAT(cut("a  ", R"({"type":"Strip","strip_left":false,"strip_right":true})"), ElementsAre("_a"));
  EXPECT_THAT(cut("½a", R"({"type":"NFKD"})"), ElementsAre("_1", "_⁄", "_2", "a"));
  EXPECT_THAT(cut("\u0301ab", R"({"type":"StripAccents"})"), ElementsAre("a", "b"));
  EXPECT_THAT(cut("\x01" "ab", R"({"type":"Nmt"})"), ElementsAre("a", "b"));
  EXPECT_THAT(cut("中a", R"({"type":"BertNormalizer"})"), ElementsAre("_", "_中", "_", "a"));
  EXPECT_THAT(cut("a\u0301b", R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"ByteLevel"}]})"), ElementsAre("_Ã", "_¡", "b"));
  EXPECT_THAT(cut("a\u0301b", R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"x"},{"type":"NFC"}]})"), ElementsAre("_x", "_á", "b"));
  // A map that drops U+0001 and makes "yz" of "x": a trie of two units for each, then their texts.
  std::string map("\0\4\0\0", 4);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t unit = i == 0 ? 2 << 10 : i == 3 ? 4 << 10 | 0x101 : i == 7 ? 1u << 31 : i == 122 ? 128 << 10 | 0x178 : i == 250 ? 1u << 31 | 1 : 0;
    for (int shift = 0; shift < 32; shift += 8) map += static_cast<char>(unit >> shift & 255);
  }
  const std::string precompiled = dump_json(Json{{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(map + std::string("\0yz\0", 4))}});
  EXPECT_THAT(cut("xab", precompiled.c_str()), ElementsAre("_y", "_z", "a", "b"));
  EXPECT_THAT(cut("\x01xa", precompiled.c_str()), ElementsAre("_y", "_z", "a"));
  const auto replaced = [&](std::string_view text, const char* pattern, const char* content) {
    return cut(text, dump_json(Json{{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", content}}).c_str());
  };
  EXPECT_THAT(replaced("ab", "a", "xy"), ElementsAre("_x", "_y", "b"));
  EXPECT_THAT(replaced("abc", "ab", "x"), ElementsAre("x", "c"));
  EXPECT_THAT(replaced("ab", "b", "xy"), ElementsAre("_a", "x", "y"));
  EXPECT_THAT(replaced("ba", "b", ""), ElementsAre("a"));
  EXPECT_THAT(replaced("ab", "\\b", "x"), ElementsAre("_x", "_a", "b", "x"));
}

TEST(PreTokenizers, MetaspaceFindsTheBeginningBehindOtherSteps) {
  const auto behind = [](const char* step) {
    const std::string metaspace = R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false})";
    return pieces(fmt::format(R"({{"type":"Sequence","pretokenizers":[{},{{"type":"FixedLength","length":1}},{}]}})", step, metaspace).c_str(), "éa b");
  };
  EXPECT_THAT(behind(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false})"), ElementsAre("_", "_é", "a", "_", "b"));
  EXPECT_THAT(behind(R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":false})"), ElementsAre("_Ġ", "_Ã", "_©", "a", "Ġ", "b"));
  EXPECT_THAT(behind(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})"), ElementsAre("_Ã", "_©", "a", "Ġ", "b"));
}

TEST(PreTokenizers, BehaviorsOfSplits) {
  const auto cut = [](const char* behavior, bool invert) {
    return pieces(fmt::format(R"({{"type":"Split","pattern":{{"String":"-"}},"behavior":"{}","invert":{}}})", behavior, invert).c_str(), "-a--b-");
  };
  EXPECT_THAT(cut("Removed", false), ElementsAre("a", "b"));
  EXPECT_THAT(cut("Removed", true), ElementsAre("-", "-", "-", "-"));
  EXPECT_THAT(cut("Isolated", false), ElementsAre("-", "a", "-", "-", "b", "-"));
  EXPECT_THAT(cut("MergedWithPrevious", false), ElementsAre("-", "a-", "-", "b-"));
  EXPECT_THAT(cut("MergedWithNext", false), ElementsAre("-a", "-", "-b", "-"));
  EXPECT_THAT(cut("Contiguous", false), ElementsAre("-", "a", "--", "b", "-"));
}

// Oniguruma's words that PCRE2 has not, or understands otherwise.
TEST(PreTokenizers, PatternsMeanWhatTheyMeantToOniguruma) {
  const auto cut = [](const char* pattern, std::string_view text) {
    const Json node = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Removed"}, {"invert", true}};
    return pieces(dump_json(node).c_str(), text);
  };
  EXPECT_THAT(cut("[^(\\s|[.,!])]+", "a.b (c) d]"), ElementsAre("a", "b", "c", "d]"));
  EXPECT_THAT(cut("[\\p{L}&&[^\\p{Han}]]+", "ab中c"), ElementsAre("ab", "c"));
  EXPECT_THAT(cut("\\w+", "e\u0301\u0f77x y"), ElementsAre("e\u0301\u0f77x", "y"));
  EXPECT_THAT(cut("\\p{N}{1,3}+", "12345"), ElementsAre("12345"));
  EXPECT_THAT(cut("\\p{Han}", "中\u3255"), ElementsAre("中"));
  EXPECT_THAT(cut("\\h+", "fg 1A"), ElementsAre("f", "1A"));
  EXPECT_THAT(cut("\\p{M}", "a\u0cf3"), ElementsAre("\u0cf3"));       // assigned after PCRE2's tables were made
  EXPECT_THAT(cut("[^\\p{L}]+", "a\u1c89-"), ElementsAre("-"));
  EXPECT_THAT(cut("\\S+", "a\u180eb c"), ElementsAre("a\u180eb", "c"));
  EXPECT_THAT(cut("x*", "axx"), ElementsAre("xx"));
  EXPECT_THAT(cut("a", "\xff" "a\xff"), ElementsAre("a"));
  const auto marked = [](const char* pattern, std::string_view text) {
    return normalized(dump_json(Json{{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", "|"}}).c_str(), text);
  };
  EXPECT_EQ(marked("^a|b$", "ab\nab\ncab"), "||\n||\nca|");
  EXPECT_EQ(marked("^|$", ""), "");
  EXPECT_EQ(marked("^|$", "a\nb\r\nc\n"), "|a|\n|b\r|\n|c|\n|");
  EXPECT_EQ(marked("\\b", "a\u0301b ½-a"), "|a\u0301b| |½|-|a|");
  EXPECT_EQ(marked("\\B", "ab --"), "a|b |-|-|");
  EXPECT_EQ(marked("\\w", "½Ⓐ_a\u0301-"), "|||||-");
  EXPECT_EQ(marked("[\\w]", "½Ⓐ_a\u0301-"), "½||||-");
  EXPECT_EQ(marked("\\W", "½Ⓐ_a\u0301-"), "½Ⓐ_a\u0301|");
  EXPECT_EQ(marked("[^\\w]", "½Ⓐ_a\u0301-"), "|Ⓐ_a\u0301|");
}

TEST(PreTokenizers, HostilePatternsEnd) {
  const auto cut = [](const char* pattern, const std::string& text) {
    return pieces(dump_json(Json{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}}).c_str(), text);
  };
  for (const char* pattern : {"(a+)+$", "(a|aa)+$", "(a*)*b", "([a-zA-Z]+)*!", "(?:(?:a+)+)+x"}) {
    std::string whole;
    for (const std::string& piece : cut(pattern, std::string(5000, 'a') + "-")) whole += piece;
    EXPECT_EQ(whole, std::string(5000, 'a') + "-") << pattern;
  }
}

TEST(Stages, EachByItsVersionOfUnicode) {
  EXPECT_THAT(pieces(R"({"type":"Punctuation"})", "a\u2e42b"), ElementsAre("a", "\u2e42", "b"));
  EXPECT_THAT(pieces(R"({"type":"BertPreTokenizer"})", "a\u2e43b"), ElementsAre("a\u2e43b"));  // punctuation since Unicode 9.0
  EXPECT_THAT(pieces(R"({"type":"Digits","individual_digits":true})", "a\U00011de0b"), ElementsAre("a", "\U00011de0", "b"));
}

TEST(Decoders, EachKind) {
  const auto decoded = [](const char* json, const Strings& tokens) {
    const auto decoder = TokenDecoder::read(parse_json(json).value(), false).value();
    std::string out;
    for (size_t i = 0; i < tokens.size(); ++i) out += decoder.decode(tokens[i], {.first = i == 0, .last = i + 1 == tokens.size()});
    return out;
  };
  EXPECT_EQ(decoded(R"({"type":"ByteLevel"})", {"ĠÃ", "©中"}), " \xc3©中");
  EXPECT_EQ(decoded(R"({"type":"Metaspace"})", {"▁a", "▁b"}), "a b");
  EXPECT_EQ(decoded(R"({"type":"ByteFallback"})", {"<0xE4>", "<0xzz>", "a"}), "\xe4<0xzz>a");
  EXPECT_EQ(decoded(R"({"type":"WordPiece"})", {"it", "##s", "'", "s", "ok", "."}), "its ' s ok.");
  EXPECT_EQ(decoded(R"({"type":"Strip","content":"x","start":1,"stop":2})", {"xxaxxx"}), "xax");
  EXPECT_EQ(decoded("null", {"a", "b"}), "a b");
  EXPECT_EQ(decoded(R"({"type":"BPEDecoder"})", {"to", "day</w>", "</w>x</w> "}), "today x ");
}

// Added tokens are text, unless what they would spell is text too.
TEST(Decoders, AddedTokensAmongSpelledBytes) {
  const auto decoder = TokenDecoder::read(parse_json(R"({"type":"ByteLevel"})").value(), true).value();
  for (const auto& [token, text] : std::map<std::string, std::string>{{"É", "É"}, {"中文", "中文"}, {"Ã©", "é"}, {"a b", "a b"}, {"<s>", "<s>"}}) {
    EXPECT_EQ(decoder.decode(token, {.added = true}), text);
  }
}

TEST(PostProcessors, WhatStandsAround) {
  const auto around = [](const char* json) {
    const auto result = read_post_processor(parse_json(json).value(), 10);
    return result.ok() ? std::pair(result->before, result->after) : std::pair(std::vector<TokenId>{-1}, std::vector<TokenId>{});
  };
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(around(R"({"type":"RobertaProcessing","cls":["<s>",0],"sep":["</s>",2]})"), std::pair(Ids{0}, Ids{2}));
  EXPECT_EQ(around(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"y"}}],
                      "special_tokens":{"x":{"ids":[1,2]},"y":{"ids":[3]}}})"), std::pair(Ids{1, 2}, Ids{3}));
  EXPECT_EQ(around(R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{}})"), std::pair(Ids{-1}, Ids{}));
  EXPECT_EQ(around(R"({"type":"BertProcessing","cls":["a",10],"sep":["b",1]})"), std::pair(Ids{-1}, Ids{}));
}

// One small tokenizer of each kind; <end> is its control token, id 1.
std::map<std::string, TokenizerSpec> kinds() {
  std::map<std::string, TokenizerSpec> all;
  const AddedToken end{.id = 1, .text = "<end>"};
  Strings vocab = {"<unk>", "<end>"};
  for (const char* token : {"▁", "a", "b", "<", "e", "n", "d", ">", "▁a", "ab", "▁ab", "aa", "aaaa", "<e", "nd>", "é"}) vocab.emplace_back(token);
  TokenizerSpec pieces;
  pieces.vocab = vocab;
  pieces.added = {end};
  pieces.unk = 0;
  pieces.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
  pieces.decoder = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
                      {"type":"Strip","content":" ","start":1,"stop":0}]})";
  for (int byte = 0; byte < 256; ++byte) pieces.vocab.push_back(fmt::format("<0x{:02X}>", byte));
  pieces.byte_fallback = true;
  for (size_t id = 0; id < pieces.vocab.size(); ++id) pieces.scores.push_back(-1.0 - static_cast<double>(id) / 4);
  all["scores"] = pieces;
  TokenizerSpec merges = pieces;
  merges.scores.clear();
  merges.merges = {{"a", "a"}, {"aa", "aa"}, {"a", "b"}, {"▁", "a"}, {"▁", "ab"}, {"<", "e"}};
  all["merges"] = merges;
  TokenizerSpec unigram = pieces;
  unigram.kind = TokenModelKind::kUnigram;
  all["unigram"] = unigram;
  TokenizerSpec words;
  words.kind = TokenModelKind::kWordPiece;
  words.vocab = {"[UNK]", "<end>", "a", "##a", "##b", "aab", "<", "end", ">", "##<", "##end"};
  words.added = {end};
  words.unk = 0;
  words.continuing_prefix = "##";
  words.normalizer = R"({"type":"BertNormalizer"})";
  words.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  words.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  all["word_piece"] = words;
  words.kind = TokenModelKind::kWordLevel;
  words.pre_tokenizer = R"({"type":"WhitespaceSplit"})";
  all["word_level"] = words;
  return all;
}

TEST(EveryKind, EncodesAndDecodes) {
  const auto ids = [](const char* kind, const char* text) { return Tokenizer::from_spec(kinds()[kind]).value().encode(text); };
  EXPECT_THAT(ids("merges", "ab aaaab"), ElementsAre(12, 2, 14, 4));
  EXPECT_THAT(ids("scores", "ab"), ElementsAre(12));
  EXPECT_THAT(ids("unigram", "ab"), ElementsAre(12));
  EXPECT_THAT(ids("word_piece", "AAB aaa x"), ElementsAre(5, 2, 3, 3, 0));
  EXPECT_THAT(ids("word_level", "aab x"), ElementsAre(5, 0));
  for (const char* kind : {"scores", "merges", "unigram"}) {
    const Tokenizer tokenizer = Tokenizer::from_spec(kinds()[kind]).value();
    for (const std::string text : {"ab aab", " 🦉é\n", "", "a  b", "<end>"}) {
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text), true), text) << kind;
      StreamDecoder stream(tokenizer), on(tokenizer, false, true);
      std::string streamed, went_on;
      for (const TokenId id : tokenizer.encode(text)) {
        const std::string part = stream.push(id);
        EXPECT_EQ(unicode::replace_broken(part), part);
        streamed += part;
        went_on += on.push(id);
      }
      EXPECT_EQ(streamed + stream.finish(), text) << kind;
      EXPECT_EQ(went_on + on.finish(), text.empty() ? "" : " " + text) << kind;
    }
  }
}

// Texts by Hugging Face's tokenizers.
TEST(StreamDecoder, TheLastWordEndsOtherwise) {
  TokenizerSpec spec = kinds()["word_level"];
  spec.vocab = {"to", "<end>", "day</w>", "x</w>", "</w>"};
  spec.decoder = R"({"type":"BPEDecoder","suffix":"</w>"})";
  const Tokenizer tokenizer = Tokenizer::from_spec(spec).value();
  for (const auto& [ids, text] : std::vector<std::pair<std::vector<TokenId>, std::string>>{
           {{0, 2, 3}, "today x"}, {{0, 2}, "today"}, {{0, 2, 4}, "today "}, {{4, 4, 0}, "  to"}, {{0, 2, 1}, "today"}, {{}, ""}}) {
    EXPECT_EQ(tokenizer.decode(ids), text);
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const TokenId id : ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.finish(), text);
  }
}

TEST(EveryKind, TypedTextNeverBecomesAControlToken) {
  for (auto [name, spec] : kinds()) {
    spec.merges.insert(spec.merges.end(), name == "merges" ? 1 : 0, {"<e", "nd>"});
    for (const bool is_normalized : {false, true}) {
      spec.added[0].normalized = is_normalized;
      const auto tokenizer = Tokenizer::from_spec(spec);
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
      for (const char* text : {"<end>", "a<end>", " <end> ", "<end><end>", "\uff1cend\uff1e", "##<end>", "▁<end>"}) {
        EXPECT_THAT(tokenizer->encode(text), testing::Not(testing::Contains(1))) << name << text;
        MarkedText marked("<end>", true);
        marked.append(text, false);
        const auto ids = tokenizer->encode(marked);
        EXPECT_LE(std::count(ids.begin(), ids.end(), 1), 1) << name << text;
      }
      EXPECT_THAT(tokenizer->encode("a<end>", {.parse_special = true}).size(), testing::Gt(0u));
    }
  }
}

TEST(EveryKind, WrittenAndReadBackIsTheSame) {
  for (const auto& [name, spec] : kinds()) {
    const Tokenizer tokenizer = Tokenizer::from_spec(spec).value();
    const auto again = read_tokenizer_json(write_tokenizer_json(tokenizer.spec()));
    ASSERT_TRUE(again.ok()) << again.error().message;
    const Tokenizer reread = Tokenizer::from_spec(*again).value();
    for (const char* text : {"ab aab é🦉", "a<end> b", " aaaa  <e nd>"}) {
      EXPECT_EQ(reread.encode(text, {.parse_special = true}), tokenizer.encode(text, {.parse_special = true})) << name;
      EXPECT_EQ(reread.decode({1, 3, 4, 5}, true), tokenizer.decode({1, 3, 4, 5}, true)) << name;
    }
  }
}

// Whatever is repeated a hundred thousand times takes no more than its share; what is quadratic would take minutes.
TEST(EveryKind, IsLinear) {
  auto all = kinds();
  TokenizerSpec bytes = describe({.vocab = {"a", "Ġ", "aa"}, .merges = {{"a", "a"}}, .added = {}}).value();
  all["bytes"] = bytes;
  for (const char* pattern : {"\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\S+", "[aeiou]*b", "(a|a)*c", "(?:a+)+c", "[A-Z]*[a-z]+|\\\\s+$|."}) {
    bytes.pre_tokenizer = fmt::format(R"({{"type":"Sequence","pretokenizers":[{{"type":"Split","pattern":{{"Regex":"{}"}},"behavior":"Isolated"}},
                                          {{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}}]}})", pattern);
    all[pattern] = bytes;
  }
  TokenizerSpec forms = kinds()["unigram"];
  forms.normalizer = R"({"type":"NFKC"})";
  all["forms"] = forms;
  for (const auto& [name, spec] : all) {
    const auto tokenizer = Tokenizer::from_spec(spec);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    for (const std::string unit : {"a", " ", "é", "\n", "\u0301\u0323", "\xff", "<", "aA"}) {
      std::string text;
      while (text.size() < 100'000) text += unit;
      const auto begin = std::chrono::steady_clock::now();
      tokenizer->encode(text);
      EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), 8) << name << " " << unit;
    }
  }
}

TEST(EveryKind, NestingHasAnEnd) {
  for (const auto& [type, list, member] : {std::array{"normalizer", "normalizers", "NFC"}, std::array{"pre_tokenizer", "pretokenizers", "Whitespace"},
                                           std::array{"decoder", "decoders", "Fuse"}, std::array{"post_processor", "processors", "ByteLevel"}}) {
    std::string stage = fmt::format(R"({{"type":"{}"}})", member);
    for (int i = 0; i < 25; ++i) stage = fmt::format(R"({{"type":"Sequence","{}":[{}]}})", list, stage);
    const auto spec = read_tokenizer_json(fmt::format(R"({{"model":{{"type":"BPE","vocab":{{"a":0}},"merges":[]}},"{}":{}}})", type, stage));
    ASSERT_TRUE(spec.ok());
    EXPECT_FALSE(Tokenizer::from_spec(*spec).ok()) << type;
  }
}

// Digits over a power of ten: one unit from the nearest double here, and Unigrams' ties hang on it.
TEST(TokenLists, ScoresAreReadAsTokenizersReadsThem) {
  const auto document = parse_tokenizer_json(
      R"({"model": {"vocab": [["a", -9.728340843400927], ["b", -8.6039411098138503], ["c", -1.5e-1], ["d", -3]]}})");
  ASSERT_TRUE(document.ok());
  std::vector<double> scores;
  for (const auto& [token, score] : document->lists.scores) scores.push_back(score);
  EXPECT_THAT(scores, ElementsAre(-0x1.374e9174d7f00p+3, -8.60394110981385, -0.15, -3.0));
}

}  // namespace
}  // namespace owlet
