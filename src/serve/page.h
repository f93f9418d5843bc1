// The chat page: one compressed HTML file, sent as it is to everyone who reads gzip.
#pragma once

#include <string>
#include <string_view>

#include "serve/http_server.h"

namespace owlet {

class Page {
 public:
  // `gzip` outlives this.
  explicit Page(std::string_view gzip);
  // With an entity tag: who has this version gets 304.
  HttpResponse respond(const HttpRequest& request) const;
  bool empty() const { return gzip_.empty(); }

 private:
  std::string_view gzip_;
  std::string tag_;
};

// The content of a gzip file (RFC 1952) of one member. Errors: not gzip, broken, more than max_bytes.
Result<std::string> decompress_gzip(std::string_view gzip, size_t max_bytes);

}  // namespace owlet
