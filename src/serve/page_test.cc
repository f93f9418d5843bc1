#include "serve/page.h"

#include <gtest/gtest.h>

namespace owlet {
namespace {

// `gzip -9` of kPlain.
constexpr unsigned char kGzip[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xb3, 0x51, 0x4c, 0xc9, 0x4f, 0x2e,
    0xa9, 0x2c, 0x48, 0x55, 0xc8, 0x28, 0xc9, 0xcd, 0xb1, 0xb3, 0x29, 0xc9, 0x2c, 0xc9, 0x49, 0xb5,
    0xf3, 0x2f, 0xcf, 0x49, 0x2d, 0xb1, 0xd1, 0x87, 0x70, 0x6c, 0x0a, 0xec, 0xf2, 0xcb, 0x73, 0x6c,
    0xf4, 0x0b, 0x46, 0x59, 0x23, 0x86, 0x05, 0x00, 0x22, 0x7a, 0x3b, 0xad, 0x17, 0x02, 0x00, 0x00};

std::string_view gzip() { return {reinterpret_cast<const char*>(kGzip), sizeof kGzip}; }

std::string plain() {
  std::string text = "<!doctype html><title>Owlet</title>";
  for (int i = 0; i < 50; ++i) text += "<p>owl</p>";
  return text;
}

HttpResponse get(std::string_view accept, std::string_view tag = {}) {
  HttpRequest request{.method = "GET", .path = "/", .query = {}, .headers = {}, .body = {}};
  if (!accept.empty()) request.headers.emplace_back("Accept-Encoding", accept);
  if (!tag.empty()) request.headers.emplace_back("If-None-Match", tag);
  return Page(gzip()).respond(request);
}

std::string header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(Page, IsSentCompressedToWhoeverTakesIt) {
  for (const char* accept : {"gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.5", "*"}) {
    const HttpResponse response = get(accept);
    EXPECT_EQ(header(response, "Content-Encoding"), "gzip") << accept;
    EXPECT_EQ(response.body, gzip());
  }
  for (const char* accept : {"", "br", "identity", "gzip;q=0", "gzip;q=0.000"}) {
    const HttpResponse response = get(accept);
    EXPECT_EQ(header(response, "Content-Encoding"), "") << accept;
    EXPECT_EQ(response.body, plain()) << accept;
  }
}

TEST(Page, WhoHasThisVersionGetsNothingNew) {
  const HttpResponse first = get("gzip");
  const HttpResponse second = get("gzip", header(first, "ETag"));
  EXPECT_EQ(second.status, 304);
  EXPECT_TRUE(second.body.empty());
  EXPECT_EQ(get("gzip", "\"other\"").status, 200);
}

TEST(Gzip, BrokenFilesAreErrors) {
  EXPECT_EQ(decompress_gzip(gzip(), 1000).value(), plain());
  EXPECT_FALSE(decompress_gzip(gzip(), 100).ok());
  EXPECT_FALSE(decompress_gzip("plain text, longer than a header", 1000).ok());
  for (size_t n = 0; n < gzip().size() - 10; ++n)
    EXPECT_FALSE(decompress_gzip(gzip().substr(0, n), 1000).ok()) << n;
  for (size_t i = 0; i < gzip().size() * 8; ++i) {
    std::string flipped(gzip());
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    (void)decompress_gzip(flipped, 1000);  // any answer will do, but an answer
  }
}

}  // namespace
}  // namespace owlet
