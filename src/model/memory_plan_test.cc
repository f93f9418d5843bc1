#include "model/memory_plan.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

ModelConfig config() {
  ModelConfig c;
  c.vocab_size = 1024;
  c.dim = 256;
  c.n_layers = 3;
  c.n_heads = 4;
  c.n_kv_heads = 2;
  c.head_dim = 64;
  c.ffn_dim = 512;
  c.max_positions = 4096;
  return c;
}

TEST(MemoryPlan, IsWhatIsAllocated) {
  const ModelConfig c = config();
  const Model model = make_model(c, make_weights(c)).value();
  const MemoryPlan plan = plan_memory(model, {.context = 100, .sequences = 3, .rows = 7});
  EXPECT_EQ(plan.weights, 4 * c.n_params());
  EXPECT_EQ(plan.kv, KvCache(c, 3 * 4, DType::kF16).bytes());
  EXPECT_EQ(plan.kv_per_token, 3 * 2 * 2 * 64 * 2);
  EXPECT_EQ(plan.activations, 7 * 4 * (64 + 2 * 256 + 2 * 256 + 2 * 128 + 2 * 512 + 1024));
  EXPECT_EQ(plan_memory(model, {.context = 100, .sequences = 3, .rows = 7, .kv_tokens = 130}).kv, KvCache(c, 5, DType::kF16).bytes());
  const RunSize in_blocks{.context = 100, .sequences = 3, .rows = 7, .kv_dtype = DType::kQ8_0};
  EXPECT_EQ(plan_memory(model, in_blocks).kv, KvCache(c, 3 * 4, DType::kQ8_0).bytes());
  EXPECT_EQ(plan_memory(model, in_blocks).kv_per_token, 3 * 2 * 2 * 64 / 32 * 34);
  EXPECT_EQ(plan.peak(), plan.weights + plan.kv + plan.activations);
}

TEST(MemoryPlan, WeightsByRealBlocks) {
  const ModelConfig c = config();
  const int64_t norms = (2 * 3 + 1) * 256, matrices = c.n_params() - norms;
  EXPECT_EQ(weight_bytes(c, DType::kF32), 4 * c.n_params());
  EXPECT_EQ(weight_bytes(c, DType::kQ8_0), matrices / 32 * 34 + 4 * norms);
  EXPECT_EQ(weight_bytes(c, DType::kQ6_K), matrices / 256 * 210 + 4 * norms);
  ModelConfig odd = c;
  odd.ffn_dim = 480;  // no multiple of 256
  EXPECT_FALSE(weight_bytes(odd, DType::kQ6_K).has_value());
  EXPECT_TRUE(weight_bytes(odd, DType::kQ8_0).has_value());
}

TEST(MemoryPlan, TheLargestTypeThatFits) {
  const ModelConfig c = config();
  const DType all[] = {DType::kQ4_0, DType::kQ8_0, DType::kQ6_K};
  EXPECT_EQ(largest_that_fits(c, all, *weight_bytes(c, DType::kQ8_0)), DType::kQ8_0);
  EXPECT_EQ(largest_that_fits(c, all, *weight_bytes(c, DType::kQ8_0) - 1), DType::kQ6_K);
  EXPECT_EQ(largest_that_fits(c, all, *weight_bytes(c, DType::kQ4_0)), DType::kQ4_0);
  EXPECT_FALSE(largest_that_fits(c, all, *weight_bytes(c, DType::kQ4_0) - 1).has_value());
}

}  // namespace
}  // namespace owlet
