#include "io/hub/http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <mutex>

#include "core/ascii.h"

namespace owlet {
namespace {

constexpr size_t kMaxHeaders = 200;
constexpr size_t kMaxHeaderBytes = 16 << 10;
constexpr size_t kErrorTextBytes = 4 << 10;
constexpr size_t kMaxErrorBytes = 256 << 10;  // read so that the connection can be kept
constexpr long kLeastBytesPerSecond = 1024;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

using UrlHandle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Result<std::string> part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return Error{ErrorCode::kInvalidArgument, "not a whole URL", {}};
  std::string result(text);
  curl_free(text);
  return result;
}

Result<Url> describe(CURLU* handle) {
  Url url;
  OWLET_ASSIGN(url.scheme, part_of(handle, CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") {
    return make_error(ErrorCode::kInvalidArgument, "only http and https are fetched, not {}", url.scheme);
  }
  curl_url_set(handle, CURLUPART_FRAGMENT, nullptr, 0);
  OWLET_ASSIGN(url.text, part_of(handle, CURLUPART_URL));
  OWLET_ASSIGN(url.host, part_of(handle, CURLUPART_HOST));
  OWLET_ASSIGN(const std::string port, part_of(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT));
  url.host = ascii_lower(url.host);
  url.origin = fmt::format("{}://{}:{}", url.scheme, url.host, port);
  return url;
}

Result<Url> set_all(const std::vector<const std::string*>& texts) {
  const UrlHandle handle(curl_url(), curl_url_cleanup);
  OWLET_CHECK(handle != nullptr);
  for (const std::string* text : texts) {
    if (const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, text->c_str(), CURLU_DISALLOW_USER); code != CURLUE_OK) {
      return make_error(ErrorCode::kInvalidArgument, "'{}' is not a URL to fetch: {}", *text, curl_url_strerror(code));
    }
  }
  return describe(handle.get());
}

}  // namespace

Result<Url> parse_url(const std::string& text) { return set_all({&text}); }
Result<Url> resolve_url(const Url& base, const std::string& reference) { return set_all({&base.text, &reference}); }

std::string escape_url(std::string_view text, std::string_view keep) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos || keep.find(c) != std::string_view::npos;
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::string_view HttpReply::header(std::string_view name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? std::string_view() : std::string_view(it->second);
}

struct HttpClient::Impl {
  explicit Impl(HttpOptions o) : options(std::move(o)) {
    static std::once_flag once;
    std::call_once(once, [] { OWLET_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
    curl = curl_easy_init();
    OWLET_CHECK(curl != nullptr);
  }
  ~Impl() { curl_easy_cleanup(curl); }

  void set_up(const FetchRequest& request, curl_slist* headers);
  Error error_of(CURLcode code, const Url& url) const;
  bool may_lead_to(const sockaddr& address);
  void take_header(std::string_view line);
  bool take_body(std::span<const std::byte> bytes);
  bool is_encoded() const {
    const std::string_view encoding = reply.header("content-encoding");
    return reply.ok() && !encoding.empty() && ascii_lower(encoding) != "identity";
  }

  HttpOptions options;
  CURL* curl;
  // Of the exchange in progress.
  HttpReply reply;
  const BodySink* sink = nullptr;
  size_t error_bytes = 0;
  std::string refused;  // an address that was out of bounds
  char message[CURL_ERROR_SIZE] = "";
};

namespace {

// What libcurl calls, in its types; `self` is an Impl.
template <class Impl>
size_t on_header(char* data, size_t size, size_t n, void* self) {
  static_cast<Impl*>(self)->take_header({data, size * n});
  return size * n;
}

template <class Impl>
size_t on_body(char* data, size_t size, size_t n, void* self) {
  return static_cast<Impl*>(self)->take_body(std::as_bytes(std::span(data, size * n))) ? size * n : 0;
}

template <class Impl>
int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const std::atomic<bool>* cancelled = static_cast<Impl*>(self)->options.cancelled;
  return cancelled != nullptr && cancelled->load() ? 1 : 0;
}

template <class Impl>
curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* to) {
  if (!static_cast<Impl*>(self)->may_lead_to(to->addr)) return CURL_SOCKET_BAD;
  return ::socket(to->family, to->socktype, to->protocol);
}

}  // namespace

bool HttpClient::Impl::may_lead_to(const sockaddr& address) {
  const AddressScope scope = scope_of(address);
  const bool may = scope == AddressScope::kPublic || std::find(options.scopes.begin(), options.scopes.end(), scope) != options.scopes.end();
  if (!may) refused = to_string(address);
  return may;
}

void HttpClient::Impl::take_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    reply.headers.clear();  // of an interim reply before this one
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.size() > kMaxHeaderBytes || reply.headers.size() >= kMaxHeaders) return;
  reply.headers[ascii_lower(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
}

bool HttpClient::Impl::take_body(std::span<const std::byte> bytes) {
  if (reply.status == 0) {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
  }
  if (!reply.ok()) {
    const size_t room = kErrorTextBytes - reply.error_text.size();
    reply.error_text.append(reinterpret_cast<const char*>(bytes.data()), std::min(room, bytes.size()));
    error_bytes += bytes.size();
    reply.stopped = error_bytes > kMaxErrorBytes;
  } else {
    reply.stopped = is_encoded() || !(*sink)(reply, bytes);
  }
  return !reply.stopped;
}

void HttpClient::Impl::set_up(const FetchRequest& request, curl_slist* headers) {
  curl_easy_reset(curl);  // keeps connections
  curl_easy_setopt(curl, CURLOPT_URL, request.url.text.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.trusted_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.trusted_file.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "owlet");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_seconds));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_seconds));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  if (request.range) {
    curl_easy_setopt(curl, CURLOPT_RANGE, fmt::format("{}-{}", request.range->begin, request.range->end - 1).c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header<Impl>);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body<Impl>);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress<Impl>);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket<Impl>);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, this);
}

Error HttpClient::Impl::error_of(CURLcode code, const Url& url) const {
  if (code == CURLE_ABORTED_BY_CALLBACK) return Error{ErrorCode::kCancelled, "stopped", {}};
  if (!refused.empty()) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} leads to {}, an address that is not on the internet", url.host, refused),
                 "only a hub that you name yourself may be on this machine or in its network"};
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    return Error{ErrorCode::kUnsupported, fmt::format("{} has no certificate to be trusted: {}", url.host, message),
                 "check the hub's address and this machine's clock; CURL_CA_BUNDLE or SSL_CERT_FILE names another list of whom to trust"};
  }
  if (code == CURLE_SSL_CACERT_BADFILE) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the certificates to trust cannot be read: {}", message),
                 options.trusted_file.empty() ? "install the system's (ca-certificates)" : "SSL_CERT_FILE or CURL_CA_BUNDLE names a file in PEM"};
  }
  if (code == CURLE_OPERATION_TIMEDOUT) return make_error(ErrorCode::kIo, "{} does not answer", url.host);
  return make_error(ErrorCode::kIo, "{}: {}", url.host, message[0] != '\0' ? message : curl_easy_strerror(code));
}

HttpClient::HttpClient(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<HttpReply> HttpClient::get(const FetchRequest& request, const BodySink& sink) {
  Impl& impl = *impl_;
  impl.reply = {};
  impl.sink = &sink;
  impl.error_bytes = 0;
  impl.refused.clear();
  impl.message[0] = '\0';
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, curl_slist_free_all);
  if (!request.token.empty()) {
    headers.reset(curl_slist_append(nullptr, fmt::format("Authorization: Bearer {}", request.token).c_str()));
  }
  impl.set_up(request, headers.get());
  const CURLcode code = curl_easy_perform(impl.curl);
  long status = 0;
  curl_easy_getinfo(impl.curl, CURLINFO_RESPONSE_CODE, &status);
  impl.reply.status = static_cast<int>(status);
  if (impl.is_encoded()) {
    return make_error(ErrorCode::kUnsupported, "{} sends its answer compressed, which was not asked for", request.url.host);
  }
  if (code != CURLE_OK && !impl.reply.stopped) return impl.error_of(code, request.url);
  return std::move(impl.reply);
}

}  // namespace owlet
