#include "io/hub/hub.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "io/hub/test_hub_server.h"

namespace owlet {
namespace {
using testing::HasSubstr;
using testing::IsEmpty;

HubOptions patient(const std::string& base) {
  return {.base = base, .token = {}, .connect_seconds = 2, .stall_seconds = 1, .attempts = 4, .first_pause = std::chrono::milliseconds(1)};
}

const HubRepository kRepository{.name = "org/model"};

// What get_file() brings, as text.
Result<std::string> fetch(const Hub& hub, const std::string& path) {
  HttpClient client(hub.http_options());
  std::string body;
  OWLET_ASSIGN(const HttpReply reply, hub.get_file(client, kRepository, path, {}, [&](const HttpReply&, const std::string&, auto bytes) {
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return body.size() < 1 << 20;
  }));
  if (!reply.ok()) return hub.error_of(reply, path);
  return body;
}

std::string error_of_listing(const std::string& body, const std::string& headers = "") {
  TestHubServer server;
  server.fault = [&](const TestRequest&, const TestConnection& c) { return c.reply("200 OK", headers, body), true; };
  const auto files = Hub::open(patient(server.url()))->list(kRepository);
  return files.ok() ? "" : files.error().to_string();
}

TEST(Address, WhatLiesAroundUsIsNotTheInternet) {
  const auto scope = [](const char* text) {
    in_addr four;
    if (inet_pton(AF_INET, text, &four) == 1) return scope_of(four);
    in6_addr six;
    EXPECT_EQ(inet_pton(AF_INET6, text, &six), 1) << text;
    return scope_of(six);
  };
  for (const char* text : {"1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "11.0.0.0", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_EQ(scope(text), AddressScope::kPublic) << text;
  }
  for (const char* text : {"127.0.0.1", "127.255.255.255", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"}) {
    EXPECT_EQ(scope(text), AddressScope::kLoopback) << text;
  }
  for (const char* text : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1", "fc00::1", "::ffff:10.0.0.1", "fec0::1"}) {
    EXPECT_EQ(scope(text), AddressScope::kPrivate) << text;
  }
  for (const char* text : {"169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "2002:a9fe:a9fe::"}) {
    EXPECT_EQ(scope(text), AddressScope::kLinkLocal) << text;
  }
  for (const char* text : {"224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "ff02::1", "2001:db8::1", "2001::1", "64:ff9b:1::1"}) {
    EXPECT_EQ(scope(text), AddressScope::kReserved) << text;
  }
}

TEST(Url, HttpAndHttpsOnly) {
  EXPECT_EQ(parse_url("https://Hub.example/a#b")->origin, "https://hub.example:443");
  EXPECT_EQ(parse_url("https://hub.example/a#b")->text, "https://hub.example/a");
  EXPECT_EQ(resolve_url(*parse_url("http://h.example/a/b"), "/c?d=e")->text, "http://h.example/c?d=e");
  EXPECT_EQ(resolve_url(*parse_url("http://h.example/a/b"), "//other.example/c")->origin, "http://other.example:80");
  for (const char* text : {"file:///etc/passwd", "ftp://h.example/a", "gopher://h.example/", "h.example", "", "http://user:pass@h.example/", "http://"}) {
    EXPECT_FALSE(parse_url(text).ok()) << text;
  }
  EXPECT_FALSE(resolve_url(*parse_url("http://h.example/"), "file:///etc/passwd").ok());
  EXPECT_EQ(escape_url("a b/ü%.gguf", "/"), "a%20b/%C3%BC%25.gguf");
}

TEST(Hub, ListsWhatThereIs) {
  TestHubServer server;
  server.files = {{"org/model/config.json", {"{}", false}}, {"org/model/model.safetensors", {"weights", true}}};
  const auto files = Hub::open(patient(server.url() + "/"))->list(kRepository);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].path, "config.json");
  EXPECT_EQ((*files)[0].sha256, "");
  EXPECT_EQ((*files)[1].size, 7u);
  EXPECT_EQ((*files)[1].sha256, TestHubServer::digest("weights"));
}

TEST(Hub, PagesOfAListing) {
  TestHubServer server;
  server.fault = [&](const TestRequest& request, const TestConnection& c) {
    const bool first = request.target.find("cursor") == std::string::npos;
    return c.reply("200 OK", first ? "Link: <" + server.url() + "/api/models/org/model/tree/main?cursor=x>; rel=\"next\"\r\n" : "",
                   first ? R"([{"type":"file","path":"a","size":1},{"type":"directory","path":"d","size":0}])"
                         : R"([{"type":"file","path":"d/b","size":2}])"), true;
  };
  const auto files = Hub::open(patient(server.url()))->list(kRepository);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[1].path, "d/b");
}

TEST(Hub, NamesThatLeadOut) {
  for (const char* path : {"../evil.gguf", "a/../../evil.gguf", "/etc/passwd", "a//b", "", ".", "a/.", "..", "a\\..\\b", "a\nb", "a\x1b[2Jb", "a/"}) {
    EXPECT_FALSE(check_hub_path(path).ok()) << path;
    EXPECT_THAT(error_of_listing(dump_json({{{"type", "file"}, {"path", path}, {"size", 1}}})), HasSubstr("lists a file named")) << path;
  }
  EXPECT_FALSE(check_hub_path(std::string("a\0b", 3)).ok());
  EXPECT_FALSE(check_hub_path(std::string(300, 'x')).ok());
  EXPECT_TRUE(check_hub_path("onnx/..model ü.json").ok());
  for (const char* name : {"model", "org/model/x", "../model", "org/..", "org/mo del", "/model", "org/", "-x/y", "org/mod\nel"}) {
    EXPECT_FALSE(check_repository_name(name).ok()) << name;
  }
}

TEST(Hub, ListingsThatMakeNoSense) {
  EXPECT_THAT(error_of_listing("<html>"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of_listing("{}"), HasSubstr("not a list"));
  EXPECT_THAT(error_of_listing(R"([{"type":"file","path":"a","size":-1}])"), HasSubstr("-1 bytes"));
  EXPECT_THAT(error_of_listing(R"([{"type":"file","path":"a","size":9e99}])"), HasSubstr("'size' must be an integer"));
  EXPECT_THAT(error_of_listing(R"([{"type":"file","path":"a","size":1,"lfs":{"oid":"xyz"}}])"), HasSubstr("no SHA-256"));
  EXPECT_THAT(error_of_listing(R"([{"type":"file","path":"a","size":1},{"type":"file","path":"a","size":1}])"), HasSubstr("twice"));
  EXPECT_THAT(error_of_listing(std::string(100000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(error_of_listing("[" + std::string(17 << 20, ' ') + "]"), HasSubstr("more than 16 MB"));
  EXPECT_THAT(error_of_listing("[]", "Link: <http://elsewhere.example/next>; rel=\"next\"\r\n"), HasSubstr("another host"));
  EXPECT_THAT(error_of_listing("[]", "Link: </api/models/org/model/tree/main>; rel=\"next\"\r\n"), HasSubstr("pages"));
  EXPECT_THAT(error_of_listing("[]", "Content-Encoding: gzip\r\n"), HasSubstr("compressed"));
}

TEST(Hub, AnEndlessBodyIsCutOff) {
  TestHubServer server;
  server.fault = [&](const TestRequest&, const TestConnection& c) {
    if (!c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) return true;
    const std::string chunk = "100000\r\n" + std::string(1 << 20, ' ') + "\r\n";
    while (!server.stopping() && c.send(chunk)) {}
    return true;
  };
  const auto files = Hub::open(patient(server.url()))->list(kRepository);
  ASSERT_FALSE(files.ok());
  EXPECT_THAT(files.error().to_string(), HasSubstr("more than 16 MB"));
}

TEST(Hub, ErrorsSayWhatToDo) {
  TestHubServer server;
  server.files = {{"org/model/a", {"a"}}};
  server.token = "secret";
  EXPECT_THAT(Hub::open(patient(server.url()))->list(kRepository).error().to_string(), HasSubstr("HF_TOKEN"));
  HubOptions options = patient(server.url());
  options.token = "wrong";
  EXPECT_THAT(Hub::open(options)->list(kRepository).error().to_string(), HasSubstr("does not accept this token"));
  options.token = "secret";
  EXPECT_TRUE(Hub::open(options)->list(kRepository).ok());
  EXPECT_THAT(Hub::open(options)->list({.name = "org/other"}).error().to_string(), HasSubstr("org/other is not on"));
  options.token = "secret\r\nX-Evil: 1";
  EXPECT_FALSE(Hub::open(options).ok());
  options = patient("ftp://hub.example");
  EXPECT_THAT(Hub::open(options).error().to_string(), HasSubstr("begins with https://"));
}

TEST(Hub, AGatedRepository) {
  TestHubServer server;
  server.fault = [](const TestRequest&, const TestConnection& c) {
    return c.reply("403 Forbidden", "X-Error-Code: GatedRepo\r\nX-Error-Message: Access to model org/model is restricted.\r\n", ""), true;
  };
  const std::string error = Hub::open(patient(server.url()))->list(kRepository).error().to_string();
  EXPECT_THAT(error, HasSubstr("org/model is gated (Access to model org/model is restricted.)"));
  EXPECT_THAT(error, HasSubstr("ask for access"));
  EXPECT_EQ(server.requests().size(), 1u);  // asking again would not help
}

TEST(Hub, ServersInTrouble) {
  for (const char* status : {"429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"}) {
    TestHubServer server;
    server.files = {{"org/model/a", {"a"}}};
    int failures = 2;
    server.fault = [&](const TestRequest&, const TestConnection& c) {
      return failures-- > 0 && (c.reply(status, "Retry-After: 0\r\n", ""), true);
    };
    EXPECT_TRUE(Hub::open(patient(server.url()))->list(kRepository).ok()) << status;
    EXPECT_EQ(server.requests().size(), 3u);
  }
  TestHubServer server;
  server.fault = [](const TestRequest&, const TestConnection& c) { return c.reply("503 Service Unavailable", "", ""), true; };
  EXPECT_THAT(Hub::open(patient(server.url()))->list(kRepository).error().to_string(), HasSubstr("answers 503"));
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST(Hub, TheTokenStaysAtHome) {
  TestHubServer hub, elsewhere;
  hub.token = elsewhere.token = "";
  elsewhere.files = {{"org/model/a", {"from elsewhere"}}};
  hub.fault = [&](const TestRequest& request, const TestConnection& c) {
    const bool renamed = request.target.find("resolve") != std::string::npos && request.target.find("?again") == std::string::npos;
    return c.reply("302 Found", renamed ? "Location: /org/model/resolve/main/a?again\r\n"
                                        : fmt::format("Location: http://localhost:{}/org/model/a\r\n", elsewhere.port()), "moved"), true;
  };
  HubOptions options = patient(hub.url());
  options.token = "secret";
  const auto body = fetch(*Hub::open(options), "a");
  ASSERT_TRUE(body.ok()) << body.error().to_string();
  EXPECT_EQ(*body, "from elsewhere");
  ASSERT_EQ(hub.requests().size(), 2u);
  for (const TestRequest& request : hub.requests()) EXPECT_EQ(request.header("authorization"), "Bearer secret");
  ASSERT_EQ(elsewhere.requests().size(), 1u);
  EXPECT_EQ(elsewhere.requests()[0].header("authorization"), "");
  EXPECT_EQ(elsewhere.requests()[0].header("cookie"), "");
}

TEST(Hub, RedirectsThatAreNotFollowed) {
  for (const auto& [location, error] : std::map<std::string, std::string>{
           {"http://10.0.0.1/a", "10.0.0.1"}, {"http://192.168.1.1/a", "not on the internet"}, {"http://169.254.169.254/latest", "169.254.169.254"},
           {"http://[fe80::1]/a", "fe80::1"}, {"http://[::ffff:10.0.0.1]/a", "not on the internet"}, {"http://[fd00::1]/a", "fd00::1"},
           {"file:///etc/passwd", "only http and https"}, {"ftp://127.0.0.1/a", "only http and https"}, {"", "redirects"}}) {
    TestHubServer server;
    server.fault = [&](const TestRequest&, const TestConnection& c) { return c.reply("302 Found", "Location: " + location + "\r\n", ""), true; };
    const auto body = fetch(*Hub::open(patient(server.url())), "a");
    ASSERT_FALSE(body.ok()) << location;
    EXPECT_THAT(body.error().to_string(), HasSubstr(error)) << location;
  }
  TestHubServer server;
  server.fault = [&](const TestRequest&, const TestConnection& c) { return c.reply("302 Found", "Location: /a\r\n", ""), true; };
  EXPECT_THAT(fetch(*Hub::open(patient(server.url())), "a").error().to_string(), HasSubstr("more than 5 times"));
}

// A hub over TLS with one file, and a file of certificates to trust.
struct TlsHub : testing::Test {
  TlsHub() {
    server.certificate.emplace();
    server.files = {{"org/model/a", {std::string(300000, 'a')}}};
    trust(*server.certificate);
  }
  ~TlsHub() override { std::filesystem::remove(trusted); }

  void trust(const TestCertificate& certificate) { ASSERT_TRUE(write_file(trusted, certificate.pem()).ok()); }
  Result<std::string> fetch_with(const std::string& trusted_file) {
    HubOptions options = patient(server.url());
    options.token = "secret";
    options.trusted_file = trusted_file;
    return fetch(*Hub::open(options), "a");
  }
  // The connection ends before anything was said on it, and there is no second.
  void expect_refused(const std::string& trusted_file) {
    const auto body = fetch_with(trusted_file);
    ASSERT_FALSE(body.ok());
    EXPECT_NE(body.error().code, ErrorCode::kIo);
    EXPECT_THAT(body.error().to_string(), HasSubstr("127.0.0.1 has no certificate to be trusted"));
    EXPECT_THAT(body.error().to_string(), HasSubstr("SSL_CERT_FILE"));
    EXPECT_EQ(server.n_connections(), 1u);
    server.stop();
    EXPECT_THAT(server.requests(), IsEmpty());
  }

  TestHubServer server;
  const std::string trusted = testing::TempDir() + fmt::format("owlet_trusted_{}.pem", ::getpid());
};

TEST_F(TlsHub, AStrangersCertificate) { expect_refused(""); }

TEST_F(TlsHub, ACertificateThatOtherOnesWereTrustedFor) {
  trust(TestCertificate());
  expect_refused(trusted);
}

TEST_F(TlsHub, ACertificateForAnotherName) {
  server.certificate.emplace("DNS:hub.example");
  trust(*server.certificate);
  expect_refused(trusted);
}

TEST_F(TlsHub, ACertificateThatHasExpired) {
  server.certificate.emplace("IP:127.0.0.1", -1);
  trust(*server.certificate);
  expect_refused(trusted);
}

TEST_F(TlsHub, ACertificateThatIsTrusted) {
  const auto body = fetch_with(trusted);
  ASSERT_TRUE(body.ok()) << body.error().to_string();
  EXPECT_EQ(*body, std::string(300000, 'a'));
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0].header("authorization"), "Bearer secret");
}

TEST_F(TlsHub, NothingIsSaidInTheClear) {
  TestHubServer clear;
  clear.files = {{"org/model/a", {"in the clear"}}};
  server.fault = [&](const TestRequest&, const TestConnection& c) {
    return c.reply("302 Found", fmt::format("Location: {}/org/model/a\r\n", clear.url()), ""), true;
  };
  EXPECT_THAT(fetch_with(trusted).error().to_string(), HasSubstr("redirects to 127.0.0.1 without encryption"));
  EXPECT_EQ(clear.n_connections(), 0u);
}

TEST_F(TlsHub, NothingToTrust) {
  for (const std::string text : {"", "no certificate"}) {
    ASSERT_TRUE(write_file(trusted, text).ok());
    EXPECT_THAT(fetch_with(trusted).error().to_string(), HasSubstr("the certificates to trust cannot be read")) << text;
  }
  std::filesystem::remove(trusted);
  EXPECT_THAT(fetch_with(trusted).error().to_string(), HasSubstr(trusted));
  server.stop();
  EXPECT_THAT(server.requests(), IsEmpty());
}

// Names are judged by what they resolve to, and a hub elsewhere may not send us home.
TEST(Hub, ScopesAreThoseOfTheHub) {
  EXPECT_THAT(scopes_of_host("[::1]"), testing::Contains(AddressScope::kLoopback));
  EXPECT_THAT(scopes_of_host("no.such.name.invalid"), IsEmpty());
  TestHubServer server;
  server.files = {{"org/model/a", {"a"}}};
  HttpClient stranger({.scopes = {}});
  const auto any = [](const HttpReply&, std::span<const std::byte>) { return true; };
  for (const char* host : {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f000001", "2130706433"}) {
    const auto reply = stranger.get({.url = *parse_url(fmt::format("http://{}:{}/org/model/a", host, server.port())), .token = {}, .range = {}}, any);
    ASSERT_FALSE(reply.ok()) << host;
    EXPECT_THAT(reply.error().to_string(), HasSubstr("not on the internet")) << host;
  }
  EXPECT_THAT(server.requests(), IsEmpty());
}

}  // namespace
}  // namespace owlet
