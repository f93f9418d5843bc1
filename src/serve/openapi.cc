#include "serve/openapi.h"

#include <string>

namespace owlet {
namespace {

Json response(std::string_view description, std::string_view content_type, const char* schema) {
  Json content = Json::object();
  content[std::string(content_type)] = schema ? Json{{"schema", {{"$ref", schema}}}} : Json::object();
  return {{"description", description}, {"content", std::move(content)}};
}

Json operation(const RouteDescription& route) {
  Json responses = {{"200", response("the answer", route.answers_with, nullptr)},
                    {"default", response("an error", "application/json", "#/components/schemas/Error")}};
  Json operation = {{"summary", route.summary}, {"responses", std::move(responses)}};
  operation["security"] = route.is_public ? Json::array() : Json::array({Json{{"key", Json::array()}}});
  if (route.body) {
    operation["requestBody"] = {{"required", true}, {"content", {{"application/json", {{"schema", route.body()}}}}}};
  }
  if (!route.parameter.empty()) {
    operation["parameters"] = {{{"name", route.parameter}, {"in", "query"}, {"schema", {{"type", "string"}}}}};
  }
  return operation;
}

Json error_schema() {
  const Json text = {{"type", "string"}};
  const Json text_or_null = {{"type", {"string", "null"}}};
  const Json error = {{"type", "object"},
                      {"properties", {{"message", text}, {"type", text}, {"param", text_or_null}, {"code", text_or_null}}},
                      {"required", {"message", "type", "param", "code"}}};
  return {{"type", "object"}, {"properties", {{"error", error}}}, {"required", {"error"}}};
}

}  // namespace

Json openapi(std::span<const RouteDescription> routes) {
  Json paths = Json::object();
  for (const RouteDescription& route : routes) paths[std::string(route.path)][route.method == "GET" ? "get" : "post"] = operation(route);
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Owlet"}, {"version", "1"}, {"description", "OpenAI's API over models and adapters, with fields of vLLM and llama.cpp beside."}}},
          {"paths", std::move(paths)},
          {"components",
           {{"schemas", {{"Error", error_schema()}}}, {"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace owlet
