// pretrain and finetune: the same loop, from fresh weights or from a model.
#include <fmt/format.h>

#include <csignal>

#include "apps/command.h"
#include "apps/config.h"
#include "apps/progress.h"
#include "apps/quiz.h"
#include "apps/training_data.h"
#include "apps/training_log.h"
#include "apps/training_start.h"
#include "core/memory.h"
#include "kernels/machine_limits.h"
#include "kernels/profiled_ops.h"
#include "train/lora.h"
#include "train/trainer.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct TrainOptions {
  std::string config;
  std::vector<std::string> set;
  int threads = 0;
  bool profile = false;
};

std::atomic<bool> stop_requested{false};
extern "C" void request_stop(int) { stop_requested = true; }

std::string step_line(const StepReport& r, const std::optional<ValidationReport>& validation, double peak_flops) {
  return fmt::format("train  step {}/{}  loss {:.3f}{}  {} tok/s  {:.0f} % of peak  lr {:.1e}", format_count(r.step),
                     format_count(r.steps), r.loss, validation ? fmt::format("  bpb {:.3f}", validation->bits_per_byte) : "",
                     format_short(static_cast<double>(r.tokens) / r.seconds), 100 * r.flops / r.seconds / peak_flops, r.lr);
}

void print_profile(const ProfiledOps& ops) {
  double total = 0;
  for (const auto& line : ops.lines()) total += line.seconds;
  for (const auto& line : ops.lines()) {
    fmt::print(stderr, "{:<24} {:>10} calls {:>10.3f} s {:>5.1f} %\n", line.name, format_count(line.calls), line.seconds, 100 * line.seconds / total);
  }
}

Status run(const TrainOptions& options, bool finetune) {
  OWLET_ASSIGN(RunConfig config, load_run_config(options.config, options.set));
  if (config.out.empty()) return Error{ErrorCode::kInvalidArgument, "no output folder is named", "set out: runs/my-run"};
  if (finetune && config.init.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no model to start from is named", "set init: to a folder or a GGUF file"};
  }
  OWLET_ASSIGN(const auto machine, make_machine(options.threads));
  OWLET_ASSIGN(Start start, load_start(config));
  const TrainConfig& t = config.training;
  OWLET_TRY(check_plan(plan_training(start.model.config, t, start.stored_bytes), start, t, machine_memory().available));
  Progress progress;
  const ChatTemplate* chat_template = start.chat_template ? &*start.chat_template : nullptr;
  OWLET_ASSIGN(TrainingData loaded, load_training_data(config, start.tokenizer, chat_template, [&](const std::string& text) { progress.note(text); }));
  OWLET_TRY(settle_template(start, loaded.train));
  OWLET_ASSIGN(BatchStream data, BatchStream::create(std::move(loaded.train), t.batch_rows, t.seq_len, t.seed));
  OWLET_ASSIGN(const ValidationSet validation, make_validation_set(std::move(loaded.valid), t, start.tokenizer));
  OWLET_ASSIGN(const Quiz quiz, Quiz::load(config, start.tokenizer, chat_template));
  OWLET_TRY(prepare_weights(start, t, *machine));
  std::error_code code;
  fs::create_directories(config.out, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", config.out, code.message());
  ProfiledOps profiled(*machine->ops);
  Trainer trainer(options.profile ? Context{profiled} : machine->context(), start.model, t, data, config.out);
  OWLET_ASSIGN(const bool resumed, trainer.resume([&](const std::string& text) { progress.note(text); }));
  if (resumed) progress.note(fmt::format("resumed at step {}", format_count(trainer.finished_steps())));

  const MachineLimits limits = measure_limits(machine->pool, 0.5);
  const double peak = 1e9 * (t.precision == "bf16" ? limits.bf16_gflops : limits.fp32_gflops);
  progress.note(fmt::format("model  {} parameters, {} tokens a step, {}; peak {:.0f} GFLOP/s",
                            format_short(static_cast<double>(start.model.config.n_params())),
                            format_count(t.batch_rows * t.seq_len * t.grad_accum_steps), machine->ops->name(), peak / 1e9));
  std::optional<ValidationReport> last_validation;
  OWLET_ASSIGN(TrainingLog log, TrainingLog::open(config.out, peak));
  TrainObserver observer;
  observer.on_step = [&](const StepReport& r) {
    progress.update(step_line(r, last_validation, peak), static_cast<double>(r.step) / static_cast<double>(r.steps));
    log.add(r);
  };
  observer.on_validation = [&](const ValidationReport& v) {
    last_validation = v;
    progress.note(fmt::format("valid  step {}  loss {:.4f}  bpb {:.4f}", format_count(v.step), v.loss, v.bits_per_byte));
    log.add(v);
  };
  observer.on_evaluation = [&](int64_t step) { quiz.take(machine->context(), start.model, step, progress, log); };
  observer.add_files = [&](const fs::path& folder) -> Status {
    if (t.lora.rank > 0) OWLET_TRY(save_peft(start.model, t.lora, config.init, folder));
    OWLET_TRY(save_generation_config(start.model.config, start.defaults, start.stop_ids, folder));
    return save_tokenizer_files(start.tokenizer, start.chat_template, folder);
  };
  stop_requested = false;
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const Status status = trainer.train(validation, observer, stop_requested);
  progress.finish();
  if (!log.status().ok()) progress.note(log.status().error().message);
  if (options.profile) print_profile(profiled);
  if (status.ok()) fmt::print("{}\n", latest_checkpoint(config.out)->string());
  return status;
}

std::function<Status()> declare(CLI::App& app, bool finetune) {
  auto options = std::make_shared<TrainOptions>();
  app.add_option("config", options->config, "YAML file")->required();
  app.add_option("--set", options->set, "KEY=VALUE, over the file")->allow_extra_args(false);
  app.add_option("--threads", options->threads, "threads to compute with; 0: one per core")->check(CLI::Range(0, 1024));
  app.add_flag("--profile", options->profile, "say at the end which operations the time went to");
  return [options, finetune] { return run(*options, finetune); };
}

}  // namespace

Command pretrain_command() {
  return {"pretrain", "train a model from text; goes on from its newest checkpoint",
          "  owlet pretrain configs/tiny.yaml\n"
          "  owlet pretrain my.yaml --set train.lr=3e-4 --set out=runs/second\n"
          "  owlet chat -m runs/second/step-00001000\n\n"
          "Settings of the YAML file, with their defaults:\n" + describe_fields(),
          [](CLI::App& app) { return declare(app, false); }};
}

Command finetune_command() {
  return {"finetune", "train a model further, on chats or text",
          "  owlet finetune my-chats.yaml\n"
          "  owlet finetune my-chats.yaml --set init=my-model/ --set data.train=chats.jsonl.zst\n"
          "  owlet chat -m runs/my-chats/step-00000500\n\n"
          "Settings of the YAML file, with their defaults:\n" + describe_fields(),
          [](CLI::App& app) { return declare(app, true); }};
}

}  // namespace owlet
