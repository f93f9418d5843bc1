#include "serve/page.h"

#include <boost/beast/zlib/inflate_stream.hpp>

namespace owlet {
namespace {

constexpr size_t kMaxPageBytes = 64 << 20;

// FNV-1a: tells versions apart, nothing more.
uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  return hash;
}

// Whether Accept-Encoding lets us send gzip: named, or *, and not with q=0 (RFC 9110, 12.5.3).
bool accepts_gzip(std::string_view accept) {
  while (!accept.empty()) {
    const size_t comma = std::min(accept.find(','), accept.size());
    std::string_view item = accept.substr(0, comma);
    accept.remove_prefix(std::min(comma + 1, accept.size()));
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    const std::string_view name = item.substr(0, item.find_first_of("; \t"));
    if (name != "gzip" && name != "x-gzip" && name != "*") continue;
    const size_t q = item.find("q=");
    return q == std::string_view::npos || item.substr(q + 2).find_first_not_of("0.") < item.size() - q - 2;
  }
  return false;
}

// Where the compressed data begins, behind the header and its optional fields; 0: not gzip.
size_t gzip_data_begin(std::string_view gzip) {
  constexpr size_t kHeader = 10;
  if (gzip.size() < kHeader || gzip.substr(0, 3) != "\x1f\x8b\x08") return 0;
  const unsigned flags = static_cast<unsigned char>(gzip[3]);
  size_t at = kHeader;
  if (flags & 4u) {  // extra field, its length in front
    if (gzip.size() < at + 2) return 0;
    at += 2u + static_cast<unsigned char>(gzip[at]) + 256u * static_cast<unsigned char>(gzip[at + 1]);
  }
  for (const unsigned text : {8u, 16u}) {  // name and comment, each ended by a zero
    if (!(flags & text)) continue;
    const size_t end = at <= gzip.size() ? gzip.find('\0', at) : std::string_view::npos;
    if (end == std::string_view::npos) return 0;
    at = end + 1;
  }
  if (flags & 2u) at += 2;  // checksum of the header
  return at < gzip.size() ? at : 0;
}

}  // namespace

Result<std::string> decompress_gzip(std::string_view gzip, size_t max_bytes) {
  const size_t begin = gzip_data_begin(gzip);
  if (begin == 0) return corrupt("not a gzip file");
  std::string content;
  std::string buffer(64 << 10, '\0');
  boost::beast::zlib::inflate_stream stream;
  boost::beast::zlib::z_params z{};
  z.next_in = gzip.data() + begin;
  z.avail_in = gzip.size() - begin;
  for (;;) {
    z.next_out = buffer.data();
    z.avail_out = buffer.size();
    boost::system::error_code error;
    stream.write(z, boost::beast::zlib::Flush::none, error);
    content.append(buffer, 0, buffer.size() - z.avail_out);
    if (content.size() > max_bytes)
      return make_error(ErrorCode::kTooLarge, "gzip: more than {} bytes", max_bytes);
    if (error == boost::beast::zlib::error::end_of_stream) return content;
    if (error) return corrupt("gzip: {}", error.message());
    if (z.avail_in == 0 && z.avail_out == buffer.size())
      return corrupt("gzip: the file ends too early");
  }
}

Page::Page(std::string_view gzip) : gzip_(gzip), tag_(fmt::format("\"{:016x}\"", hash_of(gzip))) {}

HttpResponse Page::respond(const HttpRequest& request) const {
  HttpResponse response{.content_type = "text/html; charset=utf-8", .body = {}};
  // The page brings its own Content-Security-Policy; these are what only a header can say.
  response.headers = {{"ETag", tag_},
                      {"Cache-Control", "no-cache"},
                      {"Vary", "Accept-Encoding"},
                      {"Content-Security-Policy", "frame-ancestors 'none'"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"}};
  if (request.header("if-none-match").find(tag_) != std::string_view::npos) {
    response.status = 304;
  } else if (accepts_gzip(request.header("accept-encoding"))) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = gzip_;
  } else if (auto plain = decompress_gzip(gzip_, kMaxPageBytes)) {
    response.body = std::move(*plain);
  } else {
    return {.status = 500, .content_type = "text/plain", .body = plain.error().message};
  }
  return response;
}

}  // namespace owlet
