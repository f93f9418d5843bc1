#include "apps/memory_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace owlet {
namespace {
using testing::HasSubstr;

// 505 M parameters in shape only: nothing is read, nothing is allocated.
Model large_model() {
  ModelConfig c;
  c.vocab_size = 50000;
  c.dim = 1024;
  c.n_layers = 24;
  c.n_heads = c.n_kv_heads = 16;
  c.head_dim = 64;
  c.ffn_dim = 4096;
  c.max_positions = 4096;
  return {c, empty_weights(c)};
}

std::string refusal(const RunSize& size, int64_t available) {
  const Status status = check_memory("big", large_model(), size, available);
  return status.ok() ? "" : status.error().to_string();
}

TEST(CheckMemory, TheNumbersAndWhatWouldFit) {
  const RunSize size{.context = 1024, .sequences = 1, .rows = 257};
  EXPECT_EQ(refusal(size, int64_t{4} << 30), "");
  const std::string q8 = refusal(size, int64_t{900} << 20);
  EXPECT_THAT(q8, HasSubstr("big needs 2.19 GB of memory and 943.7 MB can be had: weights 2.02 GB"));
  EXPECT_THAT(q8, HasSubstr("(1 × 1,024 tokens)"));
  EXPECT_THAT(q8, HasSubstr("q8_0 would fit, with"));
  EXPECT_THAT(q8, HasSubstr("owlet quantize big smaller.gguf --type q8_0"));
  EXPECT_THAT(refusal(size, int64_t{100} << 20), HasSubstr("no quantization would fit: 505."));
  EXPECT_THAT(refusal({.context = 1024, .sequences = 32, .rows = 1, .kv_tokens = 30000}, int64_t{3} << 30), HasSubstr("(30,000 tokens)"));
  // The weights have room, the keys and values have not.
  EXPECT_THAT(refusal({.context = 1 << 20, .sequences = 1, .rows = 1}, int64_t{4} << 30), HasSubstr("a context of 2"));
}

}  // namespace
}  // namespace owlet
