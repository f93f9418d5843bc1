#include "io/hub/hub.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <thread>

#include "core/json.h"
#include "core/printable.h"
#include "io/hub/sha256.h"

namespace owlet {
namespace {

constexpr int kMaxRedirects = 5;
constexpr int kMaxPages = 100;
constexpr size_t kMaxPageBytes = 16 << 20;
constexpr size_t kMaxFiles = 100000;
constexpr int64_t kMaxFileBytes = int64_t{1} << 50;
constexpr double kLongestPause = 30;

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

// The reason that the hub gives: a header, or {"error": …}.
std::string reason_of(const HttpReply& reply) {
  if (const std::string_view header = reply.header("x-error-message"); !header.empty()) return printable_line(header, 300);
  if (const auto json = parse_json(reply.error_text); json.ok()) {
    if (const auto text = get_string(*json, "error"); text.ok()) return printable_line(*text, 300);
  }
  return {};
}

// The address under rel="next" of a Link header (RFC 8288); empty where there is none.
std::string next_link(std::string_view header) {
  const size_t rel = header.find("rel=\"next\"");
  if (rel == std::string_view::npos) return {};
  const size_t close = header.rfind('>', rel), open = header.rfind('<', rel);
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  return std::string(header.substr(open + 1, close - open - 1));
}

Result<uint64_t> size_of(const Json& entry) {
  OWLET_ASSIGN(const int64_t size, get_int(entry, "size"));
  if (size < 0 || size > kMaxFileBytes) return corrupt("a size of {} bytes", size);
  return static_cast<uint64_t>(size);
}

Result<HubFile> read_entry(const Json& entry) {
  HubFile file;
  OWLET_ASSIGN(file.path, get_string(entry, "path"));
  OWLET_TRY(check_hub_path(file.path));
  OWLET_ASSIGN(file.size, size_of(entry));
  if (entry.contains("lfs") && entry["lfs"].is_object()) {
    const Json& lfs = entry["lfs"];
    if (lfs.contains("size")) {
      OWLET_ASSIGN(file.size, size_of(lfs));
    }
    OWLET_ASSIGN(std::string oid, get_string(lfs, "oid"));
    constexpr std::string_view kPrefix = "sha256:";
    if (oid.starts_with(kPrefix)) oid.erase(0, kPrefix.size());
    file.sha256 = as_sha256(oid);
    if (file.sha256.empty()) return corrupt("'{}' has no SHA-256 for an id", file.path);
  }
  return file;
}

// Adds a page of the listing.
Status read_page(const std::string& text, std::vector<HubFile>& files) {
  OWLET_ASSIGN(const Json json, parse_json(text));
  if (!json.is_array()) return corrupt("not a list of files");
  for (const Json& entry : json) {
    OWLET_ASSIGN(const std::string type, get_string(entry, "type"));
    if (type != "file") continue;
    OWLET_ASSIGN(HubFile file, read_entry(entry));
    files.push_back(std::move(file));
    if (files.size() > kMaxFiles) return make_error(ErrorCode::kTooLarge, "more than {} files", kMaxFiles);
  }
  return {};
}

Status check_unique(const std::vector<HubFile>& files) {
  std::set<std::string_view> seen;
  for (const HubFile& file : files) {
    if (!seen.insert(file.path).second) return corrupt("'{}' stands twice in the listing", file.path);
  }
  return {};
}

}  // namespace

bool Retries::again(const Error& error, std::string_view retry_after) {
  if (error.code != ErrorCode::kIo || ++failures_ >= options_.attempts) return false;
  double seconds = std::min(kLongestPause, std::chrono::duration<double>(options_.first_pause).count() * (1 << std::min(failures_ - 1, 16)));
  int asked = 0;
  if (std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), asked).ec == std::errc()) {
    seconds = std::clamp<double>(asked, seconds, 2 * kLongestPause);
  }
  constexpr double kLook = 0.05;
  for (; seconds > 0; seconds -= kLook) {
    if (options_.cancelled != nullptr && options_.cancelled->load()) return false;
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(seconds, kLook)));
  }
  return true;
}

Status check_repository_name(std::string_view name) {
  const auto good = [](std::string_view part) {
    const bool plain = std::all_of(part.begin(), part.end(), [](unsigned char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    });
    return !part.empty() && part.size() <= 96 && part.front() != '.' && part.front() != '-' && plain;
  };
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos && good(name.substr(0, slash)) && good(name.substr(slash + 1))) return {};
  return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is not the name of a repository", printable_line(name, 200)),
               "it reads ORG/NAME, as in HuggingFaceTB/SmolLM2-135M-Instruct"};
}

Status check_hub_path(std::string_view path) {
  const auto bad = [&](const char* why) {
    return corrupt("the hub lists a file named '{}': {}", printable_line(path, 200), why);
  };
  if (path.empty() || path.size() > 1024) return bad("no sane length");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return bad("it has a control character or a backslash");
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return bad("it could lead out of its folder");
    if (part.size() > 200) return bad("no sane length");
    begin = end + 1;
  }
  return {};
}

Result<Hub> Hub::open(HubOptions options) {
  while (options.base.ends_with('/')) options.base.pop_back();
  // A header's value: what is not a visible character could begin another header.
  if (!std::all_of(options.token.begin(), options.token.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    return Error{ErrorCode::kInvalidArgument, "the hub's token has characters that no token has", "copy it again, alone on its line"};
  }
  Hub hub;
  auto base = parse_url(options.base);
  if (!base.ok()) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("the hub's address: {}", base.error().message),
                 "it begins with https:// or http://, as in https://huggingface.co"};
  }
  hub.base_ = std::move(base).value();
  hub.scopes_ = scopes_of_host(hub.base_.host);
  hub.options_ = std::move(options);
  return hub;
}

HttpOptions Hub::http_options() const {
  return {.scopes = scopes_, .connect_seconds = options_.connect_seconds, .stall_seconds = options_.stall_seconds,
          .trusted_file = options_.trusted_file, .cancelled = options_.cancelled};
}

Result<HttpReply> Hub::follow(HttpClient& client, Url url, std::optional<ByteRange> range, const FileSink& sink) const {
  std::string sha256;
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    const bool at_home = url.origin == base_.origin;
    const auto look = [&](const HttpReply& reply) {
      if (at_home && sha256.empty()) sha256 = as_sha256(std::string(reply.header("x-linked-etag")));
    };
    const auto pass_on = [&](const HttpReply& reply, std::span<const std::byte> bytes) {
      look(reply);
      return sink(reply, sha256, bytes);
    };
    OWLET_ASSIGN(HttpReply reply, client.get({.url = url, .token = at_home ? options_.token : "", .range = range}, pass_on));
    if (!is_redirect(reply.status)) return reply;
    look(reply);
    auto next = resolve_url(url, std::string(reply.header("location")));
    if (!next.ok()) return std::move(next).error().in(fmt::format("{} redirects", url.host));
    if (url.scheme == "https" && next->scheme != "https") {
      return make_error(ErrorCode::kInvalidArgument, "{} redirects to {} without encryption", url.host, next->host);
    }
    url = std::move(next).value();
  }
  return make_error(ErrorCode::kUnsupported, "{} redirects more than {} times", base_.host, kMaxRedirects);
}

Result<HttpReply> Hub::get_file(HttpClient& client, const HubRepository& repository, const std::string& path,
                                std::optional<ByteRange> range, const FileSink& sink) const {
  OWLET_ASSIGN(Url url, parse_url(fmt::format("{}/{}/resolve/{}/{}", options_.base, repository.name, escape_url(repository.revision),
                                              escape_url(path, "/"))));
  return follow(client, std::move(url), range, sink);
}

Error Hub::error_of(const HttpReply& reply, const std::string& what) const {
  const std::string reason = reason_of(reply);
  const std::string_view code = reply.header("x-error-code");
  const std::string said = reason.empty() ? std::string() : fmt::format(" ({})", reason);
  if (code == "GatedRepo") {
    return {ErrorCode::kNotFound, fmt::format("{} is gated{}", what, said),
            "ask for access on its page on the hub, then give a token of yours: --token-file, OWLET_HUB_TOKEN or HF_TOKEN"};
  }
  switch (reply.status) {
    case 401:
      return {ErrorCode::kNotFound, fmt::format("{}: {} does not say whether it exists: 401{}", what, base_.host, said),
              options_.token.empty() ? "check the name; for a private or gated one give a token: --token-file, OWLET_HUB_TOKEN or HF_TOKEN"
                                     : "check the name; the hub does not accept this token"};
    case 403:
      return {ErrorCode::kNotFound, fmt::format("{}: {} refuses access: 403{}", what, base_.host, said),
              "the token's owner needs the right to read it"};
    case 404:
      return {ErrorCode::kNotFound, fmt::format("{} is not on {}{}", what, base_.host, said), "check the name, and --revision where you gave one"};
    case 408:
    case 425:
    case 429:
      return {ErrorCode::kIo, fmt::format("{} asks to slow down: {}{}", base_.host, reply.status, said), "try again later"};
    default:
      return {reply.status >= 500 ? ErrorCode::kIo : ErrorCode::kUnsupported,
              fmt::format("{}: {} answers {}{}", what, base_.host, reply.status, said), reply.status >= 500 ? "try again later" : ""};
  }
}

Result<HttpReply> Hub::get_page(HttpClient& client, const Url& url, const std::string& what, std::string& body) const {
  Retries retries(options_);
  for (;;) {
    body.clear();
    bool too_long = false;
    auto got = follow(client, url, std::nullopt, [&](const HttpReply&, const std::string&, std::span<const std::byte> bytes) {
      too_long = body.size() + bytes.size() > kMaxPageBytes;
      if (!too_long) body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return !too_long;
    });
    if (too_long) return make_error(ErrorCode::kTooLarge, "{}: a listing of more than {} MB", what, kMaxPageBytes >> 20);
    if (got.ok() && got->ok()) return got;
    const Error error = got.ok() ? error_of(*got, what) : got.error();
    if (!retries.again(error, got.ok() ? got->header("retry-after") : "")) return error;
  }
}

Result<std::vector<HubFile>> Hub::list(const HubRepository& repository) const {
  OWLET_TRY(check_repository_name(repository.name));
  HttpClient client(http_options());
  std::vector<HubFile> files;
  std::string text = fmt::format("{}/api/models/{}/tree/{}?recursive=true", options_.base, repository.name, escape_url(repository.revision));
  OWLET_ASSIGN(Url url, parse_url(text));
  for (int page = 0; page < kMaxPages; ++page) {
    OWLET_ASSIGN(const HttpReply reply, get_page(client, url, repository.name, text));
    if (Status status = read_page(text, files); !status.ok()) return std::move(status).error().in("the hub's listing of " + repository.name);
    const std::string next = next_link(reply.header("link"));
    if (next.empty()) {
      OWLET_TRY(check_unique(files));
      return files;
    }
    OWLET_ASSIGN(url, resolve_url(url, next));
    if (url.origin != base_.origin) return corrupt("the listing of {} goes on at another host", repository.name);
  }
  return make_error(ErrorCode::kTooLarge, "the listing of {} has more than {} pages", repository.name, kMaxPages);
}

}  // namespace owlet
