// Every architecture: gradients against finite differences, chunks, and the way into files and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "core/random.h"
#include "core/thread_pool.h"
#include "kernels/backend.h"
#include "model/architecture.h"
#include "model/group_heads.h"
#include "model/load.h"
#include "model/tape.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct Family {
  const char* name;
  Json particular;
};

std::vector<Family> families() {
  const Json longrope = {{"type", "longrope"}, {"short_factor", {1.0, 1.1, 1.2, 1.3}}, {"long_factor", {1.5, 2.0, 3.0, 4.0}}};
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 4.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 16}};
  const Json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
  return {
      {"llama", {{"model_type", "llama"}, {"attention_bias", true}, {"mlp_bias", true}}},
      {"llama3", {{"model_type", "llama"}, {"rope_scaling", llama3}}},
      {"yarn", {{"model_type", "llama"}, {"rope_scaling", yarn}}},
      {"mistral", {{"model_type", "mistral"}, {"sliding_window", 5}}},
      {"qwen2", {{"model_type", "qwen2"}}},
      {"qwen3", {{"model_type", "qwen3"}, {"head_dim", 8}}},
      {"smollm3", {{"model_type", "smollm3"}}},
      {"phi3", {{"model_type", "phi3"}, {"sliding_window", 6}}},
      {"phi4", {{"model_type", "phi3"}, {"head_dim", 8}, {"original_max_position_embeddings", 16}, {"rope_scaling", longrope}}},
      {"gemma2", {{"model_type", "gemma2"}, {"head_dim", 8}, {"sliding_window", 4}, {"query_pre_attn_scalar", 8}, {"attn_logit_softcapping", 2.0}, {"final_logit_softcapping", 3.0}}},
      {"gemma3", {{"model_type", "gemma3_text"}, {"head_dim", 8}, {"sliding_window", 4}, {"query_pre_attn_scalar", 8}}},
      {"olmo2", {{"model_type", "olmo2"}, {"attention_bias", true}}},
      {"granite", {{"model_type", "granite"}, {"embedding_multiplier", 3.0}, {"residual_multiplier", 0.5}, {"attention_multiplier", 0.2}, {"logits_scaling", 2.0}}},
  };
}

ModelConfig config_of(const Family& family) {
  Json json = {{"vocab_size", 23}, {"hidden_size", 16}, {"intermediate_size", 20}, {"num_hidden_layers", 2}, {"num_attention_heads", 2},
               {"num_key_value_heads", 1}, {"max_position_embeddings", 64}, {"rms_norm_eps", 1e-5}, {"tie_word_embeddings", false}};
  json.update(family.particular);
  auto config = config_from_hf(json);
  EXPECT_TRUE(config.ok()) << family.name << ": " << config.error().to_string();
  return std::move(config).value();
}

// Weights of a size that lets every part have an effect.
Model random_model(const ModelConfig& config, DType dtype) {
  Weights weights = make_weights(config, dtype);
  uint64_t stream = 0;
  weights.for_each([&](const std::string& name, Tensor& tensor) {
    Random random{.seed = 5, .stream = stream++};
    const double mean = name.ends_with("norm.weight") ? 1.0 : 0.0;
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double x = mean + 0.3 * random.normal();
      dtype == DType::kF64 ? tensor.view().as<double>()[i] = x : tensor.f32()[i] = static_cast<float>(x);
    }
  });
  return make_model(config, std::move(weights)).value();
}

std::vector<float> paged_logits(Context context, const Model& model, const std::vector<int32_t>& tokens, const std::vector<size_t>& chunks) {
  KvCache cache(model.config, 4);
  Runner runner(context, model, 64);
  const std::vector<int32_t> pages = {2, 0, 3, 1};
  std::vector<float> logits;
  size_t done = 0;
  for (const size_t chunk : chunks) {
    RaggedBatch batch;
    for (size_t i = 0; i < chunk; ++i) {
      batch.output_rows.push_back(static_cast<int32_t>(i));
      batch.tokens_N.push_back(tokens[done + i]);
      batch.positions_N.push_back(static_cast<int32_t>(done + i));
    }
    batch.sequences = {{0, static_cast<int64_t>(chunk), static_cast<int64_t>(done), pages}};
    batch.reach = {static_cast<int64_t>(tokens.size())};
    const TensorView out = runner.forward(batch, cache);
    logits.insert(logits.end(), out.f32(), out.f32() + out.numel());
    done += chunk;
  }
  return logits;
}

std::vector<int32_t> some_tokens(size_t n) {
  std::vector<int32_t> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>((i * 7 + 3) % 23);
  return tokens;
}

TEST(Families, GradientsAgreeWithFiniteDifferences) {
  const auto ops = make_reference_ops();
  const Context context{*ops};
  const std::vector<int32_t> tokens = some_tokens(9), positions = {0, 1, 2, 3, 4, 5, 0, 1, 2}, first_row = {0, 0, 0, 0, 0, 0, 6, 6, 6};
  for (const Family& family : families()) {
    Model model = random_model(config_of(family), DType::kF64);
    Tape tape(context, model, 9);
    const auto loss = [&] {
      const TensorView h = tape.forward({tokens, positions, first_row});
      double sum = 0;
      for (int64_t i = 0; i < h.numel(); ++i) sum += h.as<double>()[i] * std::sin(static_cast<double>(i));
      return sum;
    };
    loss();
    Tensor dh(DType::kF64, Shape{9, model.config.dim});
    for (int64_t i = 0; i < dh.numel(); ++i) dh.view().as<double>()[i] = std::sin(static_cast<double>(i));
    const Weights gradients = make_weights(model.config, DType::kF64);
    tape.backward({tokens, positions, first_row}, dh, gradients);
    std::vector<TensorView> analytic;
    gradients.for_each([&](const std::string&, const Tensor& g) { analytic.push_back(g.view()); });
    size_t next = 0;
    model.weights.for_each([&](const std::string& name, Tensor& weight) {
      const TensorView gradient = analytic[next++];
      if (name == "lm_head.weight") return;  // its gradient is the loss's business
      for (int64_t i = 0; i < weight.numel(); i += 1 + weight.numel() / 5) {
        double& w = weight.view().as<double>()[i];
        const double before = w, step = 1e-5;
        w = before + step;
        const double up = loss();
        w = before - step;
        const double down = loss();
        w = before;
        EXPECT_NEAR(gradient.as<double>()[i], (up - down) / (2 * step), 1e-5 * (1 + std::abs(gradient.as<double>()[i]))) << family.name << " " << name << " " << i;
      }
    });
  }
}

TEST(Families, ChunksAndThreadsChangeNoBitAndTrainingSeesTheSame) {
  const std::vector<int32_t> tokens = some_tokens(50);
  std::vector<int32_t> positions(50), first_row(50, 0);
  std::iota(positions.begin(), positions.end(), 0);
  ThreadPool one(1), three(3);
  const auto ops = make_cpu_ops(one), more = make_cpu_ops(three);
  for (const Family& family : families()) {
    const Model model = random_model(config_of(family), DType::kF32);
    const auto whole = paged_logits({**ops}, model, tokens, {50});
    EXPECT_EQ(whole, paged_logits({**ops}, model, tokens, {1, 31, 1, 17})) << family.name;
    EXPECT_EQ(whole, paged_logits({**more}, model, tokens, {33, 17})) << family.name;
    Tape tape({**ops}, model, 50);
    Tensor logits(DType::kF32, Shape{50, 23});
    output_logits({**ops}, model, logits, tape.forward({tokens, positions, first_row}));
    for (size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(whole[i], logits.f32()[i], 1e-3f * (1 + std::abs(whole[i]))) << family.name;
  }
}

TEST(Families, FilesCarryThem) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_families_test";
  const std::vector<int32_t> tokens = some_tokens(40);
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool);
  for (const Family& family : families()) {
    const Model model = random_model(config_of(family), DType::kF32);
    const auto expected = paged_logits({**ops}, model, tokens, {40});
    const auto compare = [&](const fs::path& path, float tolerance) {
      const auto back = load_model(path);
      ASSERT_TRUE(back.ok()) << family.name << ": " << back.error().to_string();
      const auto logits = paged_logits({**ops}, *back, tokens, {40});
      for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << family.name << " " << path;
    };
    ASSERT_TRUE(save_hf(model, dir / family.name, DType::kF32).ok()) << family.name;
    compare(dir / family.name, 1e-5f);
    const auto config = load_config(dir / family.name);
    EXPECT_EQ(dump_json(config_to_hf(*config, "")), dump_json(config_to_hf(model.config, ""))) << family.name;
    GgufWriter writer;
    const Status added = add_to_gguf(model, *find_mix("f32"), writer);
    ASSERT_TRUE(added.ok()) << family.name << ": " << added.error().to_string();
    const fs::path file = dir / (std::string(family.name) + ".gguf");
    ASSERT_TRUE(writer.write(file).ok());
    compare(file, 1e-4f);
    // And from GGUF to a folder again, back in the other order of rotation.
    ASSERT_TRUE(save_hf(*load_model(file), dir / "again", DType::kF32).ok()) << family.name;
    compare(dir / "again", 1e-4f);
  }
}

// What a request may reach decides, not how far it is.
TEST(Families, RotationsAreFixedByTheReach) {
  const ModelConfig config = config_of(families()[8]);
  ASSERT_TRUE(config.rope.depends_on_reach());
  const auto low = rope_frequencies(config, Rotation::kGlobal, 16), high = rope_frequencies(config, Rotation::kGlobal, 17);
  EXPECT_NE(low.per_position, high.per_position);
  EXPECT_EQ(low.attention_factor, high.attention_factor);
  EXPECT_NEAR(low.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(16.0)), 1e-12);
}

TEST(Families, AContextIsStretchedOnce) {
  ModelConfig config = config_of(families()[0]);
  EXPECT_TRUE(stretch_context(config, "yarn:4").ok());
  EXPECT_EQ(config.max_positions, 256);
  EXPECT_EQ(config.rope.original_positions, 64);
  EXPECT_THAT(stretch_context(config, "yarn:2").error().message, testing::HasSubstr("already"));
  for (const char* wrong : {"", "yarn", "yarn:", "yarn:x", "yarn:0.5", "yarn:1e9", "yarn:nan", "llama3:2", "magic:2"}) {
    ModelConfig other = config_of(families()[0]);
    EXPECT_FALSE(stretch_context(other, wrong).ok()) << wrong;
  }
}

TEST(Families, GroupedHeadsAreMeansOfHeads) {
  ModelConfig config = config_of(families()[0]);
  config.n_kv_heads = 2;
  const Model model = random_model(config, DType::kF32);
  const auto grouped = group_heads(model, 1);
  ASSERT_TRUE(grouped.ok());
  EXPECT_EQ(grouped->config.n_kv_heads, 1);
  const Linear &before = model.weights.layers[1].k, &after = grouped->weights.layers[1].k;
  const int64_t half = after.weight_OI.numel();
  for (int64_t i = 0; i < half; ++i) EXPECT_NEAR(after.weight_OI.f32()[i], (before.weight_OI.f32()[i] + before.weight_OI.f32()[half + i]) / 2, 1e-6f);
  EXPECT_NEAR(after.bias_O.f32()[3], (before.bias_O.f32()[3] + before.bias_O.f32()[3 + config.head_dim]) / 2, 1e-6f);
  const auto same = group_heads(model, 2);
  EXPECT_EQ(0, std::memcmp(same->weights.layers[0].v.weight_OI.f32(), model.weights.layers[0].v.weight_OI.f32(), static_cast<size_t>(model.weights.layers[0].v.weight_OI.bytes())));
  EXPECT_THAT(group_heads(model, 3).error().message, testing::HasSubstr("3 key/value heads cannot be made of the model's 2"));
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool);
  EXPECT_EQ(paged_logits({**ops}, *grouped, some_tokens(5), {5}).size(), 5u * 23u);
}

TEST(Families, ConfigsThatMakeNoSenseAreRefusedByName) {
  const auto error_of = [](Json json) {
    Json whole = {{"vocab_size", 23}, {"hidden_size", 16}, {"intermediate_size", 20}, {"num_hidden_layers", 2}, {"num_attention_heads", 2}};
    whole.update(json);
    const auto config = config_from_hf(whole);
    return config.ok() ? std::string("accepted") : config.error().message;
  };
  using testing::HasSubstr;
  EXPECT_THAT(error_of({{"model_type", "llama"}, {"rope_scaling", {{"type", "magic"}}}}), HasSubstr("'magic' is not supported"));
  EXPECT_THAT(error_of({{"model_type", "llama"}, {"rope_scaling", 3}}), HasSubstr("'rope_scaling' must be an object"));
  EXPECT_THAT(error_of({{"model_type", "llama"}, {"rope_scaling", {{"type", "linear"}, {"factor", 0}}}}), HasSubstr("the factor is 0"));
  EXPECT_THAT(error_of({{"model_type", "phi3"}, {"rope_scaling", {{"type", "longrope"}, {"short_factor", {1}}, {"long_factor", {1}}}}}), HasSubstr("1 factors for 4 frequencies"));
  EXPECT_THAT(error_of({{"model_type", "phi3"}, {"partial_rotary_factor", 2}}), HasSubstr("'partial_rotary_factor' is 2"));
  EXPECT_THAT(error_of({{"model_type", "qwen2"}, {"use_sliding_window", true}, {"layer_types", {"sliding_attention"}}}), HasSubstr("list of 2 names"));
  EXPECT_THAT(error_of({{"model_type", "mistral"}, {"layer_types", {"linear_attention", "full_attention"}}}), HasSubstr("linear_attention"));
  EXPECT_THAT(error_of({{"model_type", "gemma2"}, {"hidden_activation", "relu"}}), HasSubstr("'hidden_activation'"));
  EXPECT_THAT(error_of({{"model_type", "gemma3_text"}, {"use_bidirectional_attention", true}}), HasSubstr("causal"));
  EXPECT_THAT(error_of({{"model_type", "granite"}, {"logits_scaling", 0}}), HasSubstr("'logits_scaling' is 0"));
  EXPECT_THAT(error_of({{"model_type", "smollm3"}, {"no_rope_layers", {1}}}), HasSubstr("'no_rope_layers'"));
  EXPECT_THAT(error_of({{"model_type", "llama"}, {"attention_bias", "yes"}}), HasSubstr("'attention_bias' must be true or false"));
}

}  // namespace
}  // namespace owlet
