#include "serve/http_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <ctime>

namespace owlet {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using std::chrono::seconds;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

std::string chunk_of(std::string_view bytes) {
  return bytes.empty() ? std::string() : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

bool has_no_body(int status) { return status == 204 || status == 304; }

// What a request that could not be read deserves; nullopt where there is nobody to answer.
std::optional<std::pair<int, std::string_view>> refusal_of(error_code error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error == http::error::body_limit) return {{413, "the body is too large"}};
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return {{431, "the headers are too large"}};
  if (error.category() == http::make_error_code(http::error::bad_value).category())
    return {{400, "not a valid HTTP request"}};
  return std::nullopt;
}

class Writer : public ResponseWriter {
 public:
  Writer(std::shared_ptr<HttpConnection> connection, uint64_t exchange)
      : connection_(std::move(connection)), exchange_(exchange) {}
  // Behind what other threads have said through this and the connection has not come to, even where this is the connection's turn.
  ~Writer() override {
    asio::post(connection_->executor(), [connection = connection_, exchange = exchange_] { connection->abandon(exchange); });
  }
  void send(HttpResponse response) override {
    on_turn([response = std::move(response)](HttpConnection& c, uint64_t exchange) {
      c.begin(exchange, response, /*stream=*/false);
      c.end(exchange);
    });
  }
  void stream_begin(HttpResponse head) override {
    on_turn([head = std::move(head)](HttpConnection& c, uint64_t exchange) {
      c.begin(exchange, head, /*stream=*/true);
    });
  }
  void stream_write(std::string bytes) override {
    on_turn([bytes = std::move(bytes)](HttpConnection& c, uint64_t exchange) { c.write(exchange, bytes); });
  }
  void stream_end() override {
    on_turn([](HttpConnection& c, uint64_t exchange) { c.end(exchange); });
  }
  void on_disconnect(std::function<void()> gone) override {
    on_turn([gone = std::move(gone)](HttpConnection& c, uint64_t exchange) mutable {
      c.set_on_disconnect(exchange, std::move(gone));
    });
  }
  void post(std::function<void()> task) override {
    asio::post(connection_->executor(), [connection = connection_, task = std::move(task)] { task(); });
  }

 private:
  template <class Task>
  void on_turn(Task task) {
    asio::dispatch(connection_->executor(),
                   [connection = connection_, exchange = exchange_, task = std::move(task)]() mutable {
                     task(*connection, exchange);
                   });
  }
  std::shared_ptr<HttpConnection> connection_;
  uint64_t exchange_;
};

}  // namespace

HttpConnection::~HttpConnection() {
  // Under the lock: once the map is empty, stop() goes on.
  const std::lock_guard lock(server_->mutex);
  server_->connections.erase(this);
  server_->all_gone.notify_all();
}

// ---- Reading

void HttpConnection::read_head() {
  if (gone_ || !server_->is_accepting()) return close();
  if (buffer_.size() == 0) return read_first_bytes();
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(server_->limits.max_header_bytes));
  parser_->body_limit(server_->limits.max_body_bytes);
  stream_.expires_after(seconds(server_->limits.header_seconds));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](error_code error, size_t) { self->on_head(error); });
}

// Between two requests a connection may rest longer than a request may take to arrive.
void HttpConnection::read_first_bytes() {
  stream_.expires_after(seconds(is_first_ ? server_->limits.header_seconds : server_->limits.idle_seconds));
  is_first_ = false;
  stream_.async_read_some(buffer_.prepare(kReadSize),
                          [self = shared_from_this()](error_code error, size_t n) {
                            if (error) return self->close();
                            self->buffer_.commit(n);
                            self->read_head();
                          });
}

void HttpConnection::on_head(error_code error) {
  if (error) {
    const auto refusal = refusal_of(error);
    return refusal ? refuse(refusal->first, refusal->second) : close();
  }
  const auto& head = parser_->get();
  http_1_0_ = head.version() < 11;
  keep_alive_ = head.keep_alive();
  head_only_ = head.method() == http::verb::head;
  if (head.count(http::field::host) > 1 || (!http_1_0_ && head.count(http::field::host) == 0)) {
    return refuse(400, "exactly one Host header is needed");
  }
  // Two framings of one body are how requests are smuggled past proxies.
  if (head.count(http::field::content_length) + head.count(http::field::transfer_encoding) > 1) {
    return refuse(400, "the length of the body is given twice");
  }
  if (!head.target().starts_with('/')) return refuse(400, "the request's target must begin with '/'");
  if (!beast::iequals(head[http::field::expect], "100-continue")) return read_body();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue), [self = shared_from_this()](error_code failed, size_t) {
    failed ? self->close() : self->read_body();
  });
}

void HttpConnection::read_body() {
  stream_.expires_after(seconds(server_->limits.body_seconds));
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](error_code error, size_t) { self->on_body(error); });
}

void HttpConnection::on_body(error_code error) {
  if (!error) return handle();
  const auto refusal = refusal_of(error);
  refusal ? refuse(refusal->first, refusal->second) : close();
}

void HttpConnection::handle() {
  stream_.expires_never();
  auto message = parser_->release();
  parser_.reset();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  const size_t question = std::min(target.find('?'), target.size());
  request.path = std::string(target.substr(0, question));
  if (question < target.size()) request.query = std::string(target.substr(question + 1));
  error_code unknown;
  const tcp::endpoint peer = stream_.socket().remote_endpoint(unknown);
  if (!unknown) request.peer = peer.address().to_string();
  for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
  request.body = std::move(message.body());

  ++exchange_;
  handling_ = true;
  begun_ = ended_ = chunked_ = false;
  watch();
  server_->handler(std::move(request), std::make_shared<Writer>(shared_from_this(), exchange_));
}

// Answers a request that could not be read, and closes: what follows it on the wire cannot be trusted.
void HttpConnection::refuse(int status, std::string_view why) {
  stream_.expires_never();
  parser_.reset();
  ++exchange_;
  handling_ = true;
  begun_ = ended_ = chunked_ = false;
  keep_alive_ = head_only_ = false;
  begin(exchange_, server_->refuse(status, why), /*stream=*/false);
  end(exchange_);
}

// While a handler works, a wait for input sees the client close. What a client sends ahead is kept for the
// next request.
void HttpConnection::watch() {
  if (watching_ || gone_) return;
  watching_ = true;
  stream_.socket().async_wait(tcp::socket::wait_read,
                              [self = shared_from_this()](error_code error) { self->on_readable(error); });
}

void HttpConnection::on_readable(error_code error) {
  watching_ = false;
  if (gone_) return;
  if (!handling_) {  // the answer was complete, and end_exchange() left the rest to us
    if (keep_alive_) read_head();
    return;
  }
  if (error) return close();
  char byte = 0;
  const auto n = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return watch();
  if (n <= 0) return close();
  if (buffer_.size() >= server_->limits.max_header_bytes)
    return;  // enough sent ahead: it can wait in the kernel
  error_code failed;
  const size_t n_read = stream_.socket().read_some(
      buffer_.prepare(std::min(kReadSize, buffer_.max_size() - buffer_.size())), failed);
  if (failed) return close();
  buffer_.commit(n_read);
  watch();
}

// ---- Writing

void HttpConnection::begin(uint64_t exchange, const HttpResponse& response, bool stream) {
  if (!is_open(exchange) || begun_) return;
  begun_ = true;
  chunked_ = stream && !http_1_0_;
  if (http_1_0_ || !server_->is_accepting()) keep_alive_ = false;
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                                 http_status_text(response.status), http_date());
  if (!has_no_body(response.status)) {
    head += fmt::format("Content-Type: {}\r\n", response.content_type);
    if (!stream) head += fmt::format("Content-Length: {}\r\n", response.body.size());
    if (chunked_) head += "Transfer-Encoding: chunked\r\n";
  }
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  head += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!has_no_body(response.status) && !head_only_)
    head += chunked_ ? chunk_of(response.body) : response.body;
  send(std::move(head));
  if (stream && response.content_type == "text/event-stream") beat();
}

// Proxies and clients take a silent connection for a dead one: a comment tells them that it is not. What is sent in between is beat
// enough.
void HttpConnection::beat() {
  is_quiet_ = true;
  heartbeat_.expires_after(seconds(server_->limits.heartbeat_seconds));
  heartbeat_.async_wait([weak = weak_from_this(), exchange = exchange_](error_code error) {
    const auto self = weak.lock();
    if (error || !self || !self->is_open(exchange)) return;
    if (self->is_quiet_) self->write(exchange, ": still here\n\n");
    self->beat();
  });
}

void HttpConnection::write(uint64_t exchange, std::string_view bytes) {
  if (!is_open(exchange) || !begun_ || head_only_) return;
  send(chunked_ ? chunk_of(bytes) : std::string(bytes));
  // A client that does not read gets no memory for it.
  if (unsent_.size() > server_->limits.max_unsent_bytes) close();
}

void HttpConnection::end(uint64_t exchange) {
  if (!is_open(exchange) || !begun_) return;
  if (chunked_ && !head_only_) send("0\r\n\r\n");
  ended_ = true;
  if (!writing_) end_exchange();
}

void HttpConnection::abandon(uint64_t exchange) {
  if (is_open(exchange)) close();
}

void HttpConnection::set_on_disconnect(uint64_t exchange, std::function<void()> gone) {
  if (exchange != exchange_ || ended_) return;
  if (gone_) return gone();
  on_gone_ = std::move(gone);
}

void HttpConnection::send(std::string bytes) {
  if (gone_ || bytes.empty()) return;
  is_quiet_ = false;
  unsent_ += bytes;
  if (!writing_) write_some();
}

void HttpConnection::write_some() {
  writing_ = true;
  if (n_sent_ == sending_.size()) {
    sending_ = std::exchange(unsent_, {});
    n_sent_ = 0;
  }
  stream_.expires_after(seconds(server_->limits.write_seconds));
  stream_.async_write_some(
      asio::buffer(sending_.data() + n_sent_, sending_.size() - n_sent_),
      [self = shared_from_this()](error_code error, size_t n) { self->on_written(error, n); });
}

void HttpConnection::on_written(error_code error, size_t n) {
  writing_ = false;
  if (gone_) return;
  if (error) return close();
  n_sent_ += n;
  if (n_sent_ < sending_.size() || !unsent_.empty()) return write_some();
  stream_.expires_never();
  if (ended_) end_exchange();
}

void HttpConnection::end_exchange() {
  handling_ = false;
  on_gone_ = nullptr;
  heartbeat_.cancel();
  if (!keep_alive_) return linger();
  if (!watching_) return read_head();
  error_code ignored;
  stream_.socket().cancel(ignored);  // on_readable() goes on
}

// ---- Closing

// Reads on for a moment after the last answer: closing over unread input would take the answer back.
void HttpConnection::linger() {
  constexpr size_t kMostBytes = 8 << 20;
  error_code error;
  if (n_lingered_ == 0) {
    stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    stream_.expires_after(seconds(2));
  }
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kReadSize),
                          [self = shared_from_this()](error_code failed, size_t n) {
                            self->n_lingered_ += n;
                            if (failed || self->n_lingered_ > kMostBytes) return self->close();
                            self->linger();
                          });
}

void HttpConnection::close() {
  if (gone_) return;
  gone_ = true;
  heartbeat_.cancel();
  stream_.close();
  if (const auto gone = std::exchange(on_gone_, nullptr); gone && handling_) gone();
}

}  // namespace owlet
