#include "apps/peft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/file.h"
#include "core/json.h"
#include "core/random.h"
#include "io/safetensors.h"
#include "model/load.h"
#include "model/stored.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int64_t kRank = 2;

ModelConfig tiny_config(const std::string& architecture = "llama") {
  ModelConfig c;
  c.architecture = architecture;
  c.vocab_size = 12;
  c.dim = 8;
  c.n_layers = 1;
  c.n_heads = 2;
  c.n_kv_heads = 1;
  c.head_dim = 4;
  c.ffn_dim = 6;
  c.max_positions = 16;
  return c;
}

Model tiny_model(const ModelConfig& c) {
  Weights weights = make_weights(c);
  init_weights(weights, c, 1);
  auto model = make_model(c, std::move(weights));
  EXPECT_TRUE(model.ok());
  return std::move(model).value();
}

Tensor numbers(Shape shape, uint64_t seed) {
  Random random{.seed = seed};
  Tensor tensor(DType::kF32, shape);
  for (float& x : tensor.span<float>()) x = static_cast<float>(random.normal());
  return tensor;
}

// A folder with these tensors; `extra` is merged into its config.
class Folder {
 public:
  explicit Folder(const std::string& name) : path_(fs::path(testing::TempDir()) / "owlet_peft_test" / name) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  Folder& add(const std::string& name, Tensor tensor) {
    tensors_.emplace_back("base_model.model." + name, std::move(tensor));
    return *this;
  }
  Folder& add_pair(const std::string& module, int64_t out, int64_t in, uint64_t seed = 5) {
    return add(module + ".lora_A.weight", numbers({kRank, in}, seed)).add(module + ".lora_B.weight", numbers({out, kRank}, seed + 1));
  }
  fs::path write(const Json& extra = Json::object()) const {
    Json config = {{"peft_type", "LORA"}, {"r", kRank}, {"lora_alpha", 4}};
    config.update(extra);
    std::vector<std::pair<std::string, TensorView>> views(tensors_.begin(), tensors_.end());
    EXPECT_TRUE(write_safetensors(path_ / "adapter_model.safetensors", views).ok());
    EXPECT_TRUE(write_file(path_ / "adapter_config.json", dump_json(config, 1)).ok());
    return path_;
  }

 private:
  fs::path path_;
  std::vector<std::pair<std::string, Tensor>> tensors_;
};

std::string refusal(const fs::path& folder, const Model& model) {
  const auto adapter = load_peft(folder, model);
  return adapter.ok() ? "" : adapter.error().to_string();
}

std::vector<float> values(const Tensor& tensor) { return {tensor.f32(), tensor.f32() + tensor.numel()}; }

TEST(Peft, ScalesFollowTheFirstPatternThatFits) {
  const Model model = tiny_model(tiny_config());
  Folder folder("patterns");
  folder.add_pair("model.layers.0.self_attn.q_proj", 8, 8).add_pair("model.layers.0.mlp.up_proj", 6, 8);
  const auto scale = [&](const Json& extra, const std::string& name) {
    const auto adapter = load_peft(folder.write(extra), model);
    EXPECT_TRUE(adapter.ok()) << adapter.error().to_string();
    return adapter.ok() ? adapter->parts.at("model.layers.0." + name + ".weight").scale : 0.0;
  };
  EXPECT_EQ(scale(Json::object(), "self_attn.q_proj"), 2);
  EXPECT_EQ(scale({{"use_rslora", true}}, "self_attn.q_proj"), 4 / std::sqrt(2.0));
  const Json patterns = {{"alpha_pattern", {{"q_proj", 10}}}, {"r", 8}, {"rank_pattern", {{"layers\\.\\d+\\.(mlp|self_attn)\\..*_proj", 2}}}};
  EXPECT_EQ(scale(patterns, "self_attn.q_proj"), 5);
  EXPECT_EQ(scale(patterns, "mlp.up_proj"), 2);
}

// The same adapter on the same model in the other order of rotation.
TEST(Peft, RowsFollowTheModelsRotation) {
  ModelConfig c = tiny_config();
  Model halves = tiny_model(c);
  c.rope_interleaved = true;
  Model pairs = tiny_model(c);
  const auto permute = [&](const Tensor& from) {
    Tensor to(DType::kF32, from.shape());
    for (int64_t r = 0; r < from.shape()[0]; ++r) {
      const float* row = from.f32() + rotation_source(r, c, true) * 8;
      std::copy(row, row + 8, to.f32() + r * 8);
    }
    return to;
  };
  pairs.weights.layers[0].q.weight_OI = permute(halves.weights.layers[0].q.weight_OI);
  Folder folder("rotation");
  folder.add_pair("model.layers.0.self_attn.q_proj", 8, 8);
  folder.add("model.layers.0.self_attn.q_proj.lora_magnitude_vector", numbers({8}, 9));
  const std::string path = folder.write({{"use_dora", true}}).string();
  ASSERT_TRUE(use_adapters({path + ":0.5"}, AdapterUse::kMerge, halves).ok());
  ASSERT_TRUE(use_adapters({path + ":0.5"}, AdapterUse::kMerge, pairs).ok());
  EXPECT_EQ(values(pairs.weights.layers[0].q.weight_OI), values(permute(halves.weights.layers[0].q.weight_OI)));
}

TEST(Peft, FusedProjectionsAreTakenApart) {
  const Model model = tiny_model(tiny_config("phi3"));
  Folder folder("fused");
  folder.add_pair("model.layers.0.self_attn.qkv_proj", 16, 8);
  const auto adapter = load_peft(folder.write(), model);
  ASSERT_TRUE(adapter.ok()) << adapter.error().to_string();
  const auto all = values(numbers({16, kRank}, 6));
  const auto part = [&](const char* name) { return values(adapter->parts.at(fmt::format("model.layers.0.self_attn.{}.weight", name)).b_OR); };
  EXPECT_EQ(part("q_proj"), std::vector<float>(all.begin(), all.begin() + 16));
  EXPECT_EQ(part("k_proj"), std::vector<float>(all.begin() + 16, all.begin() + 24));
  EXPECT_EQ(part("v_proj"), std::vector<float>(all.begin() + 24, all.end()));
}

TEST(Peft, SeveralStandBesideOneWeight) {
  Model model = tiny_model(tiny_config());
  Folder first("first"), second("second");
  const std::string a = first.add_pair("model.layers.0.mlp.down_proj", 8, 6).write().string();
  const std::string b = second.add_pair("model.layers.0.mlp.down_proj", 8, 6, 20).write().string();
  ASSERT_TRUE(use_adapters({a, b + ":0.25"}, AdapterUse::kBeside, model).ok());
  const auto& beside = model.weights.layers[0].down.low_rank;
  ASSERT_EQ(beside.size(), 2u);
  EXPECT_EQ(beside[1].b_OR.f32()[0], numbers({8, kRank}, 21).f32()[0]);
  EXPECT_EQ(beside[1].scale, 0.5);  // a quarter of two
  EXPECT_THAT(use_adapters({a + ":much"}, AdapterUse::kBeside, model).error().to_string(), HasSubstr("folder:scale"));
}

TEST(Peft, TablesAndWholeTensorsAreMerged) {
  Model model = tiny_model(tiny_config());
  const Tensor norm = numbers({8}, 30), a = numbers({kRank, 12}, 31), b = numbers({8, kRank}, 32);
  Folder folder("tables");
  folder.add("model.norm.modules_to_save.weight", norm);
  folder.add("model.embed_tokens.lora_embedding_A", a).add("model.embed_tokens.lora_embedding_B", b).add_pair("lm_head", 12, 8);
  const float before = model.weights.embedding_VD.f32()[3 * 8 + 1];
  ASSERT_TRUE(use_adapters({folder.write().string()}, AdapterUse::kBeside, model).ok());
  EXPECT_EQ(values(model.weights.final_norm_D), values(norm));
  const float change = b.f32()[1 * kRank] * a.f32()[3] + b.f32()[1 * kRank + 1] * a.f32()[12 + 3];
  EXPECT_NEAR(model.weights.embedding_VD.f32()[3 * 8 + 1], before + 2 * change, 1e-5);
  ModelConfig tied = tiny_config();
  tied.tie_embeddings = true;
  Model other = tiny_model(tied);
  Folder table("tied");
  table.add("model.embed_tokens.lora_embedding_A", a).add("model.embed_tokens.lora_embedding_B", b);
  EXPECT_THAT(use_adapters({table.write().string()}, AdapterUse::kBeside, other).error().to_string(), HasSubstr("both to read and to write"));
}

// What float32 loses on the way there and on the way back.
TEST(Peft, WhatIsMergedCanBeTakenOutAgain) {
  const auto place = [](float x) { return static_cast<double>(std::nextafter(std::abs(x), INFINITY)) - static_cast<double>(std::abs(x)); };
  ModelConfig c = tiny_config();
  c.rope_interleaved = true;
  const Model base = tiny_model(c);
  Model model = tiny_model(c);
  Folder folder("unmerge");
  folder.add_pair("model.layers.0.self_attn.q_proj", 8, 8).add_pair("model.layers.0.mlp.down_proj", 8, 6, 20).add_pair("lm_head", 12, 8, 40);
  const std::string adapter = folder.write().string() + ":0.5";
  ASSERT_TRUE(use_adapters({adapter}, AdapterUse::kMerge, model).ok());
  const std::vector<float> merged = values(model.weights.layers[0].q.weight_OI), before = values(base.weights.layers[0].q.weight_OI);
  ASSERT_TRUE(use_adapters({adapter}, AdapterUse::kUnmerge, model).ok());
  const std::vector<float> after = values(model.weights.layers[0].q.weight_OI);
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_NE(merged[i], before[i]);
    EXPECT_LE(std::abs(static_cast<double>(after[i]) - static_cast<double>(before[i])), 0.5 * (place(merged[i]) + place(before[i])) * (1 + 1e-6)) << i;
  }
  EXPECT_THAT(values(model.weights.layers[0].down.weight_OI), testing::Pointwise(testing::FloatNear(1e-6f), values(base.weights.layers[0].down.weight_OI)));
  EXPECT_EQ(values(model.weights.layers[0].k.weight_OI), values(base.weights.layers[0].k.weight_OI));
}

TEST(Peft, OfABaseInBf16EveryBitComesBack) {
  ThreadPool pool(1);
  const auto to_bf16 = [&](Model& model) {
    convert_weights(model, [](const std::string&, const Tensor& t) { return t.shape().rank() == 2 ? DType::kBF16 : DType::kF32; }, pool);
  };
  Model base = tiny_model(tiny_config()), model = tiny_model(tiny_config());
  to_bf16(base);
  to_bf16(model);
  const std::string adapter = Folder("bf16").add_pair("model.layers.0.mlp.gate_proj", 6, 8).write().string();
  ASSERT_TRUE(use_adapters({adapter}, AdapterUse::kMerge, model).ok());
  EXPECT_EQ(model.weights.layers[0].gate.weight_OI.dtype(), DType::kF32);
  ASSERT_TRUE(use_adapters({adapter}, AdapterUse::kUnmerge, model).ok());
  to_bf16(model);
  const TensorView a = base.weights.layers[0].gate.weight_OI, b = model.weights.layers[0].gate.weight_OI;
  EXPECT_EQ(std::memcmp(a.data, b.data, static_cast<size_t>(a.bytes())), 0);
}

TEST(Peft, WhatNobodyKnowsAnyLongerIsNotTakenOut) {
  Model model = tiny_model(tiny_config());
  Folder dora("dora_out"), whole("whole_out");
  dora.add_pair("model.layers.0.self_attn.q_proj", 8, 8).add("model.layers.0.self_attn.q_proj.lora_magnitude_vector", numbers({8}, 9));
  whole.add("model.norm.modules_to_save.weight", numbers({8}, 30));
  const auto refusal_of = [&](const std::string& folder) { return use_adapters({folder}, AdapterUse::kUnmerge, model).error().to_string(); };
  EXPECT_THAT(refusal_of(dora.write({{"use_dora", true}}).string()), HasSubstr("DoRA"));
  EXPECT_THAT(refusal_of(whole.write().string()), HasSubstr("model.norm.weight was replaced"));
}

TEST(Peft, WhatDoesNotFitIsNamed) {
  const Model model = tiny_model(tiny_config());
  Folder good("good");
  good.add_pair("model.layers.0.self_attn.q_proj", 8, 8);
  EXPECT_EQ(refusal(good.write(), model), "");
  EXPECT_THAT(refusal(good.write({{"peft_type", "IA3"}}), model), HasSubstr("IA3"));
  EXPECT_THAT(refusal(good.write({{"layer_replication", {{0, 1}}}}), model), HasSubstr("layer_replication"));
  EXPECT_THAT(refusal(good.write({{"fan_in_fan_out", true}}), model), HasSubstr("fan_in_fan_out"));
  EXPECT_THAT(refusal(good.write({{"rank_pattern", {{"(", 2}}}}), model), HasSubstr("("));
  EXPECT_THAT(refusal(good.write({{"r", 3}}), model), HasSubstr("has rank 2"));
  EXPECT_THAT(refusal(good.write({{"r", "x"}}), model), HasSubstr("r"));
  EXPECT_THAT(refusal(Folder("shape").add_pair("model.layers.0.self_attn.k_proj", 8, 8).write(), model), HasSubstr("do not fit"));
  EXPECT_THAT(refusal(Folder("layer").add_pair("model.layers.7.self_attn.k_proj", 4, 8).write(), model), HasSubstr("model.layers.7"));
  EXPECT_THAT(refusal(Folder("half").add("model.layers.0.self_attn.q_proj.lora_A.weight", numbers({kRank, 8}, 1)).write(), model),
              HasSubstr("only one of"));
  EXPECT_THAT(refusal(Folder("vera").add("model.layers.0.self_attn.q_proj.lora_C.weight", numbers({kRank, 8}, 1)).write(), model),
              HasSubstr("lora_C"));
  EXPECT_THAT(refusal(Folder("whole").add("model.norms.weight", numbers({8}, 1)).write(), model), HasSubstr("model.norms.weight"));
  EXPECT_THAT(refusal(Folder("none").write().parent_path() / "absent", model), HasSubstr("adapter_config.json"));
}

}  // namespace
}  // namespace owlet
