// One exchange over HTTP or HTTPS. Nothing is followed, decoded or kept for the caller: a redirect is a reply like another, a body
// that says it is compressed is refused, and where a connection may lead is checked when it is made, after names were resolved.
// Certificates are checked, against the system's list of whom to trust or a file of one's own; proxies are not used, since what lies behind one cannot be checked.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "io/hub/address.h"

namespace owlet {

// http or https, without a user's name in it.
struct Url {
  std::string text;    // whole, without its fragment
  std::string scheme;
  std::string origin;  // "https://huggingface.co:443": who is asked
  std::string host;
};
Result<Url> parse_url(const std::string& text);
// What `reference` (absolute or relative) means in a reply to `base`.
Result<Url> resolve_url(const Url& base, const std::string& reference);
// A path or one part of it for a URL: all but letters, digits, "-._~" and what `keep` names becomes %XX.
std::string escape_url(std::string_view text, std::string_view keep = "");

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;  // one behind the last
};

struct FetchRequest {
  Url url;
  std::string token;  // sent as "Authorization: Bearer …"; empty: none
  std::optional<ByteRange> range;
};

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // by lower-case names
  std::string error_text;  // of a reply that is not 2xx: how its body begins
  bool stopped = false;    // the sink did not want the rest

  bool ok() const { return status >= 200 && status < 300; }
  std::string_view header(std::string_view name) const;  // empty where there is none
};

// Takes a piece of a 2xx reply's body; false: no more of it.
using BodySink = std::function<bool(const HttpReply& reply, std::span<const std::byte> bytes)>;

struct HttpOptions {
  std::vector<AddressScope> scopes;  // that connections may lead to, besides public ones
  int connect_seconds = 15;
  int stall_seconds = 30;            // with less than a kilobyte a second
  std::string trusted_file = {};     // certificates in PEM, instead of the system's; empty: the system's
  const std::atomic<bool>* cancelled = nullptr;
};

// For one thread; connections are kept between exchanges.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Errors: kIo where another attempt may succeed (no connection, a stall, a body cut short), kCancelled, and for all else kUnsupported
  // or kInvalidArgument (a certificate that does not hold, an address that is out of bounds).
  Result<HttpReply> get(const FetchRequest& request, const BodySink& sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
