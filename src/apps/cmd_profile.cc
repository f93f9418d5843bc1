// Where the time of a model goes, op by op, beside what this machine could do in it.
#include <fmt/format.h>

#include <algorithm>

#include "apps/command.h"
#include "apps/growth.h"
#include "apps/load_chat_model.h"
#include "apps/made_up_run.h"
#include "apps/memory_report.h"
#include "apps/progress.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "kernels/machine_limits.h"
#include "kernels/profiled_ops.h"

namespace owlet {
namespace {

struct ProfileOptions {
  CommonOptions common;
  int64_t prompt = 512;
  int64_t decode = 32;
  int64_t sequences = 1;
  int64_t depth = 0;
  std::string trace;
  std::string growth;
};

// A kind of step: its ops, and what it took from end to end.
struct Phase {
  std::string name;
  int64_t tokens = 0;
  double begin = 0;  // on the clock of the ops
  double seconds = 0;
  std::vector<ProfiledOps::Line> lines;
};

std::vector<Phase> run_phases(ProfiledOps& ops, const Model& model, const ProfileOptions& o) {
  const std::vector<int64_t> lengths(static_cast<size_t>(o.sequences), o.depth + o.prompt + o.decode);
  MadeUpRun run({ops, Precision::kAsStored}, model, lengths, std::max(o.prompt, o.sequences));
  std::vector<Phase> phases;
  const auto phase = [&](std::string name, int64_t n, int64_t position, int64_t rows, int64_t steps) {
    ops.clear();
    Phase p{std::move(name), n * rows * steps, ops.seconds_since_start(), 0, {}};
    for (int64_t step = 0; step < steps; ++step) run.step(n, position + step * rows, rows);
    p.seconds = ops.seconds_since_start() - p.begin;
    p.lines = ops.lines();
    phases.push_back(std::move(p));
  };
  const std::string behind = o.depth > 0 ? fmt::format(" behind {}", o.depth) : "";
  phase("warming up", 1, o.depth, o.prompt, 1);  // weights are read from their file, memory is taken
  phases.clear();
  phase(fmt::format("prefill {}{}", o.prompt, behind), 1, o.depth, o.prompt, 1);
  const std::string at_once = o.sequences > 1 ? fmt::format(" × {}", o.sequences) : "";
  phase(fmt::format("decode{} behind {}", at_once, o.depth + o.prompt), o.sequences, o.depth + o.prompt, 1, o.decode);
  return phases;
}

void print(const Phase& phase, const MachineLimits& limits) {
  fmt::print("\n{}: {} tokens in {:.1f} ms, {:.0f} tokens/s\n", phase.name, phase.tokens, 1e3 * phase.seconds,
             static_cast<double>(phase.tokens) / phase.seconds);
  fmt::print("  {:<20} {:>7} {:>11} {:>7} {:>9} {:>9} {:>9}\n", "", "calls", "ms", "share", "GB/s", "Gop/s", "of limit");
  double in_ops = 0;
  for (const auto& [name, calls, seconds, work] : phase.lines) {
    in_ops += seconds;
    fmt::print("  {:<20} {:>7} {:>11.3f} {:>5.1f} % {:>9.1f} {:>9.1f} {:>7.0f} %\n", name, calls, 1e3 * seconds, 100 * seconds / phase.seconds,
               work.bytes / seconds / 1e9, work.operations() / seconds / 1e9, 100 * least_seconds(work, limits) / seconds);
  }
  const double between = phase.seconds - in_ops;
  fmt::print("  {:<20} {:>7} {:>11.3f} {:>5.1f} %\n", "between the ops", "", 1e3 * between, 100 * between / phase.seconds);
}

Json to_json(const std::vector<Phase>& phases, const MachineLimits& limits) {
  Json out = Json::array();
  for (const Phase& p : phases) {
    Json ops = Json::array();
    for (const auto& [name, calls, seconds, work] : p.lines) {
      ops.push_back({{"name", name}, {"calls", calls}, {"seconds", seconds}, {"bytes", work.bytes}, {"flops", work.flops}, {"bf16_flops", work.bf16_flops}, {"int_ops", work.int_ops},
                     {"limit_ratio", least_seconds(work, limits) / seconds}});
    }
    out.push_back({{"name", p.name}, {"tokens", p.tokens}, {"seconds", p.seconds}, {"ops", ops}});
  }
  return {{"machine", {{"read_gb_s", limits.read_gb_s}, {"int8_gops", limits.int8_gops}, {"bf16_gflops", limits.bf16_gflops}, {"fp32_gflops", limits.fp32_gflops}}}, {"phases", out}};
}

// Every call in the Trace Event Format, as ui.perfetto.dev and chrome://tracing open it: names ("M"), and complete events ("X") in microseconds.
std::string trace_of(const ProfiledOps& ops, const std::vector<Phase>& phases) {
  Json events = {{{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "owlet"}}}},
                 {{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", 1}, {"args", {{"name", "ops"}}}}};
  const auto add = [&events](const std::string& name, double begin, double seconds, Json args) {
    events.push_back({{"name", name}, {"ph", "X"}, {"ts", 1e6 * begin}, {"dur", 1e6 * seconds}, {"pid", 1}, {"tid", 1}, {"args", std::move(args)}});
  };
  for (const Phase& p : phases) add(p.name, p.begin, p.seconds, {{"tokens", p.tokens}});
  for (const ProfiledOps::Event& e : ops.events()) {
    if (e.begin < phases.front().begin) continue;
    add(*e.name, e.begin, e.seconds, {{"bytes", e.work.bytes}, {"flops", e.work.flops}, {"bf16_flops", e.work.bf16_flops}, {"int_ops", e.work.int_ops}});
  }
  return dump_json({{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}});
}

// The model as it is measured: quantized if that is wanted, known to fit, laid out as a server has it.
Status make_ready(const ProfileOptions& o, ChatModel& chat, Machine& machine, const RunSize& size) {
  OWLET_TRY(quantize_in_memory(o.common.quantize, chat, machine.pool));
  OWLET_TRY(check_memory(chat.id, *chat.model, size, machine_memory().available));
  settle_weights(machine.context(), chat.model->weights);
  return {};
}

Status run_growth(const ProfileOptions& o) {
  constexpr int64_t kLongest = 4096;
  constexpr int kRepeats = 3;
  OWLET_ASSIGN(const auto draw, drawing_format(o.growth));
  OWLET_ASSIGN(const auto machine, make_machine(o.common.threads));
  OWLET_ASSIGN(ChatModel chat, load_chat_model(o.common.model));
  const int64_t longest = std::min(kLongest, chat.model->config.max_positions - 1);
  OWLET_TRY(make_ready(o, chat, *machine, {.context = longest + 1, .sequences = 1, .rows = longest}));
  const std::vector<GrowthPoint> points = measure_growth(machine->context(), *chat.model, longest, kRepeats);
  OWLET_TRY(write_file(o.growth, draw(draw_growth(points))));
  fmt::print("{:>8} {:>16} {:>18} {:>16} {:>8}\n", "tokens", "prompt, ms each", "without attention", "then one, ms", "MB kept");
  for (const GrowthPoint& p : points) {
    fmt::print("{:>8} {:>16.3f} {:>18.3f} {:>16.2f} {:>8.1f}\n", p.tokens, p.prompt_ms, p.prompt_ms - p.prompt_attention_ms, p.answer_ms, p.kept_mb);
  }
  fmt::print("{}\n", o.growth);
  return {};
}

Status run(const ProfileOptions& o) {
  if (!o.growth.empty()) return run_growth(o);
  OWLET_ASSIGN(const auto machine, make_machine(o.common.threads));
  OWLET_ASSIGN(ChatModel chat, load_chat_model(o.common.model));
  const int64_t context = o.depth + o.prompt + o.decode;
  if (context > chat.model->config.max_positions) {
    return make_error(ErrorCode::kTooLarge, "{} tokens do not fit in the model's context of {}", context, chat.model->config.max_positions);
  }
  OWLET_TRY(make_ready(o, chat, *machine, {.context = context, .sequences = o.sequences, .rows = std::max(o.prompt, o.sequences)}));
  ProfiledOps ops(*machine->ops, !o.trace.empty());
  const std::vector<Phase> phases = run_phases(ops, *chat.model, o);
  const MachineLimits limits = measure_limits(machine->pool, 1.0);
  if (!o.trace.empty()) OWLET_TRY(write_file(o.trace, trace_of(ops, phases)));
  if (o.common.json) {
    fmt::print("{}\n", dump_json(to_json(phases, limits), 1));
    return {};
  }
  fmt::print("{}  {} in {}, {} threads: reads {:.0f} GB/s, int8 {:.0f} Gop/s, bf16 {:.0f}, fp32 {:.0f} GFLOP/s\n", chat.id,
             format_short(static_cast<double>(chat.model->config.n_params())), chat.model->dtype_name(), machine->pool.size(), limits.read_gb_s,
             limits.int8_gops, limits.bf16_gflops, limits.fp32_gflops);
  for (const Phase& phase : phases) print(phase, limits);
  if (!o.trace.empty()) fmt::print("\n{}: open it in ui.perfetto.dev\n", o.trace);
  return {};
}

}  // namespace

Command profile_command() {
  return {"profile", "where a model's time goes, op by op, beside this machine's limits",
          "  owlet profile                            the bundled model\n"
          "  owlet profile -m model.gguf --depth 2048 behind a long text\n"
          "  owlet profile --trace trace.json         every call, for ui.perfetto.dev\n"
          "  owlet profile --growth growth.svg        how time and memory grow with a text's length",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<ProfileOptions>();
            options->common.add_model(app);
            options->common.add_quantize(app);
            options->common.add_threads(app);
            options->common.add_json(app);
            app.add_option("--prompt", options->prompt, "tokens of the prompt")->check(CLI::Range(1, 1 << 20))->capture_default_str();
            app.add_option("--decode", options->decode, "tokens of each answer")->check(CLI::Range(1, 1 << 20))->capture_default_str();
            app.add_option("--sequences", options->sequences, "answers at once")->check(CLI::Range(1, 1024))->capture_default_str();
            app.add_option("--depth", options->depth, "tokens before the prompt")->check(CLI::Range(0, 1 << 20))->capture_default_str();
            app.add_option("--trace", options->trace, "write every call to this file, in the Trace Event Format");
            app.add_option("--growth", options->growth, "measure prompts of 64, 128 … 4,096 tokens instead, and draw what they cost into this SVG or PNG");
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
