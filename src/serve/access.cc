#include "serve/access.h"

#include <algorithm>

namespace owlet {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  return result;
}

// "http://127.0.0.1:8080" under Host "127.0.0.1:8080": the server's own page.
bool is_same_origin(std::string_view origin, std::string_view host) {
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && lower(origin.substr(scheme + 3)) == lower(host);
}

bool is_allowed_origin(const AccessRules& rules, std::string_view origin) {
  return std::any_of(rules.cors_origins.begin(), rules.cors_origins.end(),
                     [origin](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

}  // namespace

bool is_loopback_host(std::string_view host_header) {
  std::string host = lower(host_header);
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  if (has_port) host.resize(colon);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

std::optional<ApiError> refuse_access(const AccessRules& rules, const HttpRequest& request) {
  const std::string_view host = request.header("host");
  if (rules.loopback_only && !host.empty() && !is_loopback_host(host)) {
    return ApiError{.status = 403,
                    .message = "This server answers to localhost and 127.0.0.1 only.",
                    .code = "host_not_allowed"};
  }
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && !is_same_origin(origin, host) && !is_allowed_origin(rules, origin)) {
    return ApiError{.status = 403,
                    .message = fmt::format(
                        "Pages from '{}' may not use this server; start it with --cors-origin to allow them.",
                        origin.substr(0, 200)),
                    .code = "origin_not_allowed"};
  }
  if (rules.api_key.empty() || !request.path.starts_with("/v1/") || request.method == "OPTIONS")
    return std::nullopt;
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = request.header("authorization");
  const bool is_bearer = lower(authorization.substr(0, kBearer.size())) == kBearer;
  if (is_bearer && constant_time_equal(authorization.substr(kBearer.size()), rules.api_key))
    return std::nullopt;
  return ApiError{.status = 401,
                  .message = authorization.empty()
                                 ? "This server asks for an API key: send 'Authorization: Bearer KEY'."
                                 : "The API key is not the right one.",
                  .code = "invalid_api_key"};
}

HttpHeaders cors_headers(const AccessRules& rules, const HttpRequest& request) {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !is_allowed_origin(rules, origin)) return {};
  HttpHeaders headers{{"Access-Control-Allow-Origin", std::string(origin)}, {"Vary", "Origin"}};
  if (request.method != "OPTIONS") return headers;
  headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  // Clients add headers of their own; none of them means anything here, so all that were asked for are fine.
  const std::string_view asked = request.header("access-control-request-headers");
  if (!asked.empty()) headers.emplace_back("Access-Control-Allow-Headers", std::string(asked));
  if (request.header("access-control-request-private-network") == "true") {
    headers.emplace_back("Access-Control-Allow-Private-Network", "true");
  }
  headers.emplace_back("Access-Control-Max-Age", "600");
  return headers;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0u : 1u;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned>(static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]));
  }
  return difference == 0;
}

}  // namespace owlet
