// How fast a model runs here, beside what this machine can do at all, measured in the same run.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/json.h"
#include "kernels/machine_limits.h"

namespace owlet {
namespace {

struct BenchOptions {
  CommonOptions common;
  int64_t prompt = 512;
  int64_t decode = 64;
  std::vector<int64_t> sequences = {1, 4, 16};
  int repeats = 5;
};

struct BenchResult {
  std::string name;
  double value = 0;  // median, tokens/s
  double limit = 0;  // tokens/s that the machine's bandwidth or arithmetic allows
};

double seconds_of(const std::function<void()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

// Drives a Runner with made-up tokens: what they are does not matter for speed.
class Bench {
 public:
  Bench(Machine& machine, const Model& model, const BenchOptions& options)
      : vocab_(model.config.vocab_size), options_(options),
        pages_each_((options.prompt + options.decode) / KvCache::kPageLen + 1),
        n_max_(*std::max_element(options.sequences.begin(), options.sequences.end())),
        cache_(model.config, n_max_ * pages_each_, DType::kF16),
        runner_(machine.context(), model, std::max(options.prompt, n_max_)) {
    for (int64_t s = 0; s < n_max_; ++s) {
      pages_.emplace_back(static_cast<size_t>(pages_each_));
      std::iota(pages_.back().begin(), pages_.back().end(), static_cast<int32_t>(s * pages_each_));
    }
  }

  // Tokens per second of one prompt.
  double prefill() {
    return static_cast<double>(options_.prompt) / seconds_of([&] { step(1, 0, options_.prompt); });
  }

  // Tokens per second, all together, of n answers that begin after a short prompt.
  double decode(int64_t n) {
    const int64_t begin = 16;
    const double seconds = seconds_of([&] {
      for (int64_t t = 0; t < options_.decode; ++t) step(n, begin + t, 1);
    });
    return static_cast<double>(n * options_.decode) / seconds;
  }

 private:
  // `n` sequences advance by `rows` tokens each from `position`.
  void step(int64_t n, int64_t position, int64_t rows) {
    RaggedBatch batch;
    for (int64_t s = 0; s < n; ++s) {
      const auto row = static_cast<int64_t>(batch.tokens_N.size());
      batch.sequences.push_back({row, row + rows, position, pages_[static_cast<size_t>(s)]});
      for (int64_t t = 0; t < rows; ++t) {
        batch.tokens_N.push_back(static_cast<int32_t>((s * 7919 + (position + t) * 31) % vocab_));
        batch.positions_N.push_back(static_cast<int32_t>(position + t));
      }
      batch.output_rows.push_back(static_cast<int32_t>(row + rows - 1));
    }
    runner_.forward(batch, cache_);
  }

  int64_t vocab_;
  BenchOptions options_;
  int64_t pages_each_;
  int64_t n_max_;
  KvCache cache_;
  Runner runner_;
  std::vector<std::vector<int32_t>> pages_;
};

// What a token costs at least: 2 operations a parameter, and a pass over the weights shared by all tokens of a step.
std::vector<BenchResult> plan(const BenchOptions& options, const Model& model, const MachineLimits& limits) {
  const bool integers = is_quantized(model.weights.layers[0].up.weight_OI.dtype());
  const double ops_per_s = 1e9 * (integers ? limits.int8_gops : limits.fp32_gflops);
  const double ops = 2.0 * static_cast<double>(model.config.n_matmul_params());
  std::vector<BenchResult> results = {{fmt::format("prefill {}", options.prompt), 0, ops_per_s / ops}};
  for (int64_t n : options.sequences) {
    const double by_bytes = static_cast<double>(n) * 1e9 * limits.read_gb_s / static_cast<double>(model.bytes());
    results.push_back({n == 1 ? "decode" : fmt::format("decode × {}", n), 0, std::min(by_bytes, ops_per_s / ops)});
  }
  return results;
}

Json to_json(const std::vector<BenchResult>& results, const MachineLimits& limits, const ChatModel& chat, Machine& machine) {
  Json rows = Json::array();
  for (const BenchResult& r : results) {
    rows.push_back({{"name", r.name}, {"value", r.value}, {"unit", "tokens/s"}, {"limit", r.limit}, {"ratio", r.value / r.limit}});
  }
  return {{"machine",
           {{"backend", machine.ops->name()}, {"threads", machine.pool.size()}, {"read_gb_s", limits.read_gb_s},
            {"int8_gops", limits.int8_gops}, {"bf16_gflops", limits.bf16_gflops}, {"fp32_gflops", limits.fp32_gflops}}},
          {"model", {{"id", chat.id}, {"type", chat.model->dtype_name()}, {"bytes", chat.model->bytes()},
                     {"params", chat.model->config.n_params()}}},
          {"results", rows}};
}

void print(const std::vector<BenchResult>& results, const MachineLimits& limits, const ChatModel& chat, Machine& machine) {
  fmt::print("{}  {} in {}, {}\n", chat.id, format_short(static_cast<double>(chat.model->config.n_params())),
             chat.model->dtype_name(), format_bytes(static_cast<double>(chat.model->bytes())));
  fmt::print("{}, {} threads: reads {:.0f} GB/s, int8 {:.0f} Gop/s, bf16 {:.0f}, fp32 {:.0f} GFLOP/s\n\n", machine.ops->name(),
             machine.pool.size(), limits.read_gb_s, limits.int8_gops, limits.bf16_gflops, limits.fp32_gflops);
  fmt::print("{:<14} {:>12} {:>12} {:>8}\n", "", "tokens/s", "limit", "share");
  for (const BenchResult& r : results) {
    fmt::print("{:<14} {:>12.0f} {:>12.0f} {:>6.0f} %\n", r.name, r.value, r.limit, 100 * r.value / r.limit);
  }
}

Status run(const BenchOptions& options) {
  OWLET_ASSIGN(const auto machine, make_machine(options.common.threads));
  OWLET_ASSIGN(ChatModel chat, load_chat_model(options.common.model));
  OWLET_TRY(quantize_in_memory(options.common.quantize, chat, machine->pool));
  if (options.prompt + options.decode > chat.model->config.max_positions) {
    return make_error(ErrorCode::kTooLarge, "{} + {} tokens do not fit in the model's context of {}", options.prompt,
                      options.decode, chat.model->config.max_positions);
  }
  const MachineLimits limits = measure_limits(machine->pool, 1.0);
  std::vector<BenchResult> results = plan(options, *chat.model, limits);
  Bench bench(*machine, *chat.model, options);
  std::vector<std::vector<double>> samples(results.size());
  // Round by round, so that a slow phase of a shared machine does not fall on one line alone; the first round warms up.
  for (int round = 0; round <= options.repeats; ++round) {
    for (size_t i = 0; i < results.size(); ++i) {
      const double value = i == 0 ? bench.prefill() : bench.decode(options.sequences[i - 1]);
      if (round > 0) samples[i].push_back(value);
    }
  }
  for (size_t i = 0; i < results.size(); ++i) results[i].value = median(samples[i]);
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
            app.add_option("--repeats", options->repeats, "samples of each figure; the median counts")->check(CLI::Range(1, 1000));
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
