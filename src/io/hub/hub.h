// A hub of models with Hugging Face's API:
//   GET BASE/api/models/ORG/NAME/tree/REVISION?recursive=true  → [{"type": "file", "path", "size", "lfs": {"oid": SHA-256, "size"}}, …],
//                                                               more behind the header `Link: <…>; rel="next"`
//   GET BASE/ORG/NAME/resolve/REVISION/PATH                    → the file, or a redirect to it with X-Linked-ETag: SHA-256
// The token goes to the hub's own scheme, host and port only; redirects are followed by hand, never from https to http, and never to an
// address of this machine or its network, unless the hub lies there itself. Names in a listing are checked before anyone uses them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "io/hub/http_client.h"

namespace owlet {

struct HubOptions {
  std::string base = "https://huggingface.co";
  std::string token;  // empty: as nobody in particular
  std::string trusted_file = {};  // certificates in PEM, instead of the system's
  int connect_seconds = 15;
  int stall_seconds = 30;
  int attempts = 6;                                // in a row that bring nothing
  std::chrono::milliseconds first_pause{500};      // before the second; then twice as long each time
  const std::atomic<bool>* cancelled = nullptr;
};

struct HubFile {
  std::string path;    // inside the repository, checked: "onnx/model.onnx"
  uint64_t size = 0;
  std::string sha256;  // empty: the hub gives none
};

// What a hub may be asked for: "ORG/NAME" at a branch, tag or commit.
struct HubRepository {
  std::string name;
  std::string revision = "main";
};

// Takes a piece of a file's body, with the reply that brings it and the SHA-256 that the hub named on the way to it (empty: none); false:
// no more of it.
using FileSink = std::function<bool(const HttpReply& reply, const std::string& sha256, std::span<const std::byte> bytes)>;

class Hub {
 public:
  // Checks the base and the token, and learns where the hub lies.
  static Result<Hub> open(HubOptions options);

  // Every file, in the hub's order. Errors: an unknown, private or gated repository, a listing that makes no sense.
  Result<std::vector<HubFile>> list(const HubRepository& repository) const;
  // One attempt at a file. Replies of any status but redirects come back as they are.
  Result<HttpReply> get_file(HttpClient& client, const HubRepository& repository, const std::string& path, std::optional<ByteRange> range,
                             const FileSink& sink) const;
  // What a reply that is not 2xx means for who asked for `what`; kIo where another attempt may succeed.
  Error error_of(const HttpReply& reply, const std::string& what) const;

  HttpOptions http_options() const;
  const HubOptions& options() const { return options_; }

 private:
  Hub() = default;
  Result<HttpReply> follow(HttpClient& client, Url url, std::optional<ByteRange> range, const FileSink& sink) const;
  Result<HttpReply> get_page(HttpClient& client, const Url& url, const std::string& what, std::string& body) const;

  HubOptions options_;
  Url base_;
  std::vector<AddressScope> scopes_;
};

// Decides whether to try again, and waits before it does: first_pause · 2ⁿ up to half a minute, or what the server asks for.
class Retries {
 public:
  explicit Retries(const HubOptions& options) : options_(options) {}
  // The last attempt brought something: count from the start.
  void reset() { failures_ = 0; }
  // After a failed attempt; false: it is not worth another, or too many have failed, or the wait was cancelled.
  bool again(const Error& error, std::string_view retry_after = {});

 private:
  const HubOptions& options_;
  int failures_ = 0;
};

// "ORG/NAME" of letters, digits, "-", "_" and "."; an error for all else.
Status check_repository_name(std::string_view name);
// A path that cannot lead out of a folder: relative, no part empty, "." or "..", no backslash or control character, of sane length.
Status check_hub_path(std::string_view path);

}  // namespace owlet
