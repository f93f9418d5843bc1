#include "model/homemade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "io/test_torch_file.h"
#include "model/load.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

ModelConfig tiny_config() {
  ModelConfig c;
  c.vocab_size = 40;
  c.dim = 64;
  c.n_layers = 2;
  c.n_heads = 16;
  c.n_kv_heads = 8;
  c.head_dim = 4;
  c.ffn_dim = 24;
  c.max_positions = 4096;
  c.rope.theta = 50000;
  c.rope_interleaved = true;
  return c;
}

fs::path scratch(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_homemade_test" / name;
  fs::remove_all(dir);
  fs::create_directories(dir);
  return dir;
}

Weights random_weights(const ModelConfig& c) {
  Weights weights = make_weights(c);
  init_weights(weights, c, 7);
  return weights;
}

void write_checkpoint(const fs::path& file, const Weights& weights) {
  std::vector<std::pair<std::string, TensorView>> tensors;
  weights.for_each([&](const std::string& name, const Tensor& tensor) { tensors.emplace_back(name_in_checkpoint(name), tensor); });
  ASSERT_TRUE(write_file(file, testing_torch::state_dict(tensors, true)).ok());
}

std::map<std::string, std::vector<float>> numbers(const Weights& weights) {
  std::map<std::string, std::vector<float>> all;
  weights.for_each([&](const std::string& name, const Tensor& tensor) {
    all[name].assign(tensor.f32(), tensor.f32() + tensor.numel());
  });
  return all;
}

TEST(Homemade, ShapesSayWhatTheFileLeavesUnsaid) {
  const ModelConfig c = tiny_config();
  const Weights weights = random_weights(c);
  const fs::path dir = scratch("plain");
  write_checkpoint(dir / "model.pt", weights);
  for (const fs::path& path : {dir / "model.pt", dir}) {
    const auto model = load_model(path);
    ASSERT_TRUE(model.ok()) << model.error().to_string();
    EXPECT_EQ(numbers(model->weights), numbers(weights));
    const ModelConfig& got = model->config;
    EXPECT_EQ(got.n_layers, 2);
    EXPECT_EQ(got.n_heads, 16);
    EXPECT_EQ(got.n_kv_heads, 8);
    EXPECT_EQ(got.rope.theta, 50000);
    EXPECT_TRUE(got.rope_interleaved);
    EXPECT_FALSE(got.tie_embeddings);
  }
}

TEST(Homemade, ParamsBesideItAreRead) {
  ModelConfig c = tiny_config();
  c.n_heads = 8;
  c.head_dim = 8;
  c.n_kv_heads = 2;
  c.tie_embeddings = true;
  const fs::path dir = scratch("params");
  write_checkpoint(dir / "consolidated.00.pth", random_weights(c));
  ASSERT_TRUE(write_file(dir / "params.json", R"({"n_heads": 8, "norm_eps": 1e-6, "rope_theta": 500000.0})").ok());
  const auto config = load_config(dir);
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config->n_kv_heads, 2);
  EXPECT_EQ(config->rms_eps, 1e-6);
  EXPECT_EQ(config->rope.theta, 500000);
  EXPECT_TRUE(config->tie_embeddings);
}

TEST(Homemade, WhatIsMissingIsNamed) {
  const ModelConfig c = tiny_config();
  Weights weights = random_weights(c);
  const fs::path dir = scratch("missing");
  weights.layers[1].up.weight_OI = Tensor(DType::kF32, {1, 2});
  write_checkpoint(dir / "a.pt", weights);
  EXPECT_THAT(load_model(dir / "a.pt").error().to_string(), testing::HasSubstr("model.layers.1.mlp.up_proj.weight has the shape [1, 2]"));
  ASSERT_TRUE(write_file(dir / "params.json", R"({"n_heads": 3})").ok());
  EXPECT_THAT(load_model(dir / "a.pt").error().to_string(), testing::HasSubstr("3 heads"));
}

// Meta's pairs become Hugging Face's halves on the way, and come back.
TEST(Homemade, BecomesAHuggingFaceFolder) {
  const ModelConfig c = tiny_config();
  const Weights weights = random_weights(c);
  const fs::path dir = scratch("hf");
  write_checkpoint(dir / "model.pt", weights);
  const auto model = load_model(dir / "model.pt");
  ASSERT_TRUE(model.ok());
  ASSERT_TRUE(save_hf(*model, dir / "out", DType::kF32).ok());
  const auto back = load_model(dir / "out");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_FALSE(back->config.rope_interleaved);
  const float *before = weights.layers[0].q.weight_OI.f32(), *after = back->weights.layers[0].q.weight_OI.f32();
  for (const auto& [from, to] : {std::pair{0, 0}, {2, 1}, {1, 2}, {3, 3}, {4, 4}, {6, 5}}) {  // rows of heads of four
    EXPECT_TRUE(std::equal(before + from * 64, before + from * 64 + 64, after + to * 64)) << from;
  }
}

}  // namespace
}  // namespace owlet
