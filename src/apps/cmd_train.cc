// pretrain and finetune: the same loop, from fresh weights or from a model.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "apps/command.h"
#include "apps/config.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/file.h"
#include "kernels/machine_limits.h"
#include "model/load.h"
#include "train/trainer.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kValidationBatches = 16;

struct TrainOptions {
  std::string config;
  std::vector<std::string> set;
  int threads = 0;
};

std::atomic<bool> stop_requested{false};
extern "C" void request_stop(int) { stop_requested = true; }

// "PATH@0.5" → path and weight.
Result<std::pair<fs::path, double>> parse_source(const std::string& text) {
  const size_t at = text.rfind('@');
  if (at == std::string::npos) return std::pair(fs::path(text), 1.0);
  char* end = nullptr;
  const double weight = std::strtod(text.c_str() + at + 1, &end);
  if (*end != '\0' || !(weight > 0 && weight <= 1000)) {
    return make_error(ErrorCode::kInvalidArgument, "'{}': after @ comes how often the file is seen per epoch, above 0", text);
  }
  return std::pair(fs::path(text.substr(0, at)), weight);
}

Result<Corpus> load_corpus(const std::vector<std::string>& sources, const Tokenizer& tokenizer, int64_t seq_len, Progress& progress) {
  Corpus corpus;
  for (const std::string& source : sources) {
    OWLET_ASSIGN(const auto parsed, parse_source(source));
    OWLET_ASSIGN(auto samples, load_samples(parsed.first, tokenizer, static_cast<size_t>(seq_len) + 1));
    int64_t tokens = 0;
    for (const Sample& sample : samples) tokens += static_cast<int64_t>(sample.ids.size());
    progress.note(fmt::format("data   {}  {} samples, {} tokens", parsed.first.filename().string(),
                              format_count(static_cast<int64_t>(samples.size())), format_short(static_cast<double>(tokens))));
    corpus.parts.push_back({std::move(samples), parsed.second});
  }
  return corpus;
}

// The shape of a fresh model: what the file leaves at 0 follows from the rest.
void complete_shape(ModelConfig& c, const Tokenizer& tokenizer) {
  if (c.vocab_size == 0) c.vocab_size = tokenizer.vocab_size();
  if (c.n_kv_heads == 0) c.n_kv_heads = c.n_heads;
  if (c.head_dim == 0 && c.n_heads > 0) c.head_dim = c.dim / c.n_heads;
  c.bos = tokenizer.bos();
  c.pad = tokenizer.id_of("<pad>");
  for (const char* name : {"<a_end>", "<text_end>"}) {
    if (const int32_t id = tokenizer.id_of(name); id >= 0) c.eos.push_back(id);
  }
}

struct Start {
  Model model;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
};

// Trainable weights are float32, whatever a model's file holds.
Result<Start> make_start(RunConfig& config) {
  if (!config.init.empty()) {
    OWLET_ASSIGN(ChatModel chat, load_chat_model(config.init));
    OWLET_ASSIGN(Model model, to_float32(*chat.model));
    return Start{std::move(model), std::move(*chat.tokenizer), std::move(chat.chat_template)};
  }
  if (config.tokenizer.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no tokenizer is named",
                 "set tokenizer: to a folder that `owlet tokenizer train` wrote"};
  }
  OWLET_ASSIGN(Tokenizer tokenizer, Tokenizer::load(config.tokenizer));
  complete_shape(config.model, tokenizer);
  OWLET_TRY(config.model.validate());
  Weights weights = make_weights(config.model);
  init_weights(weights, config.model, config.training.seed);
  OWLET_ASSIGN(Model model, make_model(config.model, std::move(weights)));
  OWLET_ASSIGN(ChatTemplate chat_template, ChatTemplate::parse(kHomemadeTemplate));
  return Start{std::move(model), std::move(tokenizer), std::move(chat_template)};
}

std::string step_line(const StepReport& r, const std::optional<ValidationReport>& validation, double peak_flops) {
  return fmt::format("train  step {}/{}  loss {:.3f}{}  {} tok/s  {:.0f} % of peak  lr {:.1e}", format_count(r.step),
                     format_count(r.steps), r.loss, validation ? fmt::format("  bpb {:.3f}", validation->bits_per_byte) : "",
                     format_short(static_cast<double>(r.tokens) / r.seconds), 100 * r.flops / r.seconds / peak_flops, r.lr);
}

Status run(const TrainOptions& options, bool finetune) {
  OWLET_ASSIGN(RunConfig config, load_run_config(options.config, options.set));
  if (config.out.empty()) return Error{ErrorCode::kInvalidArgument, "no output folder is named", "set out: runs/my-run"};
  if (finetune && config.init.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no model to start from is named", "set init: to a folder or a GGUF file"};
  }
  OWLET_ASSIGN(const auto machine, make_machine(options.threads));
  OWLET_ASSIGN(Start start, make_start(config));
  Progress progress;
  OWLET_ASSIGN(Corpus corpus, load_corpus(config.train, start.tokenizer, config.training.seq_len, progress));
  const TrainConfig& t = config.training;
  OWLET_ASSIGN(BatchStream data, BatchStream::create(std::move(corpus), t.batch_rows, t.seq_len, t.seed));
  ValidationSet validation;
  if (!config.valid.empty()) {
    OWLET_ASSIGN(Corpus held_out, load_corpus(config.valid, start.tokenizer, t.seq_len, progress));
    OWLET_ASSIGN(BatchStream stream, BatchStream::create(std::move(held_out), t.batch_rows, t.seq_len, 0));
    validation.batches = stream.first_batches(kValidationBatches);
    validation.target_bytes = target_bytes(validation.batches, start.tokenizer);
  }
  std::error_code code;
  fs::create_directories(config.out, code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", config.out, code.message());
  Trainer trainer(machine->context(), start.model, t, data, config.out);
  OWLET_ASSIGN(const bool resumed, trainer.resume());
  if (resumed) progress.note(fmt::format("resumed at step {}", format_count(trainer.finished_steps())));

  const MachineLimits limits = measure_limits(machine->pool, 0.5);
  const double peak = 1e9 * (t.precision == "bf16" ? limits.bf16_gflops : limits.fp32_gflops);
  progress.note(fmt::format("model  {} parameters, {} tokens a step, {}; peak {:.0f} GFLOP/s",
                            format_short(static_cast<double>(start.model.config.n_params())),
                            format_count(t.batch_rows * t.seq_len * t.grad_accum_steps), machine->ops->name(), peak / 1e9));
  std::optional<ValidationReport> last_validation;
  std::FILE* log = std::fopen((fs::path(config.out) / "log.jsonl").c_str(), "a");
  if (!log) return make_error(ErrorCode::kIo, "cannot write {}/log.jsonl", config.out);
  const auto write_log = [&](const Json& line) {
    fmt::print(log, "{}\n", dump_json(line));
    std::fflush(log);
  };
  TrainObserver observer;
  observer.on_step = [&](const StepReport& r) {
    progress.update(step_line(r, last_validation, peak), static_cast<double>(r.step) / static_cast<double>(r.steps));
    write_log({{"step", r.step}, {"loss", r.loss}, {"grad_norm", r.grad_norm}, {"lr", r.lr}, {"tokens", r.tokens}, {"seconds", r.seconds},
               {"gflops", r.flops / r.seconds / 1e9}});
  };
  observer.on_validation = [&](const ValidationReport& v) {
    last_validation = v;
    progress.note(fmt::format("valid  step {}  loss {:.4f}  bpb {:.4f}", format_count(v.step), v.loss, v.bits_per_byte));
    write_log({{"step", v.step}, {"valid_loss", v.loss}, {"valid_bpb", v.bits_per_byte}});
  };
  observer.add_files = [&](const fs::path& folder) { return save_tokenizer_files(start.tokenizer, start.chat_template, folder); };
  stop_requested = false;
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const Status status = trainer.train(validation, observer, stop_requested);
  std::fclose(log);
  progress.finish();
  if (status.ok()) fmt::print("{}\n", latest_checkpoint(config.out)->string());
  return status;
}

std::function<Status()> declare(CLI::App& app, bool finetune) {
  auto options = std::make_shared<TrainOptions>();
  app.add_option("config", options->config, "YAML file")->required();
  app.add_option("--set", options->set, "KEY=VALUE, over the file")->allow_extra_args(false);
  app.add_option("--threads", options->threads, "threads to compute with; 0: one per core")->check(CLI::Range(0, 1024));
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
