// One completion request on its way: prompts to the engine, tokens back as JSON, whole or streamed.
#pragma once

#include <memory>

#include "serve/api_request.h"
#include "serve/http_server.h"
#include "serve/served_model.h"

namespace owlet {

// Starts the work and returns; everything else happens on the writer's turns. The client's leaving cancels
// it. Refuses, through the writer, what the engine cannot take: a prompt beyond the context (400), a full
// queue (429).
void run_completion(const ServedModel& model, ApiRequest request, std::shared_ptr<ResponseWriter> writer);

}  // namespace owlet
