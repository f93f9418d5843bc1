#include "serve/server.h"

#include "serve/api.h"
#include "serve/page.h"

namespace owlet {
namespace {

constexpr double kLastBytesSeconds = 2;  // for what was written to reach the clients

bool is_loopback_address(const std::string& host) { return host == "localhost" || host.starts_with("127.") || host == "::1"; }

}  // namespace

struct Server::Impl {
  using PageResponse = std::function<HttpResponse(const HttpRequest&)>;
  Impl(ServerOptions opts, ModelCatalog& models, std::string_view page_gzip)
      : options(std::move(opts)),
        page(page_gzip),
        api({.access = {.loopback_only = is_loopback_address(options.host),
                        .hosts = options.allow_hosts,
                        .keys = options.keys,
                        .cors_origins = options.cors_origins},
             .access_log = options.access_log,
             .log_bodies = options.log_bodies,
             .page = page.empty() ? nullptr : PageResponse([this](const HttpRequest& request) { return page.respond(request); }),
             .runs = options.runs},
            models),
        http([this](HttpRequest request, std::shared_ptr<ResponseWriter> writer) { api.handle(request, std::move(writer)); },
             [](int status, std::string_view why) {
               return to_response({.status = status, .message = std::string(why)});
             },
             options.limits) {}

  const ServerOptions options;
  const Page page;
  Api api;
  HttpServer http;  // last: its threads use all of the above
};

Server::Server(ServerOptions options, ModelCatalog& models, std::string_view page_gzip)
    : impl_(std::make_unique<Impl>(std::move(options), models, page_gzip)) {}

Server::~Server() { stop(0); }

Status Server::start() { return impl_->http.start(impl_->options.host, impl_->options.port); }

uint16_t Server::port() const { return impl_->http.port(); }

std::string Server::url() const {
  const std::string& host = impl_->options.host;
  return fmt::format("http://{}:{}", host.find(':') == std::string::npos ? host : "[" + host + "]", port());
}

void Server::stop(double drain_seconds) {
  impl_->api.drain(drain_seconds);
  impl_->http.stop(drain_seconds > 0 ? kLastBytesSeconds : 0);
}

}  // namespace owlet
