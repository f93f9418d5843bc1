// One completion request on its way: prompts to the engine, tokens back as JSON, whole or streamed.
#pragma once

#include <memory>

#include "serve/api_request.h"
#include "serve/exchange.h"
#include "serve/http_server.h"
#include "serve/model_catalog.h"

namespace owlet {

// Starts the work and returns; everything happens on the writer's turns, this call too. The client's leaving cancels
// it. Refuses, through the writer, what the engine cannot take: a prompt beyond the context (400), a full
// queue (429).
void run_completion(ModelUse model, ApiRequest request, std::shared_ptr<ResponseWriter> writer,
                    std::shared_ptr<Exchange> exchange);

}  // namespace owlet
