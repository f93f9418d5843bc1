// Every architecture: gradients against finite differences, chunks, and the way into files and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "core/file.h"
#include "core/random.h"
#include "core/thread_pool.h"
#include "io/safetensors.h"
#include "kernels/backend.h"
#include "model/architecture.h"
#include "model/group_heads.h"
#include "model/load.h"
#include "model/onnx_export.h"
#include "model/tape.h"
#include "model/test_models.h"
#include "model/test_onnx_interpreter.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct Family {
  const char* name;
  Json particular;
  bool in_gguf = true;
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
      {"gemma2", {{"model_type", "gemma2"}, {"tie_word_embeddings", true}, {"head_dim", 8}, {"sliding_window", 4}, {"query_pre_attn_scalar", 8}, {"attn_logit_softcapping", 2.0}, {"final_logit_softcapping", 3.0}}},
      {"gemma3", {{"model_type", "gemma3_text"}, {"head_dim", 8}, {"sliding_window", 4}, {"query_pre_attn_scalar", 8}}},
      {"olmo2", {{"model_type", "olmo2"}}},
      {"granite", {{"model_type", "granite"}, {"embedding_multiplier", 3.0}, {"residual_multiplier", 0.5}, {"attention_multiplier", 0.2}, {"logits_scaling", 2.0}}},
      {"exaone4", {{"model_type", "exaone4"}, {"num_hidden_layers", 4}, {"sliding_window", 4}, {"sliding_window_pattern", "LLLG"}}, false},
      {"exaone4 whole", {{"model_type", "exaone4"}, {"sliding_window", nullptr}}},
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
    if (!family.in_gguf) continue;
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

TEST(Families, TwoTablesStayTwo) {
  const fs::path folder = fs::path(testing::TempDir()) / "owlet_two_tables";
  Model model = random_model(config_of({"", {{"model_type", "llama"}}}), DType::kF32);
  ASSERT_TRUE(save_hf(model, folder, DType::kF32).ok());
  model.config.tie_embeddings = true;
  ASSERT_TRUE(write_file(folder / "config.json", dump_json(config_to_hf(model.config, "float32"))).ok());
  EXPECT_FALSE(load_model(folder)->config.tie_embeddings);
  model.weights.output_VD = model.weights.embedding_VD;
  model.config.tie_embeddings = false;
  ASSERT_TRUE(save_hf(model, folder, DType::kF32).ok());
  model.config.tie_embeddings = true;
  ASSERT_TRUE(write_file(folder / "config.json", dump_json(config_to_hf(model.config, "float32"))).ok());
  EXPECT_TRUE(load_model(folder)->config.tie_embeddings);
}

// What llama.cpp would misread or refuse is not written.
TEST(Families, WhatAGgufCannotSayIsRefusedByName) {
  const auto error_of = [](const Json& particular) {
    GgufWriter writer;
    const Status added = add_to_gguf(random_model(config_of({"", particular}), DType::kF32), *find_mix("f32"), writer);
    return added.ok() ? std::string("written") : added.error().message;
  };
  using testing::HasSubstr;
  EXPECT_THAT(error_of({{"model_type", "llama"}, {"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}}), HasSubstr("dynamic rotary scaling"));
  EXPECT_THAT(error_of({{"model_type", "qwen3"}, {"head_dim", 8}, {"attention_bias", true}}), HasSubstr("biases of its output projections"));
  EXPECT_THAT(error_of({{"model_type", "qwen2"}, {"head_dim", 6}}), HasSubstr("heads of this width"));
  EXPECT_THAT(error_of({{"model_type", "gemma2"}, {"head_dim", 8}, {"query_pre_attn_scalar", 8}}), HasSubstr("an output layer of its own"));
  EXPECT_THAT(error_of({{"model_type", "olmo2"}, {"tie_word_embeddings", true}}), HasSubstr("an output layer that is the embedding table"));
  EXPECT_THAT(error_of({{"model_type", "gemma3_text"}, {"head_dim", 8}, {"query_pre_attn_scalar", 9}}), HasSubstr("a scale of its scores"));
  EXPECT_THAT(error_of({{"model_type", "qwen3"}, {"head_dim", 8}, {"use_sliding_window", true}, {"sliding_window", 4}, {"max_window_layers", 0}}), HasSubstr("layer 0 sees or rotates otherwise"));
  EXPECT_THAT(error_of({{"model_type", "exaone4"}, {"sliding_window", 4}}), HasSubstr("layer 0 sees or rotates otherwise"));
  EXPECT_EQ(error_of({{"model_type", "exaone4"}, {"sliding_window", 4}, {"num_hidden_layers", 64}}), "written");
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

// What transformers does where a config.json is silent or says more than is used.
TEST(Families, ConfigsMeanWhatTransformersTakesThemFor) {
  const auto read = [](const Json& particular) { return config_of({"", particular}); };
  const Json factors = {1.0, 1.1, 1.2, 1.3}, longrope = {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}};
  const auto with = [](Json json, const Json& more) { return json.update(more), json; };
  const ModelConfig linear = read({{"model_type", "llama"}, {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}, {"attention_factor", 1.7}}}});
  EXPECT_EQ(rope_frequencies(linear, Rotation::kGlobal, 8).attention_factor, 1.0);
  const ModelConfig explicit_factor = read({{"model_type", "llama"}, {"rope_scaling", with(longrope, {{"factor", 5.0}, {"original_max_position_embeddings", 16}})}});
  EXPECT_NEAR(rope_frequencies(explicit_factor, Rotation::kGlobal, 8).attention_factor, std::sqrt(1 + std::log(5.0) / std::log(16.0)), 1e-12);
  const ModelConfig beside = read({{"model_type", "phi3"}, {"original_max_position_embeddings", 20}, {"rope_scaling", with(longrope, {{"type", "yarn"}, {"original_max_position_embeddings", 10}})}});
  EXPECT_EQ(beside.rope.scaling, RopeScaling::kLongRope);
  EXPECT_EQ(beside.rope.original_positions, 20);
  EXPECT_EQ(read({{"model_type", "phi3"}, {"rope_scaling", longrope}}).rope.original_positions, 4096);
  const ModelConfig smollm3 = read({{"model_type", "smollm3"}, {"use_sliding_window", true}, {"sliding_window", 6}, {"no_rope_layers", {1, 0}}});
  EXPECT_EQ(smollm3.layer(0).window, 0);
  EXPECT_EQ(smollm3.layer(1).window, 6);
  EXPECT_EQ(smollm3.rope.theta, 2e6);
  const ModelConfig mistral = read({{"model_type", "mistral"}, {"layer_types", {"full_attention", "sliding_attention"}}});
  EXPECT_EQ(mistral.layer(0).window, 4096);
  EXPECT_TRUE(read({{"model_type", "mistral"}, {"sliding_window", nullptr}}).layers.empty());
  const ModelConfig gemma3 = read({{"model_type", "gemma3_text"}, {"attn_logit_softcapping", 3.0}, {"final_logit_softcapping", 4.0}});
  EXPECT_EQ(gemma3.attention_soft_cap, 0);
  EXPECT_EQ(gemma3.logit_soft_cap, 4);
  EXPECT_EQ(gemma3.rope.theta, 1e6);
  EXPECT_EQ(gemma3.head_dim, 256);
  EXPECT_EQ(read({{"model_type", "gemma2"}}).attention_soft_cap, 50);
  EXPECT_TRUE(config_to_hf(gemma3, "")["query_pre_attn_scalar"].is_number_integer());
}

TEST(Families, TokensBeyondTheVocabularyAreNone) {
  const ModelConfig config = config_of({"llama", {{"model_type", "llama"}, {"bos_token_id", 22}, {"pad_token_id", 32000}, {"eos_token_id", {2, 23}}}});
  EXPECT_EQ(config.bos, 22);
  EXPECT_EQ(config.pad, -1);
  EXPECT_EQ(config.eos, std::vector<int32_t>{2});
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
  EXPECT_THAT(error_of({{"model_type", "qwen2"}, {"use_sliding_window", true}, {"layer_types", {"linear_attention", "full_attention"}}}), HasSubstr("linear_attention"));
  const Json scaled = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 1e4}};
  EXPECT_THAT(error_of({{"model_type", "gemma3_text"}, {"rope_parameters", {{"full_attention", scaled}, {"sliding_attention", scaled}}}}), HasSubstr("of their own, 'linear'"));
  EXPECT_THAT(error_of({{"model_type", "gemma2"}, {"hidden_activation", "relu"}}), HasSubstr("'hidden_activation'"));
  EXPECT_THAT(error_of({{"model_type", "gemma3_text"}, {"use_bidirectional_attention", true}}), HasSubstr("causal"));
  EXPECT_THAT(error_of({{"model_type", "granite"}, {"logits_scaling", 0}}), HasSubstr("'logits_scaling' is 0"));
  EXPECT_THAT(error_of({{"model_type", "smollm3"}, {"no_rope_layers", {1}}}), HasSubstr("'no_rope_layers'"));
  EXPECT_THAT(error_of({{"model_type", "llama"}, {"attention_bias", "yes"}}), HasSubstr("'attention_bias' must be true or false"));
}

// ---- ONNX -----------------------------------------------------------------------------------------------------------

testing_onnx::OnnxFile exported(const Model& model, OnnxWeights weights) {
  const fs::path file = fs::path(testing::TempDir()) / "owlet_families_test.onnx";
  const Status status = save_onnx(model, file, weights);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return testing_onnx::read_onnx(file);
}

// One text through a graph, piece by piece, with padding before it.
class OnnxText {
 public:
  OnnxText(const testing_onnx::OnnxFile& graph, int64_t padding) : graph_(graph) {
    for (const auto& input : graph.inputs) {
      if (input.name.starts_with("past_")) cache_[input.name] = {{1, std::stoll(input.dims[1]), 0, std::stoll(input.dims[3])}, {}};
    }
    std::vector<int32_t> pads(static_cast<size_t>(padding), 0);
    mask_.assign(pads.size(), 0.0);
    if (padding > 0) call(pads, {pads.begin(), pads.end()});
  }
  // Logits of each token.
  std::vector<double> step(std::span<const int32_t> tokens) {
    std::vector<double> positions(tokens.size());
    std::iota(positions.begin(), positions.end(), static_cast<double>(done_));
    done_ += tokens.size();
    mask_.resize(mask_.size() + tokens.size(), 1.0);
    return call(tokens, positions);
  }

 private:
  std::vector<double> call(std::span<const int32_t> tokens, std::vector<double> positions) {
    const auto row = [](std::vector<double> x) { return testing_onnx::Array{{1, static_cast<int64_t>(x.size())}, std::move(x)}; };
    std::map<std::string, testing_onnx::Array> inputs = cache_;
    inputs["input_ids"] = row({tokens.begin(), tokens.end()});
    inputs["attention_mask"] = row(mask_);
    inputs["position_ids"] = row(std::move(positions));
    auto values = testing_onnx::run(graph_, std::move(inputs));
    for (auto& [name, array] : cache_) array = values.at("present" + name.substr(name.find('.')));
    return values.at("logits").x;
  }
  const testing_onnx::OnnxFile& graph_;
  std::map<std::string, testing_onnx::Array> cache_;
  std::vector<double> mask_;
  size_t done_ = 0;
};

TEST(Onnx, GraphsComputeWhatTheModelDoesWholeInPiecesAndPadded) {
  const std::vector<int32_t> tokens = some_tokens(20);
  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool);
  for (const Family& family : families()) {
    const Model model = random_model(config_of(family), DType::kF32);
    const testing_onnx::OnnxFile graph = exported(model, OnnxWeights::kF32);
    const auto compare = [&](const std::vector<size_t>& chunks, int64_t padding) {
      const std::span text = std::span(tokens).first(std::accumulate(chunks.begin(), chunks.end(), size_t{0}));
      const auto expected = paged_logits({**ops}, model, {text.begin(), text.end()}, {text.size()});
      OnnxText onnx(graph, padding);
      std::vector<double> logits;
      size_t done = 0;
      for (const size_t chunk : chunks) {
        const auto piece = onnx.step(text.subspan(done, chunk));
        logits.insert(logits.end(), piece.begin(), piece.end());
        done += chunk;
      }
      ASSERT_EQ(logits.size(), expected.size());
      for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 1e-4 * (1 + std::abs(expected[i]))) << family.name << " " << i;
    };
    compare({20}, 0);
    compare({5, 1, 1, 7}, 0);  // within the context before it was stretched
    compare({9, 1}, 3);
  }
}

TEST(Onnx, NamesAndShapesAreOptimums) {
  const auto names = [](const auto& values) {
    std::vector<std::string> out;
    for (const auto& value : values) out.push_back(value.name);
    return out;
  };
  const testing_onnx::OnnxFile graph = exported(random_model(config_of(families()[5]), DType::kF32), OnnxWeights::kF32);  // qwen3
  using testing::ElementsAre;
  EXPECT_THAT(names(graph.inputs), ElementsAre("input_ids", "attention_mask", "position_ids", "past_key_values.0.key", "past_key_values.0.value",
                                               "past_key_values.1.key", "past_key_values.1.value"));
  EXPECT_THAT(names(graph.outputs), ElementsAre("logits", "present.0.key", "present.0.value", "present.1.key", "present.1.value"));
  EXPECT_THAT(graph.inputs[0].dims, ElementsAre("batch_size", "sequence_length"));
  EXPECT_THAT(graph.inputs[1].dims, ElementsAre("batch_size", "total_sequence_length"));
  EXPECT_THAT(graph.inputs[3].dims, ElementsAre("batch_size", "1", "past_sequence_length", "8"));
  EXPECT_THAT(graph.outputs[0].dims, ElementsAre("batch_size", "sequence_length", "23"));
  EXPECT_THAT(graph.outputs[4].dims, ElementsAre("batch_size", "1", "total_sequence_length", "8"));
  EXPECT_EQ(graph.inputs[2].type, 7);
  EXPECT_EQ(graph.outputs[0].type, 1);
}

TEST(Onnx, TiedTablesAreStoredOnceAndMatricesTurned) {
  ModelConfig config = config_of(families()[0]);
  config.tie_embeddings = true;
  const Model model = random_model(config, DType::kF32);
  for (const OnnxWeights weights : {OnnxWeights::kF32, OnnxWeights::kInt8}) {
    const testing_onnx::OnnxFile graph = exported(model, weights);
    const bool int8 = weights == OnnxWeights::kInt8;
    int64_t tables = 0;
    for (const auto& [name, tensor] : graph.tensors) tables += testing_onnx::product(tensor.dims) == 23 * 16;
    EXPECT_EQ(tables, 1);
    EXPECT_EQ(graph.tensors.at(std::string("model.embed_tokens.weight") + (int8 ? "_quantized" : "")).dims, (std::vector<int64_t>{23, 16}));
    EXPECT_EQ(graph.tensors.at(std::string("model.layers.1.mlp.down_proj.weight") + (int8 ? "_quantized" : "")).dims, (std::vector<int64_t>{20, 16}));
  }
}

TEST(Onnx, CodesAreWithinHalfAStepAndLogitsNear) {
  const std::vector<int32_t> tokens = some_tokens(12);
  for (const Family& family : families()) {
    const Model model = random_model(config_of(family), DType::kF32);
    const testing_onnx::OnnxFile exact = exported(model, OnnxWeights::kF32), rounded = exported(model, OnnxWeights::kInt8);
    int64_t n_matrices = 0;
    for (const auto& [name, tensor] : rounded.tensors) {
      if (!name.ends_with("_quantized")) continue;
      const std::string plain = name.substr(0, name.size() - std::strlen("_quantized"));
      const auto codes = tensor.values<uint8_t>();
      const auto scales = rounded.tensors.at(plain + "_scale").values<float>(), weights = exact.tensors.at(plain).values<float>();
      const bool is_table = plain == "model.embed_tokens.weight";
      const auto columns = static_cast<size_t>(tensor.dims[1]);
      ASSERT_EQ(codes.size(), weights.size());
      for (size_t i = 0; i < codes.size(); ++i) {
        const float scale = scales[is_table ? i / columns : i % columns];
        ASSERT_NEAR((codes[i] - 128) * scale, weights[i], 0.5001f * scale) << family.name << " " << plain;
      }
      ++n_matrices;
    }
    EXPECT_EQ(n_matrices, model.config.n_layers * 7 + (model.config.tie_embeddings ? 1 : 2)) << family.name;
    const auto expected = OnnxText(exact, 0).step(tokens), logits = OnnxText(rounded, 0).step(tokens);
    double square = 0, error = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      square += expected[i] * expected[i];
      error += (logits[i] - expected[i]) * (logits[i] - expected[i]);
    }
    EXPECT_LT(std::sqrt(error / square), 0.1) << family.name;  // rows of 16 random numbers average little out
    EXPECT_GT(error, 0) << family.name;
  }
}

TEST(Onnx, NumbersFromOutside) {
  const char* from_environment = std::getenv("OWLET_GOLDEN");
  const fs::path golden = fs::path(from_environment ? from_environment : "../shared/golden") / "hf";
  if (!fs::exists(golden)) GTEST_SKIP() << "no golden files";
  for (const auto& entry : fs::directory_iterator(golden)) {
    if (!fs::exists(entry.path() / "expected.safetensors")) continue;
    const auto model = load_model(entry.path());
    const auto expected = read_safetensors(entry.path() / "expected.safetensors");
    ASSERT_TRUE(model.ok() && expected.ok()) << entry.path();
    const Tensor& theirs = expected->at("logits_first20");  // [2, 20, V]
    const auto ours = OnnxText(exported(*model, OnnxWeights::kF32), 0).step(expected->at("input_ids").span<int32_t>().first(20));
    ASSERT_EQ(static_cast<int64_t>(ours.size()), theirs.numel() / 2);
    double most = 0, error = 0;
    for (size_t i = 0; i < ours.size(); ++i) {
      most = std::max(most, std::abs(static_cast<double>(theirs.f32()[i])));
      error = std::max(error, std::abs(ours[i] - static_cast<double>(theirs.f32()[i])));
    }
    EXPECT_LT(error, 1e-4 * most) << entry.path();
  }
}

}  // namespace
}  // namespace owlet
