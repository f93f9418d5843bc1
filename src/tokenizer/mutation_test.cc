// Thousands of damaged tokenizer.json: each is refused with a message, or loads and can be used.
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/test_mutations.h"
#include "tokenizer/test_tokenizer_files.h"
#include "tokenizer/tokenizer.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr int kMutations = 10000;

TEST(Mutation, TokenizerJson) {
  const fs::path file = fs::path(testing::TempDir()) / "owlet_damaged_tokenizer.json";
  int loaded = 0, refused = 0;
  Random random{7};
  const std::vector<std::string> originals = every_kind_of_tokenizer();
  for (int i = 0; i < kMutations; ++i) {
    const std::string& original = originals[static_cast<size_t>(i) % originals.size()];
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
