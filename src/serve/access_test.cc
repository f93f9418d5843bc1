#include "serve/access.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

HttpRequest request(HttpHeaders headers, std::string path = "/v1/models", std::string method = "GET") {
  return {.method = std::move(method),
          .path = std::move(path),
          .query = {},
          .headers = std::move(headers),
          .body = {}};
}

TEST(Access, LoopbackNames) {
  for (const char* host :
       {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::1", "10.0.0.1"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(Access, OtherHostsAreRefusedOnLoopback) {
  AccessRules rules;
  EXPECT_EQ(refuse_origin(rules, request({{"Host", "evil.example"}}))->status, 403);
  EXPECT_FALSE(refuse_origin(rules, request({{"Host", "localhost:1"}})));
  EXPECT_TRUE(refuse_origin(rules, request({{"Host", "192.168.1.7"}})));
  rules.hosts = {"Chat.example"};
  EXPECT_FALSE(refuse_origin(rules, request({{"Host", "chat.EXAMPLE:80"}})));
}

// In a network addresses are safe, for names may have been bent to point here.
TEST(Access, NamesInANetworkMustBeKnown) {
  AccessRules rules{.loopback_only = false};
  for (const char* host : {"192.168.1.7:8080", "[fe80::1]:80", "localhost"}) {
    EXPECT_FALSE(refuse_origin(rules, request({{"Host", host}}))) << host;
  }
  for (const char* host : {"evil.example", "1.2.3.4.evil.example", "[]"}) {
    EXPECT_TRUE(refuse_origin(rules, request({{"Host", host}}))) << host;
  }
  rules.hosts = {"*"};
  EXPECT_FALSE(refuse_origin(rules, request({{"Host", "chat.example"}})));
  rules = {.loopback_only = false, .keys = {{.id = "a", .secret = "secret-a"}}};
  EXPECT_FALSE(refuse_origin(rules, request({{"Host", "chat.example"}}))) << "a page elsewhere has no key";
}

TEST(Access, ForeignPagesNeedToBeListed) {
  AccessRules rules;
  EXPECT_EQ(
      refuse_origin(rules, request({{"Host", "localhost:1"}, {"Origin", "https://evil.example"}}))->status,
      403);
  EXPECT_EQ(refuse_origin(rules, request({{"Host", "localhost:1"}, {"Origin", "null"}}))->status, 403);
  EXPECT_FALSE(refuse_origin(rules, request({{"Host", "localhost:1"}, {"Origin", "http://localhost:1"}})));
  EXPECT_TRUE(cors_headers(rules, request({{"Origin", "https://good.example"}})).empty());
  rules.cors_origins = {"https://good.example"};
  const HttpRequest good = request({{"Host", "localhost:1"}, {"Origin", "https://good.example"}});
  EXPECT_FALSE(refuse_origin(rules, good));
  const HttpHeaders headers = cors_headers(rules, good);
  ASSERT_FALSE(headers.empty());
  EXPECT_EQ(headers[0].second, "https://good.example");
  EXPECT_TRUE(
      refuse_origin(rules, request({{"Host", "localhost:1"}, {"Origin", "https://good.example.evil"}})));
}

TEST(Access, KeysAreBearerTokens) {
  const AccessRules rules{.keys = {{.id = "one", .secret = "secret-1"}, {.id = "two", .secret = "secret-2"}}};
  const auto answer = [&](HttpHeaders headers) {
    const auto key = key_of(rules, request(std::move(headers)));
    return std::holds_alternative<ApiError>(key) ? std::to_string(std::get<ApiError>(key).status) : std::get<const ApiKey*>(key)->id;
  };
  EXPECT_EQ(answer({}), "401");
  EXPECT_EQ(answer({{"Authorization", "Bearer wrong"}}), "401");
  EXPECT_EQ(answer({{"Authorization", "secret-1"}}), "401");
  EXPECT_EQ(answer({{"Authorization", "Bearer secret-1secret-1"}}), "401");
  EXPECT_EQ(answer({{"Authorization", "Bearer secret-1"}}), "one");
  EXPECT_EQ(answer({{"Authorization", "bearer secret-2"}}), "two");
  EXPECT_EQ(std::get<const ApiKey*>(key_of({}, request({}))), nullptr) << "nobody is asked";
}

TEST(Access, ConstantTimeEqualIsEqual) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal("abc", "abc"));
  EXPECT_FALSE(constant_time_equal("abc", "abd"));
  EXPECT_FALSE(constant_time_equal("abc", "abcabc"));
  EXPECT_FALSE(constant_time_equal("abcabc", "abc"));
  EXPECT_FALSE(constant_time_equal("", "a"));
  EXPECT_FALSE(constant_time_equal("a", ""));
}

}  // namespace
}  // namespace owlet
