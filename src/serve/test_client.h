// A plain HTTP client for tests: one blocking connection, raw bytes out, one answer in.
#pragma once

#include <boost/asio.hpp>
#include <charconv>
#include <string>
#include <string_view>

#include "core/json.h"

namespace owlet {

struct TestResponse {
  int status = 0;  // 0: the connection was closed without an answer
  std::string head;
  std::string body;

  std::string header(std::string_view name) const {
    const std::string start = "\r\n" + std::string(name) + ": ";
    const size_t at = head.find(start);
    if (at == std::string::npos) return {};
    const size_t begin = at + start.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
  Json json() const { return parse_json(body).value(); }
};

class TestClient {
 public:
  explicit TestClient(uint16_t port) : host_("127.0.0.1:" + std::to_string(port)) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
    const timeval limit{30, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  void send(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }

  TestResponse get(const std::string& path, const std::string& headers = {}) {
    send("GET " + path + " HTTP/1.1\r\nHost: " + host_ + "\r\n" + headers + "\r\n");
    return receive();
  }
  void send_post(const std::string& path, const std::string& body, const std::string& headers = {}) {
    send("POST " + path + " HTTP/1.1\r\nHost: " + host_ +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body);
  }
  TestResponse post(const std::string& path, const Json& body, const std::string& headers = {}) {
    return post_text(path, body.dump(), headers);
  }
  TestResponse post_text(const std::string& path, const std::string& body, const std::string& headers = {}) {
    send_post(path, body, headers);
    return receive();
  }

  // The next answer, chunks joined.
  TestResponse receive() {
    TestResponse response;
    while (buffer_.find("\r\n\r\n") == std::string::npos) {
      if (!fill()) return response;
    }
    response.head = take(buffer_.find("\r\n\r\n") + 2);
    take(2);
    response.status = std::stoi(response.head.substr(9, 3));
    if (response.status == 100) return receive();
    if (response.header("Transfer-Encoding") == "chunked") {
      while (const size_t n = chunk_size()) response.body += take(n), take(2);
      take(2);
    } else if (!response.header("Content-Length").empty()) {
      response.body = take(std::stoul(response.header("Content-Length")));
    } else if (response.status != 204 && response.status != 304) {
      while (fill()) {
      }
      response.body = take(buffer_.size());
    }
    return response;
  }

  // Reads until `text` has come; false at the end of the connection.
  bool receive_until(std::string_view text) {
    while (buffer_.find(text) == std::string::npos) {
      if (!fill()) return false;
    }
    return true;
  }
  bool at_end() { return buffer_.empty() && !fill(); }
  void close() { socket_.close(); }
  const std::string& host() const { return host_; }

 private:
  bool fill() {
    char bytes[4096];
    boost::system::error_code error;
    const size_t n = socket_.read_some(boost::asio::buffer(bytes), error);
    buffer_.append(bytes, n);
    return !error;
  }
  std::string take(size_t n) {
    while (buffer_.size() < n && fill()) {
    }
    std::string taken = buffer_.substr(0, n);
    buffer_.erase(0, n);
    return taken;
  }
  size_t chunk_size() {
    while (buffer_.find("\r\n") == std::string::npos) {
      if (!fill()) return 0;
    }
    const std::string line = take(buffer_.find("\r\n") + 2);
    size_t n = 0;
    std::from_chars(line.data(), line.data() + line.size(), n, 16);
    return n;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  std::string host_;
  std::string buffer_;
};

}  // namespace owlet
