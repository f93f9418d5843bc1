// Thousands of damaged tokenizer.json: each is refused with a message, or loads and can be used.
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/test_mutations.h"
#include "tokenizer/tokenizer.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr int kMutations = 10000;

// Every kind of stage that a file can ask for, around each kind of model.
constexpr const char* kStages = R"("added_tokens":[{"id":0,"content":"<s>","special":true,"lstrip":false,"rstrip":true,"normalized":false,"single_word":false}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"a{2,}"},"content":"a"},{"type":"Prepend","prepend":"x"}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+"},"behavior":"Isolated","invert":false},{"type":"Digits","individual_digits":true}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},
"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"Fuse"}]},)";
constexpr const char* kModels[] = {
    R"("model":{"type":"BPE","unk_token":"<s>","fuse_unk":true,"byte_fallback":false,"vocab":{"<s>":0,"a":1,"b":2,"ab":3," ":4,"abab":5},"merges":["a b",["ab","ab"]]})",
    R"("model":{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<s>",0],["a",-1.5],["b",-2],["ab",-2.5],[" ",-3]]})",
    R"("model":{"type":"WordPiece","unk_token":"<s>","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"<s>":0,"a":1,"##b":2,"ab":3}})",
    R"("model":{"type":"WordLevel","unk_token":"<s>","vocab":{"<s>":0,"a":1,"ab":2}})"};

TEST(Mutation, TokenizerJson) {
  const fs::path file = fs::path(testing::TempDir()) / "owlet_damaged_tokenizer.json";
  int loaded = 0, refused = 0;
  Random random{7};
  for (int i = 0; i < kMutations; ++i) {
    const std::string original = std::string("{\"version\":\"1.0\",") + kStages + kModels[i % 4] + "}";
    const std::string bytes = i < 4 ? original : mutate(original, original.size(), random);
    std::FILE* out = std::fopen(file.c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fclose(out);
    const auto tokenizer = Tokenizer::load(file);
    if (i < 4) {
      ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    }
    if (!tokenizer.ok()) {
      ++refused;
      EXPECT_GT(tokenizer.error().message.size(), 10u);
      continue;
    }
    ++loaded;
    const auto ids = tokenizer->encode("aab abab <s> 12\xff\n", {.add_special = true, .parse_special = true});
    (void)tokenizer->decode(ids, true);
  }
  EXPECT_GT(refused, kMutations / 4);
  EXPECT_GT(loaded, kMutations / 50);
}

}  // namespace
}  // namespace owlet
