// What a training run will take, before it is started.
#include <fmt/format.h>

#include "apps/command.h"
#include "apps/progress.h"
#include "apps/training_start.h"
#include "core/json.h"
#include "core/memory.h"
#include "kernels/machine_limits.h"

namespace owlet {
namespace {

constexpr double kUsualShare = 0.6;  // of the machine's arithmetic that a step reaches

struct EstimateOptions {
  std::string config;
  std::vector<std::string> set;
  CommonOptions common;
};

Status run(const EstimateOptions& options) {
  OWLET_ASSIGN(RunConfig config, load_run_config(options.config, options.set));
  const TrainConfig& t = config.training;
  OWLET_ASSIGN(const Start start, load_start(config));
  OWLET_ASSIGN(const auto machine, make_machine(options.common.threads));
  const TrainingPlan plan = plan_training(start.model.config, t, start.stored_bytes);
  const MachineLimits limits = measure_limits(machine->pool, 0.5);
  const double gflops = t.precision == "bf16" ? limits.bf16_gflops : limits.fp32_gflops;
  const double step_seconds = plan.flops_per_step / (kUsualShare * 1e9 * gflops), seconds = step_seconds * static_cast<double>(t.steps);
  const int64_t available = machine_memory().available;
  const std::pair<const char*, int64_t> parts[] = {{"weights", plan.weights},         {"gradients", plan.gradients}, {"optimizer", plan.states},
                                                   {"activations", plan.activations}, {"logits", plan.logits},       {"kernels", plan.scratch}};
  if (options.common.json) {
    Json memory = {{"peak", plan.peak()}, {"available", available}};
    for (const auto& [name, bytes] : parts) memory[name] = bytes;
    fmt::print("{}\n", dump_json(Json{{"params", plan.params}, {"trained", plan.trained}, {"tokens_per_step", plan.tokens_per_step},
                                      {"flops_per_step", plan.flops_per_step}, {"memory", memory}, {"gflops", gflops},
                                      {"seconds_per_step", step_seconds}, {"seconds", seconds}}, 1));
    return check_plan(plan, start, t, available);
  }
  fmt::print("parameters   {}, {} of them trained{}\n", format_short(static_cast<double>(plan.params)), format_short(static_cast<double>(plan.trained)),
             t.lora.rank > 0 ? " in adapters" : "");
  fmt::print("a step       {} tokens, {:.2f} TFLOP\n", format_count(plan.tokens_per_step), plan.flops_per_step / 1e12);
  fmt::print("all          {} steps, {} tokens, about {} here ({:.0f} % of {:.0f} GFLOP/s)\n", format_count(t.steps),
             format_short(static_cast<double>(plan.tokens_per_step * t.steps)), format_duration(seconds), 100 * kUsualShare, gflops);
  fmt::print("memory       {}, {} can be had\n", format_bytes(static_cast<double>(plan.peak())), format_bytes(static_cast<double>(available)));
  for (const auto& [name, bytes] : parts) fmt::print("  {:<10} {:>10}\n", name, format_bytes(static_cast<double>(bytes)));
  return check_plan(plan, start, t, available);
}

}  // namespace

Command estimate_command() {
  return {"estimate", "parameters, memory and hours of a training run, before it is started",
          "  owlet estimate my-chats.yaml\n"
          "  owlet estimate my-chats.yaml --set lora.rank=16 --json",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<EstimateOptions>();
            app.add_option("config", options->config, "YAML file of the run")->required();
            app.add_option("--set", options->set, "KEY=VALUE, over the file")->allow_extra_args(false);
            options->common.add_threads(app);
            options->common.add_json(app);
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
