#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <optional>

#include "core/file.h"
#include "core/test_file_limit.h"
#include "kernels/backend.h"
#include "model/load.h"
#include "train/lora.h"
#include "train/plan.h"
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

// Sentences that count upwards from different starts: easy to learn by heart. `spell` says what a number is called.
Corpus counting(int32_t n_sentences = 24, int32_t (*spell)(int32_t) = [](int32_t n) { return n; }) {
  std::vector<Sample> samples;
  for (int32_t start = 0; start < n_sentences; ++start) {
    Sample sample;
    for (int32_t i = 0; i < 14; ++i) sample.ids.push_back(spell((start + i * (1 + start % 3)) % 40));
    sample.counted.assign(sample.ids.size(), 1);
    samples.push_back(std::move(sample));
  }
  return {{{SampleStore::of(samples).value(), 1}}};
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
  auto data = BatchStream::create(counting(4), config.batch_rows, config.seq_len, 1).value();
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

// Ways to save memory: each alone or all together, on a model that is large enough for 8-bit moments.
struct Saving {
  const char* name;
  void (*set)(TrainConfig&);
};
void PrintTo(const Saving& saving, std::ostream* out) { *out << saving.name; }

class Savings : public testing::TestWithParam<Saving> {
 protected:
  static Model model(const TrainConfig& config) {
    ModelConfig c = tiny();
    c.vocab_size = 160;  // tables of 5,120 numbers, matrices of 6,144
    c.ffn_dim = 192;
    c.tie_embeddings = false;
    Weights weights = make_weights(c);
    init_weights(weights, c, 1);
    Model model = make_model(c, std::move(weights)).value();
    ThreadPool pool(1);
    const DType matrices = config.weights == "bf16" ? DType::kBF16 : DType::kF32;
    convert_weights(model, [&](const std::string&, const Tensor& t) { return t.shape().rank() == 2 ? matrices : DType::kF32; }, pool);
    if (config.lora.base == "nf4") quantize_base(model, pool);
    if (config.lora.rank > 0) OWLET_CHECK(add_adapters({*make_reference_ops()}, model, config.lora, 3).ok(), "adapters");
    return model;
  }
  static TrainConfig config() {
    TrainConfig c = quick();
    c.steps = 12;
    c.checkpoint_every = 5;
    c.clip_norm = 0;
    GetParam().set(c);
    return c;
  }
  // All bits of what is trained and of the optimizer's states.
  static std::string bits(const Trainer& trainer) {
    std::string out;
    for (int64_t b = 0; b < trainer.parameters().n_buckets(); ++b) {
      for (const Parameter& p : trainer.parameters().bucket(b)) out.append(p.weight.view().as<char>(), static_cast<size_t>(p.weight.bytes()));
    }
    return out;
  }
  std::string run_whole(const TrainConfig& config, const std::string& folder, std::vector<double>* losses = nullptr) {
    Model m = model(config);
    auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
    Trainer trainer({*ops_}, m, config, data, fresh_folder(folder));
    TrainObserver observer;
    observer.on_step = [&](const StepReport& r) {
      if (losses) losses->push_back(r.loss);
    };
    EXPECT_TRUE(trainer.train({}, observer, never_).ok());
    return bits(trainer);
  }

  ThreadPool pool_{2};
  std::unique_ptr<Ops> ops_ = std::move(make_cpu_ops(pool_)).value();
  std::atomic<bool> never_{false};
};

TEST_P(Savings, AResumedRunEndsWithTheSameBits) {
  const TrainConfig c = config();
  std::vector<double> losses;
  const std::string whole = run_whole(c, "saving_whole", &losses);
  EXPECT_LT(losses.back(), losses.front());
  const fs::path run = fresh_folder("saving_parts");
  for (const int64_t stop_at : {3, 7, 100}) {
    Model m = model(c);
    auto data = BatchStream::create(counting(), c.batch_rows, c.seq_len, 5).value();
    Trainer trainer({*ops_}, m, c, data, run);
    const auto resumed = trainer.resume();
    ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
    std::atomic<bool> stop{false};
    TrainObserver observer;
    observer.on_step = [&](const StepReport& r) { stop = r.step == stop_at; };
    const Status done = trainer.train({}, observer, stop);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    if (stop_at == 100) EXPECT_EQ(bits(trainer), whole);
  }
}

TEST_P(Savings, RecomputedIsAsKept) {
  TrainConfig c = config();
  c.recompute_every = 0;
  const std::string kept = run_whole(c, "kept");
  for (const int64_t every : {1, 2}) {
    c.recompute_every = every;
    EXPECT_EQ(run_whole(c, "recomputed"), kept) << every;
  }
}

TEST_P(Savings, SteppedOnTheWayBackIsAsAfterIt) {
  TrainConfig c = config();
  const std::string on_the_way = run_whole(c, "on_the_way");
  c.clip_norm = 1e9;  // all gradients are wanted, none is clipped
  EXPECT_EQ(run_whole(c, "after"), on_the_way);
}

// What a plan says is what is then allocated, but for the rounding of places in memory.
TEST_P(Savings, ArePlanned) {
  TrainConfig c = config();
  for (const double clip : {0.0, 1.0}) {
    c.clip_norm = clip;
    Model m = model(c);
    int64_t stored = m.bytes(), adapters = 0;
    const Parameters parameters(m, [&](const std::string& name) { return c.lora.rank > 0 ? name.find("lora_") != std::string::npos : !matches_any(c.freeze, name); },
                                c.steps_on_the_way_back());
    const Optimizer optimizer({*ops_}, parameters, c);
    if (c.lora.rank > 0) adapters = 4 * parameters.numel();
    const TrainingPlan plan = plan_training(m.config, c, stored);
    EXPECT_EQ(plan.trained, parameters.numel());
    EXPECT_NEAR(static_cast<double>(plan.gradients), static_cast<double>(parameters.gradient_bytes()), 4096);
    EXPECT_NEAR(static_cast<double>(plan.states), static_cast<double>(optimizer.bytes()), 8192);
    if (c.lora.base != "nf4") EXPECT_EQ(plan.weights, stored + adapters);
    EXPECT_EQ(plan.activations, Tape({*ops_}, m, c.batch_rows * c.seq_len, c.recompute_every).bytes());
    EXPECT_EQ(plan.params, m.config.n_params());
  }
}

TEST(Plan, NamesTheSettingsThatWouldFit) {
  ModelConfig c{.vocab_size = 50000, .dim = 1024, .n_layers = 24, .n_heads = 16, .n_kv_heads = 16, .head_dim = 64, .ffn_dim = 4096, .max_positions = 4096};
  TrainConfig t = quick();
  t.batch_rows = 1;
  t.seq_len = 1024;
  const auto gigabytes = [](double n) { return static_cast<int64_t>(n * 1e9); };
  EXPECT_GT(plan_training(c, t).peak(), gigabytes(8));
  EXPECT_TRUE(settings_that_fit(c, t, 0, gigabytes(16)).empty());  // nothing has to change
  EXPECT_EQ(settings_that_fit(c, t, 0, gigabytes(3.7)),
            (std::vector<std::string>{"train.recompute_every=1", "train.clip_norm=0", "train.states=8bit", "train.weights=bf16"}));
  EXPECT_EQ(settings_that_fit(c, t, 0, gigabytes(1.2)).back(), "lora.base=nf4");
  EXPECT_TRUE(settings_that_fit(c, t, 0, gigabytes(0.3)).empty());
  t.lora.rank = 16;
  EXPECT_EQ(settings_that_fit(c, t, 0, gigabytes(1.9)), (std::vector<std::string>{"train.recompute_every=1"}));
}

INSTANTIATE_TEST_SUITE_P(
    All, Savings,
    testing::Values(Saving{"plain", [](TrainConfig&) {}}, Saving{"eight_bits", [](TrainConfig& c) { c.states = "8bit"; }},
                    Saving{"bf16", [](TrainConfig& c) { c.weights = "bf16"; }},
                    Saving{"muon_bf16", [](TrainConfig& c) { c.weights = "bf16", c.optimizer = "muon"; }},
                    Saving{"all", [](TrainConfig& c) { c.weights = "bf16", c.states = "8bit", c.recompute_every = 1; }},
                    Saving{"frozen", [](TrainConfig& c) { c.freeze = {"embed_tokens.*", "layers.0.*", "lm_head.*"}; }},
                    Saving{"dropout", [](TrainConfig& c) { c.dropout = 0.1, c.z_loss = 1e-3; }},
                    Saving{"lora", [](TrainConfig& c) { c.lora = {.rank = 4, .dropout = 0.1, .layers = {"q_proj", "mlp.*"}}; }},
                    Saving{"dora", [](TrainConfig& c) { c.lora = {.rank = 4, .layers = {}, .rank_stabilized = true, .magnitude = true}; }},
                    Saving{"qlora", [](TrainConfig& c) { c.lora = {.rank = 4, .layers = {}, .base = "nf4"}; }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Parameters, BucketsThatShareMemoryTakeThatOfTheLargest) {
  ModelConfig c = tiny();
  c.tie_embeddings = false;
  const Model model = make_model(c, make_weights(c)).value();
  const auto all = [](const std::string&) { return true; };
  const Parameters whole(model, all, false), one(model, all, true);
  EXPECT_EQ(whole.numel(), c.n_params());
  EXPECT_GE(whole.gradient_bytes(), 4 * c.n_params());
  const int64_t tables = 4 * c.vocab_size * c.dim, block = (whole.gradient_bytes() - 2 * tables - 4 * c.dim) / c.n_layers;
  EXPECT_EQ(one.gradient_bytes(), tables + 4 * c.dim + block);
  EXPECT_EQ(one.bucket(1)[0].gradient.f32(), one.bucket(2)[0].gradient.f32());
  EXPECT_NE(whole.bucket(1)[0].gradient.f32(), whole.bucket(2)[0].gradient.f32());
}

TEST(Adapters, ChangeNothingUntilTheyAreTrained) {
  const auto ops = make_reference_ops();
  const Context context{*ops};
  const Model plain = fresh_model();
  Model tuned = fresh_model();
  ASSERT_TRUE(add_adapters(context, tuned, {.rank = 4, .layers = {"layers.1.*"}, .magnitude = true}, 9).ok());
  EXPECT_TRUE(tuned.weights.layers[0].q.low_rank.empty());
  const std::vector<int32_t> tokens{3, 1, 4, 1, 5}, positions{0, 1, 2, 3, 4}, first(5);
  Tape a(context, plain, 5), b(context, tuned, 5);
  const TensorView x = a.forward({tokens, positions, first}), y = b.forward({tokens, positions, first});
  for (int64_t i = 0; i < x.numel(); ++i) ASSERT_NEAR(x.f32()[i], y.f32()[i], 1e-5);
  EXPECT_THAT(add_adapters(context, tuned, {.rank = 4, .layers = {"gat_proj"}}, 9).error().message, testing::HasSubstr("no linear layer"));
  EXPECT_THAT(add_adapters(context, tuned, {.rank = 4, .layers = {}}, 9).error().message, testing::HasSubstr("already"));
  Model fused = fresh_model();
  fused.config.architecture = "phi3";
  EXPECT_THAT(add_adapters(context, fused, {.rank = 4, .layers = {"q_proj"}}, 9).error().message, testing::HasSubstr("in one tensor"));
  EXPECT_TRUE(add_adapters(context, fused, {.rank = 4, .layers = {"o_proj", "down_proj"}}, 9).ok());
}

TEST_F(Training, WhatMatchesNoDecayIsLeftToItsGradient) {
  TrainConfig config = quick();
  config.weight_decay = 0.5;
  config.warmup_steps = 0;
  const auto trained = [&](std::vector<std::string> no_decay) {
    config.no_decay = std::move(no_decay);
    Model model = fresh_model();
    auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
    Trainer trainer({*ops_}, model, config, data, fresh_folder("decay"));
    EXPECT_TRUE(trainer.step().ok());
    return model;
  };
  const Model all = trained({}), spared = trained({"mlp.*"});
  const auto same = [](const Tensor& a, const Tensor& b) { return std::equal(a.f32(), a.f32() + a.numel(), b.f32()); };
  EXPECT_TRUE(same(all.weights.layers[0].q.weight_OI, spared.weights.layers[0].q.weight_OI));
  EXPECT_FALSE(same(all.weights.layers[0].gate.weight_OI, spared.weights.layers[0].gate.weight_OI));
}

TEST(Patterns, AreOfWholeNamesOrTheirEnds) {
  const std::string name = "model.layers.12.self_attn.q_proj";
  for (const char* pattern : {"q_proj", "self_attn.q_proj", "layers.1*.q_proj", "*", "model.layers.12.*", "*q_p*j", "12.self*"}) {
    EXPECT_TRUE(matches(pattern, name)) << pattern;
  }
  for (const char* pattern : {"proj", "q_pro", "layers.1.*", "", "*k_proj", "self_attn", "*q*q_proj"}) EXPECT_FALSE(matches(pattern, name)) << pattern;
}

TEST_F(Training, ADamagedCheckpointIsPassedOver) {
  TrainConfig config = quick();
  const fs::path run = fresh_folder("damaged");
  {
    Model model = fresh_model();
    auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
    Trainer trainer({*ops_}, model, config, data, run);
    ASSERT_TRUE(trainer.train({}, {}, never_).ok());
  }
  const auto damage = [&](const char* checkpoint, const char* file) {
    std::fstream bytes(run / checkpoint / file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(-3, std::ios::end);
    bytes.put('!');
  };
  damage("step-00000030", "optimizer.state");
  Model model = fresh_model();
  auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
  Trainer trainer({*ops_}, model, config, data, run);
  std::vector<std::string> notes;
  const auto resumed = trainer.resume([&](const std::string& note) { notes.push_back(note); });
  ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
  EXPECT_EQ(trainer.finished_steps(), 20);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], testing::HasSubstr("step-00000030/optimizer.state is not what was written"));
  EXPECT_EQ(latest_checkpoint(run)->filename(), "step-00000020");
  EXPECT_TRUE(fs::exists(run / "step-00000030.damaged"));
  damage("step-00000020", "model.safetensors");
  const auto none = trainer.resume();
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, testing::HasSubstr("model.safetensors is not what was written"));
}

// At each of a checkpoint's files in turn, in their middle and at their end.
TEST_F(Training, AFullDiskCostsTheStepsSinceTheLastCheckpoint) {
  TrainConfig config = quick();
  config.steps = 20;
  config.checkpoint_every = 4;
  const fs::path run = fresh_folder("full"), whole = fresh_folder("not_full");
  const auto train = [&](const fs::path& folder, int64_t stop_at, std::optional<rlim_t> room = {}) {
    Model model = fresh_model();
    auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
    Trainer trainer({*ops_}, model, config, data, folder);
    EXPECT_TRUE(trainer.resume().ok());
    std::atomic<bool> stop{false};
    TrainObserver observer;
    observer.on_step = [&](const StepReport& r) { stop = r.step == stop_at; };
    const auto full = room ? std::make_unique<FileLimit>(*room) : nullptr;
    return trainer.train({}, observer, stop);
  };
  ASSERT_TRUE(train(whole, 0).ok());
  ASSERT_TRUE(train(run, 5).ok());
  const auto size = [&](const char* file) { return static_cast<rlim_t>(fs::file_size(run / "step-00000005" / file)); };
  const rlim_t model = size("model.safetensors"), states = size("optimizer.state");
  ASSERT_LT(model, states);
  for (const rlim_t room : {rlim_t{0}, size("config.json") - 1, model / 2, model - 1, model, states - 1}) {
    const Status status = train(run, 0, room);
    ASSERT_FALSE(status.ok()) << room;
    EXPECT_THAT(status.error().message, testing::HasSubstr(room < model ? "step-00000008.partial/" : "step-00000008.partial/optimizer.state")) << room;
    EXPECT_THAT(status.error().hint, testing::HasSubstr("step-00000005 is whole")) << room;
    EXPECT_FALSE(fs::exists(run / "step-00000008.partial"));
    EXPECT_EQ(complete_checkpoints(run), (std::vector{run / "step-00000004", run / "step-00000005"}));
    EXPECT_TRUE(check_checkpoint(run / "step-00000005").ok());
  }
  ASSERT_TRUE(train(run, 0).ok());
  for (const char* file : {"model.safetensors", "optimizer.state", "trainer.json"}) {
    EXPECT_EQ(read_file(run / "step-00000020" / file).value(), read_file(whole / "step-00000020" / file).value()) << file;
  }
}

TEST_F(Training, TheBestCheckpointStaysAndARunThatNoLongerImprovesEnds) {
  TrainConfig config = quick();
  config.steps = 400;
  config.eval_every = 5;
  config.checkpoint_every = 0;
  config.keep_checkpoints = 1;
  config.keep_best = true;
  config.patience = 3;
  config.warmup_steps = 0;
  config.schedule = "constant";
  const fs::path run = fresh_folder("best");
  Model model = fresh_model();
  auto data = BatchStream::create(counting(), config.batch_rows, config.seq_len, 5).value();
  // Held out: sentences that count by five, which the others do not foretell.
  auto held_out = BatchStream::create(counting(24, [](int32_t n) { return (n * 5 + 1) % 40; }), config.batch_rows, config.seq_len, 5).value();
  ValidationSet validation{held_out.first_batches(4), 100};
  Trainer trainer({*ops_}, model, config, data, run);
  std::vector<ValidationReport> reports;
  TrainObserver observer;
  observer.on_validation = [&](const ValidationReport& r) { reports.push_back(r); };
  ASSERT_TRUE(trainer.train(validation, observer, never_).ok());
  const auto best = std::min_element(reports.begin(), reports.end(), [](const auto& a, const auto& b) { return a.loss < b.loss; });
  EXPECT_LT(trainer.finished_steps(), 400);
  EXPECT_EQ(trainer.finished_steps(), best->step + 3 * 5);
  std::vector<std::string> names;
  for (const fs::path& path : complete_checkpoints(run)) names.push_back(path.filename().string());
  EXPECT_EQ(names, (std::vector{fmt::format("step-{:08}", best->step), fmt::format("step-{:08}", trainer.finished_steps())}));
}

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
  EXPECT_TRUE(fs::exists(run / "step-00000020" / "optimizer.state"));
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
  c.schedule = "wsd";
  for (int decay = 1; decay <= 90; ++decay) {
    c.decay_fraction = decay / 100.0;
    EXPECT_EQ(lr_multiplier(c, 100 - decay), 1.0) << decay;
    EXPECT_NEAR(lr_multiplier(c, 101 - decay), 1 - (1 - c.min_lr_ratio) / decay, 1e-12) << decay;
  }
  c.schedule = "often";
  EXPECT_THAT(c.validate().error().message, testing::HasSubstr("train.schedule must be constant, linear, cosine or wsd"));
}

}  // namespace
}  // namespace owlet
