#include "serve/server.h"

#include <algorithm>
#include <array>

#include "serve/access.h"
#include "serve/api_error.h"
#include "serve/completion.h"
#include "serve/page.h"

namespace owlet {
namespace {

// Adds headers to whatever answer comes.
class WithHeaders : public ResponseWriter {
 public:
  WithHeaders(std::shared_ptr<ResponseWriter> inner, HttpHeaders headers)
      : inner_(std::move(inner)), headers_(std::move(headers)) {}
  void send(HttpResponse response) override { inner_->send(extended(std::move(response))); }
  void stream_begin(HttpResponse head) override { inner_->stream_begin(extended(std::move(head))); }
  void stream_write(std::string bytes) override { inner_->stream_write(std::move(bytes)); }
  void stream_end() override { inner_->stream_end(); }
  void on_disconnect(std::function<void()> gone) override { inner_->on_disconnect(std::move(gone)); }
  void post(std::function<void()> task) override { inner_->post(std::move(task)); }

 private:
  HttpResponse extended(HttpResponse response) const {
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    return response;
  }
  std::shared_ptr<ResponseWriter> inner_;
  HttpHeaders headers_;
};

using Writer = std::shared_ptr<ResponseWriter>;

}  // namespace

struct Server::Impl {
  Impl(ServerOptions opts, ServedModel served, std::string_view page_gzip)
      : options(std::move(opts)),
        model(std::move(served)),
        page(page_gzip),
        access{.loopback_only =
                   options.host == "localhost" || options.host.starts_with("127.") || options.host == "::1",
               .api_key = options.api_key,
               .cors_origins = options.cors_origins},
        http([this](HttpRequest request, Writer writer) { handle(request, std::move(writer)); },
             [](int status, std::string_view why) {
               return to_response({.status = status, .message = std::string(why)});
             },
             options.limits) {}

  using Route = void (Impl::*)(const HttpRequest&, Writer);
  struct Entry {
    std::string_view method;
    std::string_view path;
    Route route;
  };
  static const std::array<Entry, 5> kRoutes;

  void handle(const HttpRequest& request, Writer writer);
  void route(const HttpRequest& request, Writer writer);
  void get_page(const HttpRequest& request, Writer writer);
  void get_health(const HttpRequest& request, Writer writer);
  void get_models(const HttpRequest& request, Writer writer);
  void post_chat(const HttpRequest& request, Writer writer) {
    post(Endpoint::kChat, request, std::move(writer));
  }
  void post_completions(const HttpRequest& request, Writer writer) {
    post(Endpoint::kCompletions, request, std::move(writer));
  }
  void post(Endpoint endpoint, const HttpRequest& request, Writer writer);

  const ServerOptions options;
  const ServedModel model;
  const Page page;
  const AccessRules access;
  HttpServer http;  // last: its threads use all of the above
};

const std::array<Server::Impl::Entry, 5> Server::Impl::kRoutes = {{
    {"GET", "/", &Impl::get_page},
    {"GET", "/health", &Impl::get_health},
    {"GET", "/v1/models", &Impl::get_models},
    {"POST", "/v1/chat/completions", &Impl::post_chat},
    {"POST", "/v1/completions", &Impl::post_completions},
}};

void Server::Impl::handle(const HttpRequest& request, Writer writer) {
  HttpHeaders headers = cors_headers(access, request);
  if (!headers.empty()) writer = std::make_shared<WithHeaders>(std::move(writer), std::move(headers));
  if (const auto refusal = refuse_access(access, request)) return writer->send(to_response(*refusal));
  route(request, std::move(writer));
}

void Server::Impl::route(const HttpRequest& request, Writer writer) {
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  const auto at_path = [&](const Entry& entry) { return entry.path == request.path; };
  const auto entry = std::find_if(kRoutes.begin(), kRoutes.end(), at_path);
  if (entry == kRoutes.end()) {
    return writer->send(to_response(
        {.status = 404, .message = fmt::format("There is nothing at '{}'.", request.path.substr(0, 200))}));
  }
  if (method == entry->method) return (this->*entry->route)(request, std::move(writer));
  const std::string allow =
      entry->method == "GET" ? "GET, HEAD, OPTIONS" : fmt::format("{}, OPTIONS", entry->method);
  if (method == "OPTIONS") return writer->send({.status = 204, .body = {}, .headers = {{"Allow", allow}}});
  HttpResponse refusal = to_response(
      {.status = 405,
       .message = fmt::format("'{}' takes {}, not {}.", entry->path, entry->method, method.substr(0, 20))});
  refusal.headers.emplace_back("Allow", allow);
  writer->send(std::move(refusal));
}

void Server::Impl::get_page(const HttpRequest& request, Writer writer) {
  if (!page.empty()) return writer->send(page.respond(request));
  writer->send({.content_type = "text/plain; charset=utf-8",
                .body = "Owlet serves its API under /v1; this build has no page.\n"});
}

void Server::Impl::get_health(const HttpRequest&, Writer writer) {
  writer->send({.body = R"({"status":"ok"})"});
}

void Server::Impl::get_models(const HttpRequest&, Writer writer) {
  const Json entry = {{"id", model.id},
                      {"object", "model"},
                      {"created", 0},
                      {"owned_by", "owlet"},
                      {"meta",
                       {{"size_bytes", model.size_bytes},
                        {"n_params", model.n_params},
                        {"context_length", model.engine.context_length()},
                        {"description", model.description}}}};
  writer->send({.body = dump_json({{"object", "list"}, {"data", Json::array({entry})}})});
}

void Server::Impl::post(Endpoint endpoint, const HttpRequest& request, Writer writer) {
  auto parsed = parse_api_request(endpoint, request.body, model.defaults);
  if (const ApiError* error = std::get_if<ApiError>(&parsed)) return writer->send(to_response(*error));
  ApiRequest& api_request = std::get<ApiRequest>(parsed);
  if (!api_request.model.empty() && api_request.model != model.id) {
    return writer->send(to_response({.status = 404,
                                     .message = fmt::format("The model '{}' is not served here, but '{}' is.",
                                                            api_request.model.substr(0, 200), model.id),
                                     .param = "model",
                                     .code = "model_not_found"}));
  }
  run_completion(model, std::move(api_request), std::move(writer));
}

Server::Server(ServerOptions options, ServedModel model, std::string_view page_gzip)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(model), page_gzip)) {}

Server::~Server() { stop(0); }

Status Server::start() { return impl_->http.start(impl_->options.host, impl_->options.port); }

uint16_t Server::port() const { return impl_->http.port(); }

std::string Server::url() const {
  const std::string& host = impl_->options.host;
  return fmt::format("http://{}:{}", host.find(':') == std::string::npos ? host : "[" + host + "]", port());
}

void Server::stop(double drain_seconds) { impl_->http.stop(drain_seconds); }

}  // namespace owlet
