// The server: OpenAI's API over one model, and the chat page.
//   GET  /                      the page            GET  /health      {"status":"ok"}
//   POST /v1/chat/completions   chats               GET  /v1/models   what is served
//   POST /v1/completions        plain prompts
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "serve/http_server.h"
#include "serve/served_model.h"

namespace owlet {

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;                   // 0: a free one
  std::string api_key;                    // empty: none asked for
  std::vector<std::string> cors_origins;  // "https://chat.example" of pages elsewhere that may call; "*": any
  HttpLimits limits = {};
};

class Server {
 public:
  // `page_gzip` is the chat page, compressed by gzip; empty: none. It outlives the server.
  Server(ServerOptions options, ServedModel model, std::string_view page_gzip);
  ~Server();  // stop(0)

  // Binds and answers from now on. Errors: an address that cannot be bound, with what to do.
  Status start();
  uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8080"
  // Takes no more requests, lets answers in progress finish for up to `drain_seconds`, then ends them.
  // Returns when all is quiet.
  void stop(double drain_seconds = 0);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
