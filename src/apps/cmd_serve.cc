#include <fmt/format.h>

#include <csignal>
#include <thread>

#include "apps/talker.h"
#include "core/file.h"
#include "core/log.h"
#include "serve/server.h"

namespace owlet {
namespace {

constexpr double kDrainSeconds = 10;

struct ServeOptions {
  CommonOptions common;
  EngineSize size;
  std::vector<std::string> cors_origins;
  std::string api_key;
};

Status run(const ServeOptions& options) {
  // Blocked here, before any thread starts, and taken by sigwait below: no handler ever runs.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  OWLET_ASSIGN(Talker talker, make_talker(options.common, options.size));
  const ChatModel& chat = talker.chat;
  std::string page;
  if (const auto path = share_file("web/page.html.gz"); path.ok()) {
    OWLET_ASSIGN(page, read_file(*path, 16 << 20));
  }
  ServerOptions server_options{.host = options.common.host, .port = static_cast<uint16_t>(options.common.port),
                               .api_key = options.api_key, .cors_origins = options.cors_origins};
  Server server(std::move(server_options),
                {.id = chat.id, .description = chat.description, .size_bytes = chat.model->bytes(),
                 .n_params = chat.model->config.n_params(), .engine = *talker.engine, .tokenizer = *chat.tokenizer,
                 .chat_template = chat.chat_template ? &*chat.chat_template : nullptr, .stop_ids = chat.stop_ids,
                 .defaults = chat.defaults},
                page);
  OWLET_TRY(server.start());
  fmt::print("{}\n\n  {}\n\nCtrl-C stops.\n", talker.headline(), server.url());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  // A second signal ends the wait for answers in progress.
  pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  server.stop(kDrainSeconds);
  return {};
}

}  // namespace

Command serve_command() {
  return {"serve", "the chat page and OpenAI's API on this machine",
          "  owlet serve                                      http://127.0.0.1:8080, the bundled model\n"
          "  owlet serve -m model.gguf --port 9000\n"
          "  owlet serve --api-key secret --cors-origin https://chat.example",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<ServeOptions>();
            CommonOptions& c = options->common;
            c.add_model(app);
            c.add_rope_scaling(app);
            c.add_adapters(app);
            c.add_quantize(app);
            c.add_threads(app);
            app.add_option("--host", c.host, "address to listen on")->capture_default_str();
            app.add_option("--port", c.port, "port; 0: a free one")->check(CLI::Range(0, 65535))->capture_default_str();
            app.add_option("--context", options->size.context, "tokens per conversation; 0: the model's, at most 4,096")
                ->check(CLI::NonNegativeNumber);
            app.add_option("--parallel", options->size.sequences, "answers at once; 0: as many as fit in 1 GB, at most 16")
                ->check(CLI::Range(0, 1024));
            app.add_option("--api-key", options->api_key, "ask for this key; $OWLET_API_KEY")->envname("OWLET_API_KEY");
            app.add_option("--cors-origin", options->cors_origins, "origin of a page elsewhere that may call; may be repeated");
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
