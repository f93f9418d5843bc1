// HTTP/1.1 for a small number of handlers. Knows nothing of models; nothing outside http_server.cc and http_connection.cc sees
// Boost.
//
// A few threads run all connections; what belongs to one connection never runs twice at once. Every size and
// every wait is bounded: headers, bodies, requests per connection, what a slow reader lets pile up.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace owlet {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // as sent, before '?'
  std::string query;   // after '?'
  HttpHeaders headers;
  std::string body;
  std::string peer = {};  // the client's address: "127.0.0.1"
  // The first header of that name in any case, or "".
  std::string_view header(std::string_view name) const;
  // The first of that name in the query, or "": what stands behind '=', with %2F and '+' turned back.
  std::string parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  HttpHeaders headers = {};  // beyond content type and length
};

// The way back to one client. Everything may be called from any thread, and is quick; after the client has
// gone it does nothing. Either send(), or stream_begin(), any number of stream_write(), stream_end(). Dropped
// without an end, it closes the connection.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual void send(HttpResponse response) = 0;
  virtual void stream_begin(HttpResponse head) = 0;  // its body is the first piece
  virtual void stream_write(std::string bytes) = 0;
  virtual void stream_end() = 0;
  // Calls `gone` once, on the connection's turn, when the client goes away before the answer is complete: at
  // once where it has already gone. Set it before the first byte is written.
  virtual void on_disconnect(std::function<void()> gone) = 0;
  // Runs `task` on the connection's turn, after what was posted before it, even when the client has gone.
  virtual void post(std::function<void()> task) = 0;
};

using HttpHandler = std::function<void(HttpRequest request, std::shared_ptr<ResponseWriter> writer)>;

struct HttpLimits {
  size_t max_header_bytes = 16 << 10;  // beyond: 431
  uint64_t max_body_bytes = 1 << 20;   // beyond: 413
  size_t max_connections = 1024;       // beyond: closed at once
  size_t max_unsent_bytes = 4 << 20;   // a client that reads slower than this piles up is dropped
  int header_seconds = 10;             // for the request's head, once it has begun
  int body_seconds = 30;
  int idle_seconds = 75;   // between requests
  int write_seconds = 30;  // without any progress
  int heartbeat_seconds = 15;  // between comments in a stream of events that has nothing to say
};

class HttpServer {
 public:
  // `handler` gets every well-formed request; `refuse` makes the body of an answer to a malformed one.
  HttpServer(HttpHandler handler, std::function<HttpResponse(int status, std::string_view why)> refuse,
             HttpLimits limits = {});
  ~HttpServer();  // stop()

  // Binds and starts the threads. Port 0 takes a free one.
  Status start(const std::string& host, uint16_t port, int n_threads = 2);
  uint16_t port() const;
  // Takes no more requests and waits up to `drain_seconds` for answers in progress; then closes every
  // connection. Returns when all handlers' work on them has ended and the threads are gone.
  void stop(double drain_seconds = 0);

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// "Bad Request" for 400 …
std::string_view http_status_text(int status);

}  // namespace owlet
