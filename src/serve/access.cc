#include "serve/access.h"

#include <algorithm>

#include "core/ascii.h"

namespace owlet {
namespace {

// "http://127.0.0.1:8080" under Host "127.0.0.1:8080": the server's own page.
bool is_same_origin(std::string_view origin, std::string_view host) {
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && ascii_lower(origin.substr(scheme + 3)) == ascii_lower(host);
}

bool is_allowed_origin(const AccessRules& rules, std::string_view origin) {
  return std::any_of(rules.cors_origins.begin(), rules.cors_origins.end(),
                     [origin](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

// Without its port, in small letters.
std::string host_name(std::string_view host_header) {
  std::string host = ascii_lower(host_header);
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  if (has_port) host.resize(colon);
  return host;
}

// "192.168.1.7", "[fe80::1]". Names in a network never look so.
bool is_address(std::string_view host) {
  const bool is_ipv6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return is_ipv6 || (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool is_known_host(const AccessRules& rules, std::string_view host_header) {
  if (is_loopback_host(host_header)) return true;
  const std::string host = host_name(host_header);
  if (!rules.loopback_only && (is_address(host) || !rules.keys.empty())) return true;
  const auto names_it = [&](const std::string& known) { return known == "*" || ascii_lower(known) == host; };
  return std::any_of(rules.hosts.begin(), rules.hosts.end(), names_it);
}

}  // namespace

bool is_loopback_host(std::string_view host_header) {
  const std::string host = host_name(host_header);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

std::optional<ApiError> refuse_origin(const AccessRules& rules, const HttpRequest& request) {
  const std::string_view host = request.header("host");
  if (!host.empty() && !is_known_host(rules, host)) {
    return ApiError{.status = 403,
                    .message = fmt::format("This server does not answer to '{}'; start it with --allow-host to change that.",
                                           host.substr(0, 200)),
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
  return std::nullopt;
}

std::variant<const ApiKey*, ApiError> key_of(const AccessRules& rules, const HttpRequest& request) {
  if (rules.keys.empty()) return nullptr;
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = request.header("authorization");
  const bool is_bearer = ascii_lower(authorization.substr(0, kBearer.size())) == kBearer;
  const ApiKey* key = is_bearer ? find_key(rules.keys, authorization.substr(kBearer.size())) : nullptr;
  if (key) return key;
  return ApiError{.status = 401,
                  .message = authorization.empty()
                                 ? "This server asks for an API key: send 'Authorization: Bearer KEY'."
                                 : "The API key is not a right one.",
                  .code = "invalid_api_key"};
}

HttpHeaders cors_headers(const AccessRules& rules, const HttpRequest& request) {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !is_allowed_origin(rules, origin)) return {};
  HttpHeaders headers{{"Access-Control-Allow-Origin", std::string(origin)},
                      {"Vary", "Origin"},
                      {"Access-Control-Expose-Headers", "Retry-After, X-Request-Id"}};
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

}  // namespace owlet
