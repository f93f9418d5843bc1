// The server's description of itself in OpenAPI 3.1: its routes, and the bodies as their parsers describe them.
#pragma once

#include <span>
#include <string_view>

#include "core/json.h"

namespace owlet {

struct RouteDescription {
  std::string_view method;                              // "GET" or "POST"
  std::string_view path;
  std::string_view summary;
  bool is_public = false;                               // no key is asked for
  Json (*body)() = nullptr;                             // the schema of the body; null: none
  std::string_view answers_with = "application/json";
  std::string_view parameter = {};                      // of the query; it may be left out
};

Json openapi(std::span<const RouteDescription> routes);

}  // namespace owlet
