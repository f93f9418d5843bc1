// A hub on loopback for tests: Hugging Face's listing and files over plain sockets or TLS, one thread a connection, with the faults of
// real servers on demand.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/json.h"
#include "io/hub/sha256.h"
#include "io/hub/test_tls.h"

namespace owlet {

struct TestRequest {
  std::string target;  // "/ORG/NAME/resolve/main/model.gguf"
  std::map<std::string, std::string> headers;  // by lower-case names

  std::string header(const std::string& name) const { return headers.contains(name) ? headers.at(name) : ""; }
  // Of "bytes=B-E"; false where there is no such header.
  bool range(size_t& begin, size_t& end) const {
    unsigned long long b = 0, e = 0;
    if (std::sscanf(header("range").c_str(), "bytes=%llu-%llu", &b, &e) != 2) return false;
    begin = b;
    end = e + 1;
    return true;
  }
};

class TestConnection {
 public:
  // `tls`: null for a connection in the clear.
  TestConnection(int fd, SSL* tls, size_t bytes_per_second) : fd_(fd), tls_(tls), bytes_per_second_(bytes_per_second) {}
  bool send(std::string_view bytes) const {
    const size_t most = bytes_per_second_ == 0 ? bytes.size() : std::max<size_t>(1, bytes_per_second_ / 20);
    while (!bytes.empty()) {
      const size_t size = std::min(most, bytes.size());
      const ssize_t n = tls_ ? SSL_write(tls_, bytes.data(), static_cast<int>(size)) : ::send(fd_, bytes.data(), size, MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
      if (bytes_per_second_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  // At most `size` bytes; none where the other side is done.
  size_t receive(char* bytes, size_t size) const {
    const ssize_t n = tls_ ? SSL_read(tls_, bytes, static_cast<int>(size)) : ::recv(fd_, bytes, size, 0);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  // A whole reply; the connection is closed behind it.
  bool reply(const std::string& status, const std::string& headers, std::string_view body) const {
    return head(status, headers, body.size()) && send(body);
  }
  bool head(const std::string& status, const std::string& headers, size_t length) const {
    return send(fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n", status, length, headers));
  }

 private:
  int fd_;
  SSL* tls_;
  size_t bytes_per_second_;
};

class TestHubServer {
 public:
  struct File {
    std::string bytes;
    bool lfs = true;  // listed with its SHA-256
  };
  // Answers a request instead of the hub; false: the hub shall.
  using Fault = std::function<bool(const TestRequest& request, const TestConnection& connection)>;

  explicit TestHubServer(int port = 0) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int yes = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    OWLET_CHECK(::bind(listener_, any, size) == 0 && ::listen(listener_, 64) == 0 && ::getsockname(listener_, any, &size) == 0);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~TestHubServer() { stop(); }

  // Ends all connections; requests() is all that ever came, then.
  void stop() {
    if (stopping_.exchange(true)) return;
    ::shutdown(listener_, SHUT_RDWR);
    ::close(listener_);
    accepting_.join();
    for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
    for (std::thread& thread : serving_) thread.join();
    for (const int fd : connections_) ::close(fd);
  }

  int port() const { return port_; }
  std::string url() const { return fmt::format("{}://127.0.0.1:{}", certificate ? "https" : "http", port_); }
  bool stopping() const { return stopping_; }

  // Set before the first request.
  std::map<std::string, File> files;  // by "ORG/NAME/PATH"
  Fault fault;
  std::optional<TestCertificate> certificate;  // speaks TLS where there is one
  std::string token;                  // asked for where it is not empty
  bool knows_ranges = true;
  bool names_digests = true;          // X-Linked-ETag
  size_t bytes_per_second = 0;        // on each connection; 0: as fast as it goes

  std::vector<TestRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  size_t n_connections() const {
    const std::lock_guard lock(mutex_);
    return connections_.size();
  }
  // Bytes of files that were asked for and sent.
  uint64_t sent() const { return sent_; }

  static std::string digest(std::string_view bytes) {
    Sha256 sha256;
    sha256.add(std::as_bytes(std::span(bytes.data(), bytes.size())));
    return sha256.finish();
  }

  void serve(const TestRequest& request, const TestConnection& connection) {
    if (!token.empty() && request.header("authorization") != "Bearer " + token) {
      connection.reply("401 Unauthorized", "X-Error-Message: Invalid credentials\r\n", "{\"error\":\"Invalid credentials\"}");
    } else if (request.target.starts_with("/api/models/")) {
      serve_listing(request.target.substr(12), connection);
    } else {
      serve_file(request, connection);
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      connections_.push_back(fd);
      serving_.emplace_back([this, fd] {
        greet(fd);
        ::shutdown(fd, SHUT_RDWR);
      });
    }
  }

  void greet(int fd) {
    if (!certificate) return answer(TestConnection(fd, nullptr, bytes_per_second));
    const TlsPtr<SSL_CTX> context = certificate->server();
    const TlsPtr<SSL> tls(SSL_new(context.get()));
    SSL_set_fd(tls.get(), fd);
    if (SSL_accept(tls.get()) != 1) return;
    answer(TestConnection(fd, tls.get(), bytes_per_second));
    SSL_shutdown(tls.get());
  }

  void answer(const TestConnection& connection) {
    std::string text;
    char piece[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const size_t n = connection.receive(piece, sizeof piece);
      if (n == 0) return;
      text.append(piece, n);
    }
    TestRequest request;
    request.target = text.substr(4, text.find(' ', 4) - 4);
    for (size_t at = text.find("\r\n") + 2; text.compare(at, 2, "\r\n") != 0;) {
      const size_t end = text.find("\r\n", at), colon = text.find(':', at);
      std::string name = text.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers[name] = text.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    if (!fault || !fault(request, connection)) serve(request, connection);
  }

  void serve_listing(const std::string& rest, const TestConnection& connection) {
    const std::string repository = rest.substr(0, rest.find("/tree/")) + "/";
    Json list = Json::array();
    for (const auto& [name, file] : files) {
      if (!name.starts_with(repository)) continue;
      Json entry = {{"type", "file"}, {"path", name.substr(repository.size())}, {"size", file.bytes.size()}};
      if (file.lfs) entry["lfs"] = {{"oid", digest(file.bytes)}, {"size", file.bytes.size()}};
      list.push_back(entry);
    }
    if (list.empty()) {
      connection.reply("404 Not Found", "X-Error-Code: RepoNotFound\r\n", "{\"error\":\"Repository not found\"}");
    } else {
      connection.reply("200 OK", "Content-Type: application/json\r\n", dump_json(list));
    }
  }

  void serve_file(const TestRequest& request, const TestConnection& connection) {
    std::string name = request.target.substr(1);
    const size_t resolve = name.find("/resolve/");
    if (resolve != std::string::npos) name.replace(resolve, name.find('/', resolve + 9) - resolve, "");
    const auto it = files.find(name);
    if (it == files.end()) {
      connection.reply("404 Not Found", "X-Error-Code: EntryNotFound\r\n", "");
      return;
    }
    const std::string& bytes = it->second.bytes;
    std::string headers = fmt::format("ETag: \"{}\"\r\n", digest(bytes).substr(0, 16));
    if (names_digests && it->second.lfs) headers += fmt::format("X-Linked-ETag: \"{}\"\r\n", digest(bytes));
    size_t begin = 0, end = bytes.size();
    if (!knows_ranges || !request.range(begin, end)) {
      sent_ += bytes.size();
      connection.reply("200 OK", headers, bytes);
    } else if (end > bytes.size()) {
      connection.reply("416 Range Not Satisfiable", headers, "");
    } else {
      sent_ += end - begin;
      headers += fmt::format("Content-Range: bytes {}-{}/{}\r\n", begin, end - 1, bytes.size());
      connection.reply("206 Partial Content", headers, std::string_view(bytes).substr(begin, end - begin));
    }
  }

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> sent_{0};
  mutable std::mutex mutex_;
  std::vector<TestRequest> requests_;
  std::vector<int> connections_;
  std::vector<std::thread> serving_;
  std::thread accepting_;
};

}  // namespace owlet
