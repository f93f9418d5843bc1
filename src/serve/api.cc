#include "serve/api.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/memory.h"
#include "serve/api_error.h"
#include "serve/completion.h"
#include "serve/openapi.h"
#include "serve/text_routes.h"

namespace owlet {
namespace {

constexpr size_t kLargeBody = 32 << 10;  // that takes memory worth giving back

// Adds headers to whatever answer comes, and tells the exchange how it goes.
class WatchedWriter : public ResponseWriter {
 public:
  WatchedWriter(std::shared_ptr<ResponseWriter> inner, std::shared_ptr<Exchange> exchange, HttpHeaders headers)
      : inner_(std::move(inner)), exchange_(std::move(exchange)), headers_(std::move(headers)) {}
  void send(HttpResponse response) override { inner_->send(watched(std::move(response))); }
  void stream_begin(HttpResponse head) override { inner_->stream_begin(watched(std::move(head))); }
  void stream_write(std::string bytes) override { inner_->stream_write(std::move(bytes)); }
  void stream_end() override { inner_->stream_end(); }
  void on_disconnect(std::function<void()> gone) override {
    inner_->on_disconnect([exchange = exchange_, gone = std::move(gone)] {
      exchange->disconnect();
      gone();
    });
  }
  void post(std::function<void()> task) override { inner_->post(std::move(task)); }

 private:
  HttpResponse watched(HttpResponse response) const {
    exchange_->respond(response.status);
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    return response;
  }
  std::shared_ptr<ResponseWriter> inner_;
  std::shared_ptr<Exchange> exchange_;
  HttpHeaders headers_;
};

HttpResponse json_response(const Json& json) { return {.body = dump_json(json)}; }

Json chat_schema() { return request_schema(Endpoint::kChat); }
Json completions_schema() { return request_schema(Endpoint::kCompletions); }

}  // namespace

// A request on its way through the routes.
struct Api::Call {
  const HttpRequest& request;
  std::shared_ptr<ResponseWriter> writer;
  std::shared_ptr<Exchange> exchange;
};

struct Api::Entry {
  RouteDescription is;
  void (Api::*run)(const Call&) const;
};

const std::array<Api::Entry, 14> Api::kRoutes = {{
    {{"GET", "/", "the chat page", true, nullptr, "text/html"}, &Api::get_page},
    {{"GET", "/health", "the server is alive", true}, &Api::get_health},
    {{"GET", "/ready", "it takes requests: 503 once it is told to stop", true}, &Api::get_ready},
    {{"GET", "/openapi.json", "this description", true}, &Api::get_openapi},
    {{"GET", "/metrics", "numbers for Prometheus", false, nullptr, "text/plain"}, &Api::get_metrics},
    {{"GET", "/running", "what runs now"}, &Api::get_running},
    {{"GET", "/v1/models", "what is served"}, &Api::get_models},
    {{.method = "GET", .path = "/runs", .summary = "training runs that may be watched, or one of them", .parameter = "name"}, &Api::get_runs},
    {{"POST", "/v1/chat/completions", "the next message of a chat", false, chat_schema}, &Api::post_chat},
    {{"POST", "/v1/completions", "what follows a text", false, completions_schema}, &Api::post_completions},
    {{"POST", "/tokenize", "the tokens of a text or a chat", false, tokenize_schema}, &Api::post_tokenize},
    {{"POST", "/detokenize", "the text of tokens", false, detokenize_schema}, &Api::post_detokenize},
    {{.method = "GET", .path = "/tokenizer_info", .summary = "the tokenizer's own tokens and the chat template", .parameter = "model"},
     &Api::get_tokenizer_info},
    {{"POST", "/apply-template", "a chat as the model reads it", false, apply_template_schema}, &Api::post_apply_template},
}};

void Api::handle(const HttpRequest& request, std::shared_ptr<ResponseWriter> writer) const {
  const auto at_path = [&](const Entry& entry) { return entry.is.path == request.path; };
  const auto found = std::find_if(kRoutes.begin(), kRoutes.end(), at_path);
  const Entry* entry = found == kRoutes.end() ? nullptr : &*found;

  const std::shared_ptr<Exchange> exchange = log_->open(request, entry ? entry->is.path : "other");
  HttpHeaders headers = cors_headers(options_.access, request);
  headers.emplace_back("X-Request-Id", exchange->id());
  writer = std::make_shared<WatchedWriter>(std::move(writer), exchange, std::move(headers));
  if (const auto refusal = refuse(request, entry, *exchange)) return writer->send(to_response(*refusal));
  route({request, writer, exchange}, entry);
  if (request.body.size() > kLargeBody) writer->post(release_unused_memory);
}

// Who may not, or has had enough.
std::optional<ApiError> Api::refuse(const HttpRequest& request, const Entry* entry, Exchange& exchange) const {
  if (auto refusal = refuse_origin(options_.access, request)) return refusal;
  if ((entry && entry->is.is_public) || request.method == "OPTIONS") return std::nullopt;
  const auto key = key_of(options_.access, request);
  if (const ApiError* refusal = std::get_if<ApiError>(&key)) return *refusal;
  if (!std::get<const ApiKey*>(key)) return std::nullopt;
  const auto limit = exchange.begin_use(*std::get<const ApiKey*>(key));
  if (!limit) return std::nullopt;
  return ApiError{.status = 429,
                  .message = fmt::format("This key's limit of {} is reached.", limit->limit),
                  .code = "rate_limit_exceeded",
                  .retry_after_s = static_cast<int>(std::ceil(std::min(limit->wait_s, 3600.0)))};
}

void Api::route(const Call& call, const Entry* entry) const {
  const HttpRequest& request = call.request;
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  if (!entry) {
    return call.writer->send(to_response(
        {.status = 404, .message = fmt::format("There is nothing at '{}'.", request.path.substr(0, 200))}));
  }
  if (method == entry->is.method) return (this->*entry->run)(call);
  const std::string allow =
      entry->is.method == "GET" ? "GET, HEAD, OPTIONS" : fmt::format("{}, OPTIONS", entry->is.method);
  if (method == "OPTIONS") return call.writer->send({.status = 204, .body = {}, .headers = {{"Allow", allow}}});
  HttpResponse refusal = to_response(
      {.status = 405,
       .message = fmt::format("'{}' takes {}, not {}.", entry->is.path, entry->is.method, method.substr(0, 20))});
  refusal.headers.emplace_back("Allow", allow);
  call.writer->send(std::move(refusal));
}

void Api::get_health(const Call& call) const { call.writer->send(json_response({{"status", "ok"}})); }
void Api::post_tokenize(const Call& call) const { answer_about_text(call, parse_tokenize(call.request.body)); }
void Api::post_detokenize(const Call& call) const { answer_about_text(call, parse_detokenize(call.request.body)); }
void Api::post_apply_template(const Call& call) const { answer_about_text(call, parse_apply_template(call.request.body)); }
void Api::post_chat(const Call& call) const { complete(Endpoint::kChat, call); }
void Api::post_completions(const Call& call) const { complete(Endpoint::kCompletions, call); }

void Api::get_page(const Call& call) const {
  if (options_.page) return call.writer->send(options_.page(call.request));
  call.writer->send({.content_type = "text/plain; charset=utf-8",
                     .body = "Owlet serves its API under /v1; this build has no page.\n"});
}

void Api::get_ready(const Call& call) const {
  const std::vector<ModelCard>& cards = models_.cards();
  const auto n_loaded = std::count_if(cards.begin(), cards.end(), [this](const ModelCard& card) { return models_.state(card) == "loaded"; });
  // Numbers, not names: no key is asked for here.
  if (!draining_) return call.writer->send(json_response({{"status", "ready"}, {"models", cards.size()}, {"loaded", n_loaded}}));
  call.writer->send(to_response({.status = 503, .message = "the server is stopping", .code = "stopping"}));
}

void Api::get_metrics(const Call& call) const {
  call.writer->send({.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = log_->metrics.text(models_.snapshots())});
}

void Api::get_running(const Call& call) const {
  Json list = Json::array();
  for (const auto& exchange : log_->answering()) list.push_back(exchange->to_json());
  Json engines = Json::array();
  for (const auto& [model, now] : models_.snapshots()) {
    engines.push_back({{"model", model},
                       {"running", now.load.running},
                       {"waiting", now.load.waiting},
                       {"kv_pages_used", now.load.pages_used},
                       {"kv_pages_kept", now.load.pages_kept},
                       {"kv_pages", now.load.pages_total}});
  }
  call.writer->send(json_response({{"requests", std::move(list)}, {"models", std::move(engines)}}));
}

void Api::get_openapi(const Call& call) const {
  std::vector<RouteDescription> routes;
  for (const Entry& entry : kRoutes) routes.push_back(entry.is);
  call.writer->send(json_response(openapi(routes)));
}

void Api::get_models(const Call& call) const {
  Json list = Json::array();
  for (const ModelCard& card : models_.cards()) {
    Json status = {{"value", models_.state(card)}};
    if (status["value"] == "loading") status["progress"] = models_.progress(card);
    list.push_back({{"id", card.id},
                    {"object", "model"},
                    {"created", 0},
                    {"owned_by", "owlet"},
                    {"parent", card.parent.empty() ? Json() : Json(card.parent)},
                    {"status", std::move(status)},
                    {"meta",
                     {{"size_bytes", card.size_bytes},
                      {"n_params", card.n_params},
                      {"context_length", card.context_length},
                      {"description", card.description}}}});
  }
  call.writer->send(json_response({{"object", "list"}, {"data", std::move(list)}}));
}

void Api::get_runs(const Call& call) const {
  if (!options_.runs) {
    return call.writer->send(to_response({.status = 404, .message = "This server shows no training runs: it was started without --runs.", .code = "no_runs"}));
  }
  const std::string name = call.request.parameter("name");
  if (const auto found = options_.runs(name)) return call.writer->send(json_response(*found));
  call.writer->send(to_response({.status = 404, .message = fmt::format("There is no training run '{}' here.", name.substr(0, 200)), .param = "name"}));
}

void Api::get_tokenizer_info(const Call& call) const {
  with_model(call, call.request.parameter("model"), [writer = call.writer](const ModelUse& use) {
    writer->send(json_response(tokenizer_info(*use.model)));
  });
}

void Api::answer_about_text(const Call& call, std::variant<TextRequest, ApiError> parsed) const {
  if (const ApiError* error = std::get_if<ApiError>(&parsed)) return call.writer->send(to_response(*error));
  TextRequest& text = std::get<TextRequest>(parsed);
  with_model(call, text.model, [writer = call.writer, answer = std::move(text.answer)](const ModelUse& use) { writer->send(answer(use)); });
}

void Api::complete(Endpoint endpoint, const Call& call) const {
  if (draining_) return call.writer->send(to_response({.status = 503, .message = "the server is stopping", .code = "stopping"}));
  auto parsed = parse_api_request(endpoint, call.request.body, [this](const std::string& name) -> std::variant<SamplingParams, ApiError> {
    auto found = models_.find(name);
    if (ApiError* error = std::get_if<ApiError>(&found)) return std::move(*error);
    return std::get<const ModelCard*>(found)->defaults;
  });
  if (const ApiError* error = std::get_if<ApiError>(&parsed)) return call.writer->send(to_response(*error));
  const auto request = std::make_shared<ApiRequest>(std::get<ApiRequest>(std::move(parsed)));
  with_model(call, request->model, [request, writer = call.writer, exchange = call.exchange](const ModelUse& use) {
    run_completion(use, std::move(*request), writer, exchange);
  });
}

void Api::with_model(const Call& call, const std::string& name, std::function<void(const ModelUse&)> go_on) const {
  const auto found = models_.find(name);
  if (const ApiError* error = std::get_if<ApiError>(&found)) return call.writer->send(to_response(*error));
  const ModelCard& card = *std::get<const ModelCard*>(found);
  call.exchange->set_model(card.id);
  models_.use(card, [writer = call.writer, go_on = std::move(go_on)](std::variant<ModelUse, ApiError> answer) {
    if (const ApiError* error = std::get_if<ApiError>(&answer)) return writer->send(to_response(*error));
    writer->post([go_on, use = std::get<ModelUse>(std::move(answer))] { go_on(use); });
  });
}

Api::Api(ApiOptions options, ModelCatalog& models)
    : options_(std::move(options)), models_(models), log_(std::make_shared<ExchangeLog>(options_.access_log, options_.log_bodies)) {}

void Api::drain(double seconds) {
  draining_ = true;
  models_.stop();
  if (seconds <= 0) return;
  log_->wait_until_quiet(seconds);
  for (const auto& exchange : log_->answering()) exchange->interrupt();
}

}  // namespace owlet
