// Who may talk to the server: the Host that browsers name, the pages they come from, the key they bring.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serve/api_error.h"
#include "serve/api_keys.h"
#include "serve/http_server.h"

namespace owlet {

struct AccessRules {
  bool loopback_only = true;              // bound to this machine
  std::vector<std::string> hosts = {};         // names beyond addresses that Host may say; "*": any
  std::vector<ApiKey> keys = {};               // empty: nobody is asked for one
  std::vector<std::string> cors_origins = {};  // exact origins; "*": any
};

bool is_loopback_host(std::string_view host_header);

// An error where the request must not be served because of where it comes from. A page elsewhere can make its own name point here (DNS
// rebinding): names that are not known are refused, but addresses and, where keys are asked for, whatever came by a network.
std::optional<ApiError> refuse_origin(const AccessRules& rules, const HttpRequest& request);

// The key that a request brings, where keys are asked for; null: none is needed.
std::variant<const ApiKey*, ApiError> key_of(const AccessRules& rules, const HttpRequest& request);

// What lets a page from an allowed origin read the answer; for OPTIONS, what a preflight asks. Empty for
// everyone else.
HttpHeaders cors_headers(const AccessRules& rules, const HttpRequest& request);

}  // namespace owlet
