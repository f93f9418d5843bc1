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

TEST(Access, OtherHostsAreRefusedOnLoopbackOnly) {
  AccessRules rules;
  EXPECT_EQ(refuse_access(rules, request({{"Host", "evil.example"}}))->status, 403);
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "localhost:1"}})));
  rules.loopback_only = false;
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "chat.example"}})));
}

TEST(Access, ForeignPagesNeedToBeListed) {
  AccessRules rules;
  EXPECT_EQ(
      refuse_access(rules, request({{"Host", "localhost:1"}, {"Origin", "https://evil.example"}}))->status,
      403);
  EXPECT_EQ(refuse_access(rules, request({{"Host", "localhost:1"}, {"Origin", "null"}}))->status, 403);
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "localhost:1"}, {"Origin", "http://localhost:1"}})));
  EXPECT_TRUE(cors_headers(rules, request({{"Origin", "https://good.example"}})).empty());
  rules.cors_origins = {"https://good.example"};
  const HttpRequest good = request({{"Host", "localhost:1"}, {"Origin", "https://good.example"}});
  EXPECT_FALSE(refuse_access(rules, good));
  const HttpHeaders headers = cors_headers(rules, good);
  ASSERT_FALSE(headers.empty());
  EXPECT_EQ(headers[0].second, "https://good.example");
  EXPECT_TRUE(
      refuse_access(rules, request({{"Host", "localhost:1"}, {"Origin", "https://good.example.evil"}})));
}

TEST(Access, TheKeyGuardsTheApiOnly) {
  const AccessRules rules{.loopback_only = true, .api_key = "secret", .cors_origins = {}};
  EXPECT_EQ(refuse_access(rules, request({{"Host", "localhost"}}))->status, 401);
  EXPECT_EQ(refuse_access(rules, request({{"Host", "localhost"}, {"Authorization", "Bearer wrong"}}))->status,
            401);
  EXPECT_EQ(refuse_access(rules, request({{"Host", "localhost"}, {"Authorization", "secret"}}))->status, 401);
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "localhost"}, {"Authorization", "Bearer secret"}})));
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "localhost"}, {"Authorization", "bearer secret"}})));
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "localhost"}}, "/")));
  EXPECT_FALSE(refuse_access(rules, request({{"Host", "localhost"}}, "/health")));
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
