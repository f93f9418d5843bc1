#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/random.h"
#include "core/thread_pool.h"
#include "kernels/backend.h"
#include "model/architecture.h"
#include "model/load.h"
#include "model/mix.h"
#include "model/tape.h"
#include "model/test_models.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

ModelConfig tiny(bool tied = false, bool interleaved = false) {
  ModelConfig c{.vocab_size = 23, .dim = 12, .n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .head_dim = 4, .ffn_dim = 20, .max_positions = 64};
  c.tie_embeddings = tied;
  c.rope_interleaved = interleaved;
  return c;
}

// Two documents packed in one row of nine tokens.
struct Packed {
  std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5};
  std::vector<int32_t> positions = {0, 1, 2, 3, 4, 0, 1, 2, 3};
  std::vector<int32_t> first_row = {0, 0, 0, 0, 0, 5, 5, 5, 5};
  PackedRows rows() const { return {tokens, positions, first_row}; }
};

// A made-up loss: Σ h · c with fixed c, whose gradient is c.
double made_up_loss(const TensorView& h, const Tensor& c) {
  double sum = 0;
  for (int64_t i = 0; i < h.numel(); ++i) sum += h.as<double>()[i] * c.view().as<double>()[i];
  return sum;
}

void expect_gradients_agree(const ModelConfig& config, const Dropping* dropping = nullptr) {
  const auto ops = make_reference_ops();
  const Context context{.ops = *ops, .dropping = dropping};
  Model model = random_model(config, DType::kF64);
  const Packed packed;
  const auto n = static_cast<int64_t>(packed.tokens.size());
  Tape tape(context, model, n);
  Tensor c(DType::kF64, Shape{n, config.dim});
  Random random{.seed = 3};
  for (int64_t i = 0; i < c.numel(); ++i) c.view().as<double>()[i] = random.normal();

  const Weights gradients = make_weights(config, DType::kF64);
  tape.forward(packed.rows());
  Tensor dh(DType::kF64, c.shape());
  std::copy_n(c.view().as<double>(), c.numel(), dh.view().as<double>());
  tape.backward(packed.rows(), dh, gradients);

  std::vector<std::pair<std::string, TensorView>> analytic;
  gradients.for_each([&](const std::string& name, const Tensor& g) { analytic.emplace_back(name, g.view()); });
  size_t next = 0;
  model.weights.for_each([&](const std::string& name, Tensor& weight) {
    const TensorView gradient = analytic[next++].second;
    if (name == "lm_head.weight") return;  // its gradient is the loss's business
    for (int64_t i = 0; i < weight.numel(); i += 1 + weight.numel() / 9) {
      double& w = weight.view().as<double>()[i];
      const double before = w, step = 1e-5;
      w = before + step;
      const double up = made_up_loss(tape.forward(packed.rows()), c);
      w = before - step;
      const double down = made_up_loss(tape.forward(packed.rows()), c);
      w = before;
      EXPECT_NEAR(gradient.as<double>()[i], (up - down) / (2 * step), 1e-6 * (1 + std::abs(up - down) / step)) << name << " " << i;
    }
  });
}

TEST(Model, GradientsOfTheWholeModelAgreeWithFiniteDifferences) { expect_gradients_agree(tiny()); }
TEST(Model, AndWithInterleavedRotation) { expect_gradients_agree(tiny(false, true)); }
TEST(Model, AndWithDropout) {
  const Dropping dropping{.seed = 4, .step = 2, .residual = 0.3};
  expect_gradients_agree(tiny(), &dropping);
}

TEST(Model, ChunksThreadsAndInstructionSetsGiveTheSameBits) {
  const Model model = random_model(tiny());
  std::vector<int32_t> tokens(50);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>((i * 7 + 3) % 23);
  for (std::string_view isa : cpu_isas()) {
    ThreadPool one(1), three(3);
    const auto ops = make_cpu_ops(one, isa);
    const auto more = make_cpu_ops(three, isa);
    ASSERT_TRUE(ops.ok() && more.ok());
    const auto whole = paged_logits({**ops}, model, tokens, {50});
    EXPECT_EQ(whole, paged_logits({**ops}, model, tokens, {1, 31, 1, 17})) << isa;
    EXPECT_EQ(whole, paged_logits({**more}, model, tokens, {33, 17})) << isa;
  }
}

TEST(Model, SettledWeightsGiveTheSameBits) {
  std::vector<int32_t> tokens(50);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>((i * 7 + 3) % 23);
  for (std::string_view isa : cpu_isas()) {
    for (const auto& [tied, quantized] : {std::pair(false, false), {false, true}, {true, true}}) {
      ModelConfig config = tiny(tied);
      config.dim = 32, config.head_dim = 8, config.ffn_dim = 64;
      ThreadPool pool(2);
      const auto ops = make_cpu_ops(pool, isa);
      Model settled = random_model(config);
      if (quantized) ASSERT_TRUE(quantize_weights(settled, *find_mix("q8_0"), pool).ok());
      const auto before = paged_logits({**ops}, settled, tokens, {17, 1, 32});
      settle_weights({**ops}, settled.weights);
      EXPECT_EQ(settled.weights.layers[0].up.weight_OI.view().group > 0, quantized);
      EXPECT_EQ(settled.weights.output().view().group > 0, quantized);
      EXPECT_EQ(settled.weights.embedding_VD.view().group, 0);
      EXPECT_EQ(paged_logits({**ops}, settled, tokens, {17, 1, 32}), before) << isa;
      settle_weights({**ops}, settled.weights);  // once is enough
      EXPECT_EQ(paged_logits({**ops}, settled, tokens, {17, 1, 32}), before) << isa;
    }
  }
}

TEST(Model, CachedInferenceEqualsTheTrainingPass) {
  const Model model = random_model(tiny(true));
  ThreadPool pool(2);
  const auto ops = make_cpu_ops(pool);
  const Context context{**ops};
  std::vector<int32_t> tokens(40), positions(40), first_row(40, 0);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>((i * 5 + 1) % 23);
  std::iota(positions.begin(), positions.end(), 0);
  Tape tape(context, model, 40);
  const TensorView hidden = tape.forward({tokens, positions, first_row});
  Tensor logits(DType::kF32, Shape{40, 23});
  context.ops.linear(logits, Into::kWrite, hidden, model.weights.output(), Precision::kF32);
  const auto paged = paged_logits(context, model, tokens, {40});
  for (size_t i = 0; i < paged.size(); ++i) EXPECT_NEAR(paged[i], logits.f32()[i], 2e-4f);
}

TEST(Model, FoldersAndGgufCarryItThere) {
  const Model model = random_model(tiny(true));
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_model_test";
  ASSERT_TRUE(save_hf(model, dir / "hf", DType::kF32).ok());
  const auto back = load_model(dir / "hf");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  GgufWriter writer;
  ASSERT_TRUE(add_to_gguf(model, *find_mix("f32"), writer).ok());
  ASSERT_TRUE(writer.write(dir / "m.gguf").ok());
  const auto gguf = load_model(dir / "m.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.error().to_string();
  EXPECT_TRUE(gguf->config.rope_interleaved);
  // And from GGUF to a folder again: the rows of queries and keys are back where they were.
  ASSERT_TRUE(save_hf(*gguf, dir / "again", DType::kF32).ok());
  auto again = load_model(dir / "again");
  ASSERT_TRUE(again.ok());
  again->config.rms_eps = std::round(again->config.rms_eps * 1e9) / 1e9;  // GGUF keeps it in float32
  EXPECT_EQ(dump_json(config_to_hf(model.config, "float32")), dump_json(config_to_hf(again->config, "float32")));
  std::vector<std::vector<float>> ours, theirs;
  model.weights.for_each([&](const std::string&, const Tensor& t) { ours.emplace_back(t.f32(), t.f32() + t.numel()); });
  again->weights.for_each([&](const std::string&, const Tensor& t) { theirs.emplace_back(t.f32(), t.f32() + t.numel()); });
  EXPECT_EQ(ours, theirs);

  ThreadPool pool(1);
  const auto ops = make_cpu_ops(pool);
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 5};
  const auto a = paged_logits({**ops}, *back, tokens, {5}), b = paged_logits({**ops}, *gguf, tokens, {5});
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4f);
}

TEST(Model, RefusesWhatDoesNotFitItsConfig) {
  ModelConfig config = tiny();
  Weights weights = make_weights(config);
  weights.layers[1].k.weight_OI = Tensor(DType::kF32, Shape{3, 12});
  const auto model = make_model(config, weights);
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().message, testing::HasSubstr("model.layers.1.self_attn.k_proj.weight has the shape [3, 12]"));
  config.n_kv_heads = 3;
  EXPECT_THAT(config.validate().error().message, testing::HasSubstr("n_heads 4 is not a multiple"));
  config = tiny();
  config.dim = int64_t{1} << 60;
  EXPECT_THAT(config.validate().error().message, testing::HasSubstr("dim is 1152921504606846976"));
}

TEST(Config, NamesWhatItCannotDo) {
  const auto unknown = config_from_hf(Json{{"model_type", "mamba"}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().to_string(), testing::HasSubstr("'mamba' are not supported\n  supported: llama"));
  EXPECT_THAT(config_from_hf(Json{{"model_type", "llama"}}).error().message, testing::HasSubstr("'vocab_size' must be an integer"));
}

// Where texts of two reaches are of one kind, each can go on from what the other left.
TEST(Rope, ReachesOfOneKindAreRotatedAlike) {
  for (const RopeScaling scaling : {RopeScaling::kNone, RopeScaling::kYarn, RopeScaling::kDynamic, RopeScaling::kLongRope}) {
    ModelConfig config = tiny();
    config.rope.scaling = scaling;
    config.rope.factor = 4;
    config.rope.original_positions = 16;
    const auto n_factors = static_cast<size_t>(config.rotary_dim() / 2);
    config.rope.short_factors.assign(n_factors, 1.0);
    config.rope.long_factors.assign(n_factors, 3.0);
    for (const int64_t a : {1, 16, 17, 40}) {
      for (const int64_t b : {1, 16, 17, 40}) {
        const auto of = [&](int64_t reach) { return rope_frequencies(config, Rotation::kGlobal, reach).per_position; };
        EXPECT_EQ(config.rope.kind_of_reach(a) == config.rope.kind_of_reach(b), of(a) == of(b)) << to_string(scaling) << " " << a << " " << b;
      }
    }
  }
}

}  // namespace
}  // namespace owlet
