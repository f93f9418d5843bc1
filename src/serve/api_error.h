// Errors in OpenAI's form: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"
#include "serve/http_server.h"

namespace owlet {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // the request's field that is at fault; empty: none in particular
  std::string code = {};   // for programs: "context_length_exceeded"; empty: none
  int retry_after_s = 1;   // of 429 and 503
};

Json to_json(const ApiError& error);
HttpResponse to_response(const ApiError& error);

}  // namespace owlet
