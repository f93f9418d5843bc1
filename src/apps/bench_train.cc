#include "apps/bench_train.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "apps/bench_peer.h"
#include "apps/load_chat_model.h"
#include "apps/median.h"
#include "apps/progress.h"
#include "core/json.h"
#include "core/random.h"
#include "kernels/machine_limits.h"
#include "train/trainer.h"

namespace owlet {
namespace {

constexpr double kLimitSeconds = 0.2;

// A trainer with all that it needs to stay alive.
struct TrainBench {
  TrainBench(Machine& machine, const std::string& precision)
      : config(make_config(precision)), model(make()), data(made_up(config)), trainer(machine.context(), model, config, data, {}) {}

  static TrainConfig make_config(const std::string& precision) {
    TrainConfig config;
    config.batch_rows = 8;
    config.seq_len = 256;
    config.warmup_steps = 0;
    config.precision = precision;
    return config;
  }

  static Model make() {
    const ModelConfig c{.vocab_size = 8192, .dim = 512, .n_layers = 8, .n_heads = 8, .n_kv_heads = 8, .head_dim = 64, .ffn_dim = 1536, .max_positions = 256};
    Weights weights = make_weights(c);
    init_weights(weights, c, 1);
    auto model = make_model(c, std::move(weights));
    OWLET_CHECK(model.ok(), "[bench_train] {}", model.error().message);
    return std::move(model).value();
  }
  // Rows full of one sample each.
  static BatchStream made_up(const TrainConfig& config) {
    Random random{.seed = 1};
    std::vector<Sample> samples;
    for (int64_t row = 0; row < 8 * config.batch_rows; ++row) {
      Sample sample;
      for (int64_t i = 0; i <= config.seq_len; ++i) sample.ids.push_back(static_cast<int32_t>(random.below(8192)));
      sample.counted.assign(sample.ids.size(), 1);
      samples.push_back(std::move(sample));
    }
    auto store = SampleStore::of(samples);
    OWLET_CHECK(store.ok(), "[bench_train] {}", store.error().message);
    auto stream = BatchStream::create({{{std::move(*store), 1}}}, config.batch_rows, config.seq_len, 1);
    OWLET_CHECK(stream.ok(), "[bench_train] {}", stream.error().message);
    return std::move(stream).value();
  }

  TrainConfig config;
  Model model;
  BatchStream data;
  Trainer trainer;
};

struct Line {
  std::string precision;
  double MachineLimits::*limit;
  std::vector<double> gflops = {}, shares = {}, tokens = {}, busy = {};
  std::vector<std::vector<double>> peers = {};  // tokens/s of each, and of each round; 0 where it has no such figure
  std::string no_peer = {};                     // why one has none
};

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// One step of ours, the limit around it, and one of each peer.
Status run_round(TrainBench& bench, Machine& machine, const TrainBenchOptions& options, MachineLimits& before, Line& line) {
  const double begin = processor_seconds();
  OWLET_ASSIGN(const StepReport step, bench.trainer.step());
  const double busy = (processor_seconds() - begin) / machine.pool.size();
  const MachineLimits after = measure_limits(machine.pool, kLimitSeconds);
  const double gflops = 1e-9 * step.flops / step.seconds;
  line.gflops.push_back(gflops);
  line.shares.push_back(gflops / std::max(before.*line.limit, after.*line.limit));
  line.busy.push_back(1e-9 * step.flops / busy);
  line.tokens.push_back(static_cast<double>(step.tokens) / step.seconds);
  line.peers.resize(options.peers.size());
  for (size_t p = 0; p < options.peers.size(); ++p) {
    const Result<double> figure = run_train_peer(options.peers[p], line.precision, machine.pool.size());
    line.peers[p].push_back(figure.ok() ? *figure : 0);
    if (!figure.ok()) line.no_peer = figure.error().to_string();
  }
  before = after;
  return {};
}

Json to_json(const Line& line) {
  const double gflops = median(line.gflops), share = median(line.shares);
  Json peers = Json::array();
  for (const auto& peer : line.peers) peers.push_back(median(peer));
  return {{"name", "train 36M " + line.precision}, {"value", gflops}, {"unit", "GFLOP/s"}, {"best", *std::max_element(line.gflops.begin(), line.gflops.end())},
          {"while_running", median(line.busy)}, {"limit", gflops / share}, {"ratio", share}, {"tokens_per_s", median(line.tokens)}, {"peers", peers}};
}

void print(const Line& line) {
  const Json r = to_json(line);
  const double tokens = r["tokens_per_s"].get<double>();
  fmt::print("{:<6} {:>10.1f} {:>10.1f} {:>14.1f} {:>10.1f} {:>6.0f} % {:>10.0f}", line.precision, r["value"].get<double>(), r["best"].get<double>(),
             r["while_running"].get<double>(), r["limit"].get<double>(), 100 * r["ratio"].get<double>(), tokens);
  print_peers(tokens, r["peers"].get<std::vector<double>>());
  if (!line.no_peer.empty()) fmt::print("       {}\n", line.no_peer);
}

}  // namespace

Status bench_train(const TrainBenchOptions& options) {
  OWLET_ASSIGN(const auto machine, make_machine(options.threads));
  std::vector<Line> lines = {{"f32", &MachineLimits::fp32_gflops}, {"bf16", &MachineLimits::bf16_gflops}};
  std::vector<std::unique_ptr<TrainBench>> benches;
  for (const Line& line : lines) {
    benches.push_back(std::make_unique<TrainBench>(*machine, line.precision));
    OWLET_TRY(benches.back()->trainer.step());  // warms up
  }
  MachineLimits before = measure_limits(machine->pool, kLimitSeconds);
  // In turn, so that a slow phase of a shared machine does not fall on one line alone.
  for (int round = 0; round < options.repeats; ++round) {
    for (size_t i = 0; i < lines.size(); ++i) OWLET_TRY(run_round(*benches[i], *machine, options, before, lines[i]));
  }
  if (options.json) {
    Json results = Json::array();
    for (const Line& line : lines) results.push_back(to_json(line));
    fmt::print("{}\n", dump_json(Json{{"machine", {{"backend", machine->ops->name()}, {"threads", machine->pool.size()}}}, {"results", results}}, 1));
    return {};
  }
  fmt::print("a training step of {}, 8 × 256 tokens; {}, {} threads\n\n", format_short(static_cast<double>(benches[0]->model.config.n_params())),
             machine->ops->name(), machine->pool.size());
  fmt::print("{:<6} {:>10} {:>10} {:>14} {:>10} {:>8} {:>10}", "", "GFLOP/s", "best", "while running", "limit", "share", "tokens/s");
  print_peer_headings(options.peers.size());
  for (const Line& line : lines) print(line);
  return {};
}

}  // namespace owlet
