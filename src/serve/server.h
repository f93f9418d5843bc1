// The server: OpenAI's API over the models of a catalog, and the chat page.
//   GET  /                      the page            GET  /health        {"status":"ok"}
//   POST /v1/chat/completions   chats               GET  /ready         503 once it is told to stop
//   POST /v1/completions        plain prompts       GET  /running       what runs now
//   GET  /v1/models             what is served      GET  /metrics       numbers for Prometheus
//   GET  /runs                  training runs
//   POST /tokenize, /detokenize, /apply-template    GET  /tokenizer_info, /openapi.json
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "serve/api_keys.h"
#include "serve/http_server.h"
#include "serve/model_catalog.h"

namespace owlet {

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;                   // 0: a free one
  std::vector<ApiKey> keys = {};               // empty: nobody is asked for one
  std::vector<std::string> cors_origins = {};  // "https://chat.example" of pages elsewhere that may call; "*": any
  std::vector<std::string> allow_hosts = {};   // names that clients know this machine by; "*": any
  std::function<void(const std::string& line)> access_log = {};  // gets a line of JSON for every request, from any thread; none: no log
  bool log_bodies = false;                // with what was asked, word for word
  std::function<std::optional<Json>(const std::string& name)> runs = {};  // training runs that may be watched, as ApiOptions has them
  HttpLimits limits = {};
};

class Server {
 public:
  // `page_gzip` is the chat page, compressed by gzip; empty: none. It and the models outlive the server, which stops loading them when it
  // is stopped.
  Server(ServerOptions options, ModelCatalog& models, std::string_view page_gzip);
  ~Server();  // stop(0)

  // Binds and answers from now on. Errors: an address that cannot be bound, with what to do.
  Status start();
  uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8080"
  // Takes no more requests for answers and says so at /ready, lets answers in progress finish for up to `drain_seconds`, then ends
  // them with an error. Returns when all is quiet.
  void stop(double drain_seconds = 0);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
