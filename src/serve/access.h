// Who may talk to the server: the Host that browsers name, the pages they come from, the key they bring.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "serve/http_server.h"

namespace owlet {

struct AccessRules {
  bool loopback_only = true;              // bound to this machine: other names in Host are DNS rebinding
  std::string api_key;                    // empty: none asked for
  std::vector<std::string> cors_origins;  // exact origins; "*": any
};

bool is_loopback_host(std::string_view host_header);

// An error where the request must not be served. The key is asked for under /v1/ only: the page and /health
// are public.
std::optional<ApiError> refuse_access(const AccessRules& rules, const HttpRequest& request);

// What lets a page from an allowed origin read the answer; for OPTIONS, what a preflight asks. Empty for
// everyone else.
HttpHeaders cors_headers(const AccessRules& rules, const HttpRequest& request);

// Takes the same time wherever two texts of one length differ.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace owlet
