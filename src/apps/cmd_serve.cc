#include <fmt/format.h>

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <mutex>

#include "apps/run_logs.h"
#include "apps/served_models.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "serve/server.h"

namespace owlet {
namespace {

struct ServeOptions {
  CommonOptions common;
  std::vector<std::string> models;    // PATH or NAME=PATH; none: the bundled one
  std::vector<std::string> adapters;  // DIR for all requests, NAME=DIR for those that ask
  uint64_t memory = 0;                // bytes; 0: what can be had
  EngineSize size;
  std::vector<std::string> cors_origins;
  std::vector<std::string> allow_hosts;
  std::vector<std::string> api_keys;
  std::string kv_type = "f16";
  std::string api_key_file;
  std::string access_log;
  std::string runs;  // a folder of training runs; empty: none are shown
  bool log_prompts = false;
  bool share_prefixes = false;
  bool estimate = false;
  double drain_seconds = 10;
};

// Keys given on the command line or in the environment have no limits.
Result<std::vector<ApiKey>> keys_of(const ServeOptions& options) {
  std::vector<ApiKey> keys;
  if (!options.api_key_file.empty()) {
    OWLET_ASSIGN(const std::string text, read_file(options.api_key_file, 16 << 20));
    auto parsed = parse_api_keys(text);
    if (!parsed.ok()) return std::move(parsed).error().in(options.api_key_file);
    keys = std::move(parsed).value();
  }
  for (const std::string& secret : options.api_keys) {
    if (!secret.empty()) keys.push_back({.id = fmt::format("key-{}", keys.size() + 1), .secret = secret});
  }
  return keys;
}

// Writes lines to a file, or to standard error for "-", each at once.
Result<std::function<void(const std::string&)>> open_access_log(const std::string& path) {
  if (path.empty()) return std::function<void(const std::string&)>();
  struct Log {
    std::mutex mutex;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{nullptr, [](std::FILE*) { return 0; }};
  };
  const auto log = std::make_shared<Log>();
  if (path != "-") {
    log->file = {std::fopen(path.c_str(), "a"), &std::fclose};
    if (!log->file) return make_error(ErrorCode::kIo, "cannot write the access log '{}'", path);
  }
  return std::function<void(const std::string&)>([log](const std::string& line) {
    const std::lock_guard lock(log->mutex);
    std::FILE* file = log->file ? log->file.get() : stderr;
    std::fputs((line + "\n").c_str(), file);
    std::fflush(file);
  });
}

// Every connection is a descriptor, and many systems begin with fewer than they allow.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Training runs that may be watched.
Result<std::function<std::optional<Json>(const std::string&)>> watch_runs(const std::string& folder) {
  if (folder.empty()) return std::function<std::optional<Json>(const std::string&)>();
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) {
    return Error{ErrorCode::kNotFound, fmt::format("--runs names '{}', which is no folder", folder), "name the folder that runs are written to"};
  }
  const auto logs = std::make_shared<RunLogs>(folder);
  return std::function<std::optional<Json>(const std::string&)>(
      [logs](const std::string& name) { return name.empty() ? std::optional(logs->list()) : logs->describe(name); });
}

// What is to be served, and the memory that it takes.
Result<ServedModels> plan(const ServeOptions& options) {
  EngineSize size = options.size;
  size.takes_memory = true;
  OWLET_ASSIGN(size.kv_dtype, parse_dtype(options.kv_type));
  const int64_t available = machine_memory().available;
  size.room = options.memory > 0 ? static_cast<int64_t>(options.memory) : available;
  if (size.room > available) {
    return make_error(ErrorCode::kTooLarge, "--memory asks for {} bytes, and {} can be had", size.room, available);
  }
  CommonOptions common = options.common;
  std::vector<std::string> named;
  for (const std::string& adapter : options.adapters) (adapter.find('=') == std::string::npos ? common.adapters : named).push_back(adapter);
  const std::vector<std::string> bundled = {""};
  OWLET_ASSIGN(const std::vector<NamedModel> models, name_models(options.models.empty() ? bundled : options.models, named));
  return plan_models(common, size, models, options.share_prefixes);
}

Status run(const ServeOptions& options) {
  // Blocked here, before any thread starts, and taken by sigwait below: no handler ever runs.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  OWLET_ASSIGN(const std::vector<ApiKey> keys, keys_of(options));
  OWLET_ASSIGN(const ServedModels models, plan(options));
  if (options.estimate) {
    fmt::print("{}", models.plan);
    return {};
  }
  OWLET_TRY(load_now(*models.catalog, models.catalog->cards().front().id));
  std::string page;
  if (const auto path = share_file("web/page.html.gz"); path.ok()) {
    OWLET_ASSIGN(page, read_file(*path, 16 << 20));
  }
  OWLET_ASSIGN(auto runs, watch_runs(options.runs));
  OWLET_ASSIGN(auto access_log, open_access_log(options.access_log));
  allow_many_descriptors();
  ServerOptions server_options{.host = options.common.host, .port = static_cast<uint16_t>(options.common.port),
                               .keys = keys, .cors_origins = options.cors_origins, .allow_hosts = options.allow_hosts,
                               .access_log = std::move(access_log), .log_bodies = options.log_prompts, .runs = std::move(runs)};
  Server server(std::move(server_options), *models.catalog, page);
  OWLET_TRY(server.start());
  fmt::print("{}\n  {}\n\nCtrl-C stops.\n", models.plan, server.url());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  // A second signal ends the wait for answers in progress.
  pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  server.stop(options.drain_seconds);
  return {};
}

}  // namespace

Command serve_command() {
  return {"serve", "the chat page and OpenAI's API on this machine",
          "  owlet serve                                      http://127.0.0.1:8080, the bundled model\n"
          "  owlet serve -m model.gguf --port 9000\n"
          "  owlet serve small.gguf large.gguf --adapter large:poems=adapters/poems --memory 12GB\n"
          "  owlet serve --runs runs                          and watch training runs there\n"
          "  owlet serve --api-key secret --cors-origin https://chat.example\n"
          "  owlet serve --host 0.0.0.0 --api-key-file keys.json --access-log access.jsonl",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<ServeOptions>();
            CommonOptions& c = options->common;
            app.add_option("-m,--model,models", options->models,
                           "GGUF files, Hugging Face folders, PyTorch checkpoints, or names that `owlet list` shows; NAME=PATH gives one another "
                           "name; default: the bundled model");
            c.add_rope_scaling(app);
            app.add_option("--adapter", options->adapters,
                           "NAME=DIR: a PEFT folder (LoRA) for requests to the model NAME, beside the first model; MODEL:NAME=DIR: beside that one; "
                           "DIR: for all requests; DIR:0.5 for half of it; may be repeated")
                ->allow_extra_args(false);  // what follows is a model
            app.add_option("--memory", options->memory,
                           "what all loaded models may take together: 8GB; beyond it, the least recently asked for is unloaded; default: what can be had")
                ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
            c.add_quantize(app);
            c.add_threads(app);
            app.add_option("--host", c.host, "address to listen on")->capture_default_str();
            app.add_option("--port", c.port, "port; 0: a free one")->check(CLI::Range(0, 65535))->capture_default_str();
            app.add_option("--context", options->size.context, "tokens per conversation; 0: the model's, at most 4,096")
                ->check(CLI::NonNegativeNumber);
            app.add_option("--parallel", options->size.sequences, "answers at once, from one pool of keys and values; 0: 32")
                ->check(CLI::Range(0, 1024));
            app.add_option("--kv-type", options->kv_type, "keys and values: f16; q8_0 for half the memory; bf16 for numbers beyond f16's 65,504; or f32 for the numbers of owlet eval")
                ->check(CLI::IsMember({"f16", "q8_0", "bf16", "f32"}))
                ->capture_default_str();
            app.add_option("--api-key", options->api_keys, "ask for this key; may be repeated; $OWLET_API_KEY, with commas between")
                ->delimiter(',')
                ->envname("OWLET_API_KEY");
            app.add_option("--api-key-file", options->api_key_file,
                           "keys with limits: {\"keys\": [{\"id\": \"ada\", \"key\": \"…\", \"requests_per_minute\": 60, "
                           "\"tokens_per_minute\": 100000, \"concurrent\": 4}]}");
            app.add_option("--cors-origin", options->cors_origins, "origin of a page elsewhere that may call; may be repeated");
            app.add_option("--allow-host", options->allow_hosts, "name that clients know this machine by; may be repeated; *: any");
            app.add_option("--access-log", options->access_log, "write a line of JSON for every request to this file; -: standard error");
            app.add_option("--runs", options->runs, "show the training runs of this folder, from their logs, to whoever may ask for answers");
            app.add_flag("--share-prefixes", options->share_prefixes, "what one key's prompts left in memory serves the others too");
            app.add_flag("--log-prompts", options->log_prompts, "with what was asked, word for word");
            app.add_flag("--estimate", options->estimate, "print what it would take of the memory, and stop");
            app.add_option("--drain", options->drain_seconds, "seconds that answers have to finish in after SIGTERM or Ctrl-C")
                ->check(CLI::Range(0.0, 86400.0))
                ->capture_default_str();
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
