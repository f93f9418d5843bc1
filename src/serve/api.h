// The API over the models of a catalog, wherever its requests come from: HTTP (server.h), or in a browser the page itself.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "core/json.h"
#include "serve/access.h"
#include "serve/api_request.h"
#include "serve/exchange.h"
#include "serve/http_server.h"
#include "serve/model_catalog.h"
#include "serve/text_routes.h"

namespace owlet {

struct ApiOptions {
  AccessRules access = {};
  std::function<void(const std::string& line)> access_log = {};
  bool log_bodies = false;
  std::function<HttpResponse(const HttpRequest&)> page = {};  // none: there is none
  // Training runs that may be watched: all of them for an empty name; null: there is none of that name. From any thread.
  std::function<std::optional<Json>(const std::string& name)> runs = {};
};

// Thread-safe.
class Api {
 public:
  // The models outlive it.
  Api(ApiOptions options, ModelCatalog& models);

  void handle(const HttpRequest& request, std::shared_ptr<ResponseWriter> writer) const;
  // From now on takes no requests for answers. Those in progress have so many seconds to finish; 0: they are left alone. No
  // model is loaded any more.
  void drain(double seconds);

 private:
  struct Call;
  struct Entry;
  static const std::array<Entry, 14> kRoutes;

  void route(const Call& call, const Entry* entry) const;
  std::optional<ApiError> refuse(const HttpRequest& request, const Entry* entry, Exchange& exchange) const;

  void get_page(const Call& call) const;
  void get_health(const Call& call) const;
  void get_ready(const Call& call) const;
  void get_metrics(const Call& call) const;
  void get_running(const Call& call) const;
  void get_openapi(const Call& call) const;
  void get_models(const Call& call) const;
  void get_runs(const Call& call) const;
  void get_tokenizer_info(const Call& call) const;
  void post_tokenize(const Call& call) const;
  void post_detokenize(const Call& call) const;
  void post_apply_template(const Call& call) const;
  void post_chat(const Call& call) const;
  void post_completions(const Call& call) const;
  void complete(Endpoint endpoint, const Call& call) const;
  void answer_about_text(const Call& call, std::variant<TextRequest, ApiError> parsed) const;
  // Goes on, on the writer's turn, once the model of that name is loaded; or tells the client why not.
  void with_model(const Call& call, const std::string& name, std::function<void(const ModelUse&)> go_on) const;

  const ApiOptions options_;
  ModelCatalog& models_;
  const std::shared_ptr<ExchangeLog> log_;
  std::atomic<bool> draining_ = false;
};

}  // namespace owlet
