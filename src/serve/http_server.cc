#include "serve/http_server.h"

#include <algorithm>

#include "serve/http_connection.h"

namespace owlet {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = asio::ip::tcp;

}  // namespace

// ---- Accepting

void HttpServer::Impl::accept() {
  acceptor.async_accept(asio::make_strand(io),
                        [self = shared_from_this()](error_code error, tcp::socket socket) {
                          self->on_accept(error, std::move(socket));
                        });
}

void HttpServer::Impl::on_accept(error_code error, tcp::socket socket) {
  if (!is_accepting()) return;
  if (error) {
    // Out of file descriptors, mostly: others will close some.
    const auto timer =
        std::make_shared<asio::steady_timer>(acceptor.get_executor(), std::chrono::milliseconds(100));
    timer->async_wait([self = shared_from_this(), timer](error_code) { self->accept(); });
    return;
  }
  socket.set_option(tcp::no_delay(true), error);
  std::shared_ptr<HttpConnection> connection;
  {
    const std::lock_guard lock(mutex);
    if (connections.size() < limits.max_connections) {
      connection = std::make_shared<HttpConnection>(shared_from_this(), std::move(socket));
      connections.emplace(connection.get(), connection);
    }
  }
  if (connection) asio::post(connection->executor(), [connection] { connection->read_head(); });
  accept();
}

std::vector<std::shared_ptr<HttpConnection>> HttpServer::Impl::living() {
  const std::lock_guard lock(mutex);
  std::vector<std::shared_ptr<HttpConnection>> result;
  for (const auto& [_, weak] : connections) {
    if (auto connection = weak.lock()) result.push_back(std::move(connection));
  }
  return result;
}

// ---- The public face

HttpServer::HttpServer(HttpHandler handler, std::function<HttpResponse(int, std::string_view)> refuse,
                       HttpLimits limits)
    : impl_(std::make_shared<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->refuse = std::move(refuse);
  impl_->limits = limits;
}

HttpServer::~HttpServer() { stop(); }

Status HttpServer::start(const std::string& host, uint16_t port, int n_threads) {
  error_code error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error)
    return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is not an IP address to listen on", host),
                 "use 127.0.0.1, or 0.0.0.0 for every network"};
  tcp::acceptor& acceptor = impl_->acceptor;
  const tcp::endpoint endpoint(address, port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Error{ErrorCode::kIo, fmt::format("cannot listen on {}:{}: {}", host, port, error.message()),
                 "choose another port (--port), or stop the program that uses this one"};
  }
  impl_->port = acceptor.local_endpoint().port();
  impl_->accept();
  for (int i = 0; i < n_threads; ++i) impl_->threads.emplace_back([impl = impl_.get()] { impl->io.run(); });
  return {};
}

uint16_t HttpServer::port() const { return impl_->port; }

// No more requests: who waits for one is told, and who is being answered leaves after it.
void HttpServer::Impl::stop_accepting() {
  {
    const std::lock_guard lock(mutex);
    accepting = false;
  }
  asio::post(acceptor.get_executor(), [self = shared_from_this()] {
    error_code ignored;
    self->acceptor.close(ignored);
  });
  for (const auto& connection : living()) {
    asio::post(connection->executor(), [connection] { connection->close_if_idle(); });
  }
}

void HttpServer::stop(double drain_seconds) {
  if (impl_->threads.empty()) return;
  impl_->stop_accepting();
  const auto nobody_left = [this] { return impl_->connections.empty(); };
  {
    std::unique_lock lock(impl_->mutex);
    impl_->all_gone.wait_for(lock, std::chrono::duration<double>(drain_seconds), nobody_left);
  }
  for (const auto& connection : impl_->living()) {
    asio::post(connection->executor(), [connection] { connection->close(); });
  }
  {
    std::unique_lock lock(impl_->mutex);
    impl_->all_gone.wait(lock, nobody_left);
  }
  impl_->work.reset();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

std::string_view http_status_text(int status) {
  const std::string_view text = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
  return text;
}

}  // namespace owlet
