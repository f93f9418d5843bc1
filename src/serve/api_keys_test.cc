#include "serve/api_keys.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

using std::chrono::seconds;

TEST(ApiKeys, AreReadFromAFile) {
  const auto keys = parse_api_keys(R"({"keys": [{"id": "ada", "key": "secret-a", "requests_per_minute": 60, "tokens_per_minute": 1000,
                                       "concurrent": 2}, {"id": "bob", "key": "secret-b"}]})");
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ((*keys)[0].requests_per_minute, 60);
  EXPECT_EQ((*keys)[0].tokens_per_minute, 1000);
  EXPECT_EQ((*keys)[0].concurrent, 2);
  EXPECT_EQ((*keys)[1].requests_per_minute, 0);
  EXPECT_EQ(find_key(*keys, "secret-b"), &(*keys)[1]);
  EXPECT_EQ(find_key(*keys, "secret-c"), nullptr);
  EXPECT_EQ(find_key(*keys, ""), nullptr);
}

TEST(ApiKeys, WhatIsWrongIsNamed) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"[]", "keys"},
      {"{", "JSON"},
      {R"({"keys": []})", "keys"},
      {R"({"keys": [{"id": "a", "key": "secret-a"}], "more": 1})", "keys"},
      {R"({"keys": ["secret-a"]})", "keys[0]"},
      {R"({"keys": [{"key": "secret-a"}]})", "keys[0].id"},
      {R"({"keys": [{"id": "a", "key": "short"}]})", "keys[0].key"},
      {R"({"keys": [{"id": "a", "key": "secret-a", "requests_per_minute": 0}]})", "requests_per_minute"},
      {R"({"keys": [{"id": "a", "key": "secret-a", "requests": 1}]})", "keys[0].requests"},
      {R"({"keys": [{"id": "a", "key": "secret-a"}, {"id": "a", "key": "secret-b"}]})", "'a' comes twice"},
      {R"({"keys": [{"id": "a", "key": "secret-a"}, {"id": "b", "key": "secret-a"}]})", "'b'"},
  };
  for (const auto& [json, named] : cases) {
    const auto keys = parse_api_keys(json);
    ASSERT_FALSE(keys.ok()) << json;
    EXPECT_NE(keys.error().to_string().find(named), std::string::npos) << keys.error().to_string();
    EXPECT_EQ(keys.error().to_string().find("secret-a"), std::string::npos) << "a secret in a message";
  }
}

TEST(KeyUsage, RequestsComeBackWithTime) {
  KeyUsage usage;
  const ApiKey key{.id = "a", .secret = {}, .requests_per_minute = 2};
  const KeyUsage::Clock::time_point start{};
  EXPECT_FALSE(usage.begin(key, start));
  EXPECT_FALSE(usage.begin(key, start));
  const auto refusal = usage.begin(key, start);
  ASSERT_TRUE(refusal);
  EXPECT_DOUBLE_EQ(refusal->wait_s, 30);
  EXPECT_NE(refusal->limit.find("2 requests"), std::string::npos);
  EXPECT_TRUE(usage.begin(key, start + seconds(29)));
  EXPECT_FALSE(usage.begin(key, start + seconds(31)));
  EXPECT_TRUE(usage.begin(key, start + seconds(31)));
  EXPECT_FALSE(usage.begin(key, start + seconds(1000)));
  EXPECT_FALSE(usage.begin(key, start + seconds(1000)));
  EXPECT_TRUE(usage.begin(key, start + seconds(1000))) << "no more than a minute's worth is kept";
}

TEST(KeyUsage, TokensAreOverdrawnAndPaidBack) {
  KeyUsage usage;
  const ApiKey key{.id = "a", .secret = {}, .tokens_per_minute = 600};
  const KeyUsage::Clock::time_point start{};
  EXPECT_FALSE(usage.begin(key, start));
  usage.spend_tokens(key, 900, start);
  const auto refusal = usage.begin(key, start);
  ASSERT_TRUE(refusal);
  EXPECT_NEAR(refusal->wait_s, 30.1, 0.01);
  EXPECT_FALSE(usage.begin(key, start + seconds(31)));
}

TEST(KeyUsage, CountsWhatIsInProgressOfEachKey) {
  KeyUsage usage;
  const ApiKey key{.id = "a", .secret = {}, .concurrent = 1}, other{.id = "b", .secret = {}, .concurrent = 1};
  EXPECT_FALSE(usage.begin(key, {}));
  EXPECT_TRUE(usage.begin(key, {}));
  EXPECT_FALSE(usage.begin(other, {})) << "another's limit";
  usage.end(key);
  EXPECT_FALSE(usage.begin(key, {}));
}

}  // namespace
}  // namespace owlet
