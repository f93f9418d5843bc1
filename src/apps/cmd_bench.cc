// How fast a model runs here, beside what this machine can do at all, measured in the same run.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "apps/bench_peer.h"
#include "apps/bench_train.h"
#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/made_up_run.h"
#include "apps/median.h"
#include "apps/memory_report.h"
#include "apps/progress.h"
#include "core/json.h"
#include "core/memory.h"
#include "kernels/machine_limits.h"

namespace owlet {
namespace {

struct BenchOptions {
  CommonOptions common;
  int64_t prompt = 512;
  int64_t decode = 64;
  std::vector<int64_t> sequences = {1, 8, 16, 32};
  int64_t depth = 2048;
  int repeats = 5;
  bool train = false;
  std::vector<std::string> peers;  // programs
};

// One line of the table: `n` sequences advance `steps` times by `rows` tokens each from `position` on.
struct BenchLine {
  std::string name;
  int64_t n = 1;
  int64_t position = 0;
  int64_t rows = 1;
  int64_t steps = 1;
  double value = 0;  // median, tokens/s
  double limit = 0;  // tokens/s that the machine's bandwidth or arithmetic allows
  std::vector<double> peers = {};  // medians, tokens/s; 0 where a peer has no such figure
  std::string no_peer = {};        // why one has none
};

std::vector<BenchLine> plan(const BenchOptions& options, const ModelConfig& config) {
  constexpr int64_t kShort = 16;  // what stands before an answer
  std::vector<BenchLine> lines = {{.name = fmt::format("prefill {}", options.prompt), .rows = options.prompt}};
  for (const int64_t n : options.sequences) {
    lines.push_back({.name = n == 1 ? "decode" : fmt::format("decode × {}", n), .n = n, .position = kShort, .steps = options.decode});
  }
  const int64_t depth = std::min(options.depth, config.max_positions - std::max(options.prompt, options.decode));
  if (depth < kShort) return lines;
  lines.push_back({.name = fmt::format("prefill {} behind {}", options.prompt, depth), .position = depth, .rows = options.prompt});
  lines.push_back({.name = fmt::format("decode behind {}", depth), .position = depth, .steps = options.decode});
  return lines;
}

// Tokens of each sequence that the lines need.
std::vector<int64_t> lengths_of(const std::vector<BenchLine>& lines) {
  std::vector<int64_t> lengths;
  for (const BenchLine& line : lines) {
    lengths.resize(std::max(lengths.size(), static_cast<size_t>(line.n)));
    for (size_t s = 0; s < static_cast<size_t>(line.n); ++s) lengths[s] = std::max(lengths[s], line.position + line.rows * line.steps);
  }
  return lengths;
}

double tokens_per_second(MadeUpRun& bench, const BenchLine& line) {
  double seconds = 0;
  for (int64_t step = 0; step < line.steps; ++step) seconds += bench.step(line.n, line.position + step * line.rows, line.rows);
  return static_cast<double>(line.n * line.rows * line.steps) / seconds;
}

Json to_json(const std::vector<BenchLine>& results, const MachineLimits& limits, const ChatModel& chat, Machine& machine) {
  Json rows = Json::array();
  for (const BenchLine& r : results) {
    rows.push_back({{"name", r.name}, {"value", r.value}, {"unit", "tokens/s"}, {"limit", r.limit}, {"ratio", r.value / r.limit}, {"peers", r.peers}});
  }
  return {{"machine",
           {{"backend", machine.ops->name()}, {"threads", machine.pool.size()}, {"read_gb_s", limits.read_gb_s},
            {"int8_gops", limits.int8_gops}, {"bf16_gflops", limits.bf16_gflops}, {"fp32_gflops", limits.fp32_gflops}}},
          {"model", {{"id", chat.id}, {"type", chat.model->dtype_name()}, {"bytes", chat.model->bytes()},
                     {"params", chat.model->config.n_params()}}},
          {"results", rows}};
}

void print(const std::vector<BenchLine>& results, const MachineLimits& limits, const ChatModel& chat, Machine& machine) {
  fmt::print("{}  {} in {}, {}\n", chat.id, format_short(static_cast<double>(chat.model->config.n_params())),
             chat.model->dtype_name(), format_bytes(static_cast<double>(chat.model->bytes())));
  fmt::print("{}, {} threads: reads {:.0f} GB/s, int8 {:.0f} Gop/s, bf16 {:.0f}, fp32 {:.0f} GFLOP/s\n\n", machine.ops->name(),
             machine.pool.size(), limits.read_gb_s, limits.int8_gops, limits.bf16_gflops, limits.fp32_gflops);
  fmt::print("{:<26} {:>12} {:>12} {:>8}", "", "tokens/s", "limit", "share");
  print_peer_headings(results.front().peers.size());
  for (const BenchLine& r : results) {
    fmt::print("{:<26} {:>12.0f} {:>12.0f} {:>6.0f} %", r.name, r.value, r.limit, 100 * r.value / r.limit);
    print_peers(r.value, r.peers);
  }
  for (const BenchLine& r : results) {
    if (!r.no_peer.empty()) fmt::print("\n{}: {}\n", r.name, r.no_peer);
  }
}

// What llama-bench times too: one sequence, from the beginning or behind others. 0: nothing, and the line says why.
double peer_tokens_per_second(const std::string& peer, const ChatModel& chat, BenchLine& line, int threads) {
  constexpr int64_t kDeep = 64;  // fewer tokens before an answer are none of its depth
  if (line.n > 1) return 0;
  const bool is_prompt = line.rows > 1;
  const Result<double> figure = run_peer(peer, chat.path, {is_prompt ? line.rows : 0, is_prompt ? 0 : line.steps, line.position < kDeep ? 0 : line.position, threads});
  if (figure.ok()) return *figure;
  line.no_peer = figure.error().to_string();
  return 0;
}

Status run(const BenchOptions& options) {
  if (options.train) return bench_train({options.repeats, options.common.threads, options.common.json, options.peers});
  OWLET_ASSIGN(const auto machine, make_machine(options.common.threads));
  OWLET_ASSIGN(ChatModel chat, load_chat_model(options.common.model));
  OWLET_TRY(quantize_in_memory(options.common.quantize, chat, machine->pool));
  if (options.prompt + options.decode > chat.model->config.max_positions) {
    return make_error(ErrorCode::kTooLarge, "{} + {} tokens do not fit in the model's context of {}", options.prompt,
                      options.decode, chat.model->config.max_positions);
  }
  std::vector<BenchLine> results = plan(options, chat.model->config);
  const std::vector<int64_t> lengths = lengths_of(results);
  const auto n_max = static_cast<int64_t>(lengths.size()), n_tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const int64_t rows = std::max(options.prompt, n_max);
  OWLET_TRY(check_memory(chat.id, *chat.model, {.context = lengths.front(), .sequences = n_max, .rows = rows, .kv_tokens = n_tokens},
                         machine_memory().available));
  settle_weights(machine->context(), chat.model->weights);
  const MachineLimits limits = measure_limits(machine->pool, 1.0);
  for (BenchLine& line : results) {
    double seconds = 0;
    for (int64_t step = 0; step < line.steps; ++step) {
      seconds += least_seconds(*chat.model, limits, line.n, line.position + step * line.rows, line.rows);
    }
    line.limit = static_cast<double>(line.n * line.rows * line.steps) / seconds;
  }
  MadeUpRun bench(machine->context(), *chat.model, lengths, rows);
  std::vector<std::vector<double>> samples(results.size());
  std::vector<std::vector<std::vector<double>>> peers(results.size(), std::vector<std::vector<double>>(options.peers.size()));
  // Round by round, so that a slow phase of a shared machine does not fall on one line alone; the first round warms up.
  for (int round = 0; round <= options.repeats; ++round) {
    for (size_t i = 0; i < results.size(); ++i) {
      const double value = tokens_per_second(bench, results[i]);
      if (round > 0) samples[i].push_back(value);
      for (size_t p = 0; round > 0 && p < options.peers.size(); ++p) {
        peers[i][p].push_back(peer_tokens_per_second(options.peers[p], chat, results[i], machine->pool.size()));
      }
    }
  }
  for (size_t i = 0; i < results.size(); ++i) {
    results[i].value = median(samples[i]);
    for (const auto& peer : peers[i]) results[i].peers.push_back(median(peer));
  }
  if (options.common.json) {
    fmt::print("{}\n", dump_json(to_json(results, limits, chat, *machine), 1));
  } else {
    print(results, limits, chat, *machine);
  }
  return {};
}

}  // namespace

Command bench_command() {
  return {"bench", "tokens per second beside this machine's own limits",
          "  owlet bench                        the bundled model\n"
          "  owlet bench -m model.gguf --threads 4\n"
          "  owlet bench -m model.gguf --peer llama.cpp/build/bin/llama-bench\n"
          "  owlet bench --train                training steps of a model of 36 M parameters\n"
          "  owlet bench --train --peer tests/interop/step_torch.py\n"
          "  owlet bench --json > bench.json",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<BenchOptions>();
            options->common.add_model(app);
            options->common.add_quantize(app);
            options->common.add_threads(app);
            options->common.add_json(app);
            app.add_option("--prompt", options->prompt, "tokens of the prompt")->check(CLI::Range(1, 1 << 20))->capture_default_str();
            app.add_option("--decode", options->decode, "tokens of an answer")->check(CLI::Range(1, 1 << 20))->capture_default_str();
            app.add_option("--sequences", options->sequences, "answers at once")->check(CLI::Range(1, 1024))->expected(1, 16);
            app.add_option("--depth", options->depth, "tokens before the last two lines, where the model's context allows")
                ->check(CLI::Range(0, 1 << 20))
                ->capture_default_str();
            app.add_flag("--train", options->train, "time training steps instead; needs no model");
            app.add_option("--peer", options->peers, "another engine's llama-bench, in turn with ours on the same GGUF file, or with --train a program that steps the same model; may be repeated")
                ->check(CLI::ExistingFile);
            app.add_option("--repeats", options->repeats, "samples of each figure; the median counts")->check(CLI::Range(1, 1000));
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
