// One connection of the HTTP server, and what all of them share. Only http_connection.cc and http_server.cc include this: Boost is slow
// to compile.
#pragma once

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "serve/http_server.h"

namespace owlet {

class HttpConnection;

// Shared by all connections; outlives the last of them.
struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work = boost::asio::make_work_guard(io);
  boost::asio::ip::tcp::acceptor acceptor{boost::asio::make_strand(io)};
  HttpHandler handler;
  std::function<HttpResponse(int, std::string_view)> refuse;
  HttpLimits limits;
  uint16_t port = 0;
  std::vector<std::thread> threads;

  std::mutex mutex;
  std::condition_variable all_gone;
  std::map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  bool accepting = true;

  void accept();
  void on_accept(boost::system::error_code error, boost::asio::ip::tcp::socket socket);
  bool is_accepting() {
    const std::lock_guard lock(mutex);
    return accepting;
  }
  void stop_accepting();
  std::vector<std::shared_ptr<HttpConnection>> living();
};

// One client. All members are touched on the strand of `stream_` only.
//   read_head → read_body → handle (the writer's turn; a pending wait sees the client leave) → end_exchange →
//   read_head …
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpServer::Impl> server, boost::asio::ip::tcp::socket socket)
      : server_(std::move(server)),
        stream_(std::move(socket)),
        buffer_(server_->limits.max_header_bytes + kReadSize),
        heartbeat_(stream_.get_executor()) {}
  ~HttpConnection();

  auto executor() { return stream_.get_executor(); }
  void read_head();
  void close_if_idle() {
    if (!handling_) close();
  }
  void close();

  // The writer's side. `exchange` keeps a writer that is held too long from writing into the next answer.
  void begin(uint64_t exchange, const HttpResponse& response, bool stream);
  void write(uint64_t exchange, std::string_view bytes);
  void end(uint64_t exchange);
  void abandon(uint64_t exchange);
  void set_on_disconnect(uint64_t exchange, std::function<void()> gone);

 private:
  static constexpr size_t kReadSize = 16 << 10;
  bool is_open(uint64_t exchange) const { return exchange == exchange_ && handling_ && !ended_ && !gone_; }

  void read_first_bytes();
  void on_head(boost::system::error_code error);
  void read_body();
  void on_body(boost::system::error_code error);
  void handle();
  void refuse(int status, std::string_view why);
  void watch();
  void on_readable(boost::system::error_code error);
  void send(std::string bytes);
  void write_some();
  void on_written(boost::system::error_code error, size_t n);
  void end_exchange();
  void beat();
  void linger();

  std::shared_ptr<HttpServer::Impl> server_;  // first, so that it goes last: the socket lives in its io_context
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  bool is_first_ = true;

  uint64_t exchange_ = 0;
  bool handling_ = false;  // a handler owes an answer
  bool begun_ = false;
  bool ended_ = false;
  bool gone_ = false;
  bool keep_alive_ = true;
  bool head_only_ = false;
  bool http_1_0_ = false;
  bool chunked_ = false;
  bool watching_ = false;
  std::function<void()> on_gone_;

  std::string unsent_;
  std::string sending_;
  size_t n_sent_ = 0;  // of `sending_`
  bool writing_ = false;
  boost::asio::steady_timer heartbeat_;  // of a stream of events
  bool is_quiet_ = false;                // nothing was sent since the last beat
  size_t n_lingered_ = 0;
};

}  // namespace owlet
