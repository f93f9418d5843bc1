// A plain HTTP client for programs that watch a server from outside: one connection for each request, and streams as they come.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace owlet {

using Clock = std::chrono::steady_clock;

inline double ms_since(Clock::time_point from) { return std::chrono::duration<double, std::milli>(Clock::now() - from).count(); }

// A connection of one request.
class Connection {
 public:
  explicit Connection(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok_ = fd_ >= 0 && ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool ok() const { return ok_; }
  bool send(std::string_view bytes) {
    while (ok_ && !bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) ok_ = false;
      else bytes.remove_prefix(static_cast<size_t>(n));
    }
    return ok_;
  }
  // What comes within `ms`, at most `most` bytes; empty where nothing did, or nothing will.
  std::string receive(int ms, size_t most = 16384) {
    pollfd wait{fd_, POLLIN, 0};
    if (!ok_ || ::poll(&wait, 1, ms) <= 0) return {};
    std::string bytes(most, '\0');
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n <= 0) ok_ = false;
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(0, n)));
    return bytes;
  }
  void close(bool reset = false) {
    if (fd_ < 0) return;
    const linger at_once{1, 0};
    if (reset) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(fd_);
    fd_ = -1;
    ok_ = false;
  }

 private:
  int fd_;
  bool ok_ = false;
};

inline std::string http(std::string_view method, std::string_view path, const std::string& body = {}) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", method, path, body.size(), body);
}

inline std::string get(uint16_t port, std::string_view path) {
  Connection connection(port);
  connection.send(http("GET", path));
  std::string received;
  while (connection.ok()) received += connection.receive(5000);
  return received;
}

// Of "http://127.0.0.1:PORT".
inline uint16_t port_of(const std::string& url) { return static_cast<uint16_t>(std::atoi(url.substr(url.rfind(':') + 1).c_str())); }

// User and system time that the process has taken; less than 0 where nobody knows.
inline double processor_ms(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return -1;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  int64_t user = 0, system = 0;
  fields >> user >> system;
  return 1000.0 * static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace owlet
