#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/backend.h"
#include "train/trainer.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

ModelConfig tiny() {
  ModelConfig c{.vocab_size = 40, .dim = 32, .n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .head_dim = 8, .ffn_dim = 64, .max_positions = 64};
  c.tie_embeddings = true;
  return c;
}

Model fresh_model() {
  Weights weights = make_weights(tiny());
  init_weights(weights, tiny(), 1);
  return make_model(tiny(), std::move(weights)).value();
}

// Sentences that count upwards from different starts: easy to learn by heart.
Corpus counting() {
  Corpus corpus;
  corpus.parts.push_back({});
  for (int32_t start = 0; start < 24; ++start) {
    Sample sample;
    for (int32_t i = 0; i < 14; ++i) sample.ids.push_back((start + i * (1 + start % 3)) % 40);
    sample.counted.assign(sample.ids.size(), 1);
    corpus.parts[0].samples.push_back(std::move(sample));
  }
  return corpus;
}

TrainConfig quick() {
  TrainConfig c;
  c.steps = 30;
  c.batch_rows = 2;
  c.seq_len = 32;
  c.lr = 5e-3;
  c.warmup_steps = 5;
  c.eval_every = 0;
  c.checkpoint_every = 10;
  return c;
}

fs::path fresh_folder(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_train_test" / name;
  fs::remove_all(dir);
  fs::create_directories(dir);
  return dir;
}

std::vector<float> all_weights(const Model& model) {
  std::vector<float> out;
  model.weights.for_each([&](const std::string&, const Tensor& t) { out.insert(out.end(), t.f32(), t.f32() + t.numel()); });
  return out;
}

class Training : public testing::TestWithParam<std::string> {
 protected:
  ThreadPool pool_{2};
  std::unique_ptr<Ops> ops_ = std::move(make_cpu_ops(pool_)).value();
  std::atomic<bool> never_{false};
};

TEST_P(Training, OneBatchIsLearntByHeart) {
  Model model = fresh_model();
  TrainConfig config = quick();
  config.optimizer = GetParam();
  config.steps = 250;
  config.precision = "f32";
  Corpus corpus = counting();
  corpus.parts[0].samples.resize(4);
  auto data = BatchStream::create(std::move(corpus), config.batch_rows, config.seq_len, 1).value();
  Trainer trainer({*ops_}, model, config, data, fresh_folder("heart"));
  double first = 0, last = 0;
  for (int64_t i = 0; i < config.steps; ++i) {
    const auto report = trainer.step();
    ASSERT_TRUE(report.ok());
    if (i == 0) first = report->loss;
    last = report->loss;
  }
  EXPECT_NEAR(first, std::log(40.0), 0.5);  // knows nothing
  EXPECT_LT(last, 0.2);  // all but the first tokens of a sentence, which nothing foretells
}

TEST_P(Training, ARunThatIsResumedEndsWithTheSameBits) {
  TrainConfig config = quick();
  config.optimizer = GetParam();
  std::vector<double> losses, resumed_losses;
  Model whole = fresh_model();
  {
    auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
    Trainer trainer({*ops_}, whole, config, data, fresh_folder("whole"));
    TrainObserver observer;
    observer.on_step = [&](const StepReport& r) { losses.push_back(r.loss); };
    ASSERT_TRUE(trainer.train({}, observer, never_).ok());
  }
  const fs::path run = fresh_folder("parts");
  for (int part = 0; part < 3; ++part) {
    Model model = fresh_model();
    auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
    Trainer trainer({*ops_}, model, config, data, run);
    const auto resumed = trainer.resume();
    ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
    EXPECT_EQ(*resumed, part > 0);
    resumed_losses.resize(static_cast<size_t>(trainer.finished_steps()));
    std::atomic<bool> stop{false};
    TrainObserver observer;
    observer.on_step = [&](const StepReport& r) {
      resumed_losses.push_back(r.loss);
      stop = r.step == 7 || r.step == 19;
    };
    ASSERT_TRUE(trainer.train({}, observer, stop).ok());
    if (part == 2) EXPECT_EQ(all_weights(model), all_weights(whole));
  }
  EXPECT_EQ(losses, resumed_losses);
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Training, testing::Values("adamw", "muon"));

TEST_F(Training, AccumulatedIsAsALargeBatch) {
  TrainConfig large = quick(), small = quick();
  large.batch_rows = 4;
  small.batch_rows = 2;
  small.grad_accum_steps = 2;
  large.precision = small.precision = "f32";
  Model a = fresh_model(), b = fresh_model();
  auto data_a = BatchStream::create(counting(), 4, 32, 3).value();
  auto data_b = BatchStream::create(counting(), 2, 32, 3).value();
  Trainer train_a({*ops_}, a, large, data_a, fresh_folder("large")), train_b({*ops_}, b, small, data_b, fresh_folder("small"));
  for (int i = 0; i < 3; ++i) {
    const auto ra = train_a.step(), rb = train_b.step();
    EXPECT_NEAR(ra->loss, rb->loss, 1e-5);
    EXPECT_NEAR(ra->grad_norm, rb->grad_norm, 1e-4);
  }
}

TEST_F(Training, KeepsTheLastCheckpointsAndSkipsHalfWrittenOnes) {
  TrainConfig config = quick();
  config.keep_checkpoints = 2;
  const fs::path run = fresh_folder("keep");
  Model model = fresh_model();
  auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
  Trainer trainer({*ops_}, model, config, data, run);
  ASSERT_TRUE(trainer.train({}, {}, never_).ok());
  EXPECT_FALSE(fs::exists(run / "step-00000010"));
  EXPECT_TRUE(fs::exists(run / "step-00000020" / "optimizer.safetensors"));
  fs::create_directories(run / "step-00000099.partial");
  EXPECT_EQ(latest_checkpoint(run)->filename(), "step-00000030");

  // Another shape's checkpoint is refused, naming the tensor.
  TrainConfig other = config;
  other.optimizer = "muon";
  Trainer wrong({*ops_}, model, other, data, run);
  const auto resumed = wrong.resume();
  ASSERT_FALSE(resumed.ok());
  EXPECT_THAT(resumed.error().message, testing::HasSubstr("momentum"));
}

TEST(Schedule, EndsWhereItSays) {
  TrainConfig c;
  c.steps = 100;
  c.warmup_steps = 10;
  for (const char* schedule : {"linear", "cosine", "wsd"}) {
    c.schedule = schedule;
    EXPECT_NEAR(lr_multiplier(c, 10), 1.0, 1e-12) << schedule;
    EXPECT_NEAR(lr_multiplier(c, 100), c.min_lr_ratio, 1e-12) << schedule;
  }
  c.schedule = "often";
  EXPECT_THAT(c.validate().error().message, testing::HasSubstr("train.schedule must be constant, linear, cosine or wsd"));
}

}  // namespace
}  // namespace owlet
