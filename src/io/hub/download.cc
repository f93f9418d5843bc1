#include "io/hub/download.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/file.h"
#include "io/hub/partial_file.h"
#include "io/hub/sha256.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxPiecesOfFile = 128;
constexpr uint64_t kWorthwhileBytes = 64 << 10;  // an attempt that brings as much was not in vain
constexpr auto kLook = std::chrono::milliseconds(100);
constexpr auto kSave = std::chrono::seconds(1);

// "bytes 0-99/1000": the range and the whole size; nothing where it is not of that form.
std::optional<std::pair<ByteRange, uint64_t>> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  uint64_t numbers[3];
  if (!text.starts_with(kUnit)) return {};
  const char *at = text.data() + kUnit.size(), *end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc()) return {};
    if (i < 2 && (next == end || *next != "-/"[i])) return {};
    at = i < 2 ? next + 1 : next;
  }
  if (at != end || numbers[0] > numbers[1] || numbers[1] >= numbers[2]) return {};
  return std::pair(ByteRange{numbers[0], numbers[1] + 1}, numbers[2]);
}

// What tells versions of a file apart: its SHA-256, else "etag " and an ETag that is not a weak one.
std::string version_of(const HttpReply& reply, const std::string& sha256) {
  if (!sha256.empty()) return sha256;
  const std::string_view tag = reply.header("etag");
  return tag.empty() || tag.starts_with("W/") ? std::string() : fmt::format("etag {}", tag.substr(0, 256));
}

// All pieces of one file, by several threads.
class Transfer {
 public:
  Transfer(const Hub& hub, const HubRepository& repository, const HubFile& file, PartialFile& part, const DownloadOptions& options)
      : hub_(hub), patience_(hub.options()), repository_(repository), file_(file), part_(part), options_(options) {
    patience_.cancelled = &stop_;
  }
  Status run();

 private:
  enum class Ranges { kUnknown, kYes, kNo };  // whether the server knows them

  // One reply as it comes in.
  struct Attempt {
    size_t piece = 0;
    ByteRange range;      // that is still wanted
    bool begun = false;
    Status status = {};   // why it was broken off
    bool final = false;   // another attempt would end the same way
    uint64_t received = 0;
  };

  void work(bool first);
  bool wait_for_ranges();
  std::optional<size_t> claim();
  Status fetch(HttpClient& client, size_t piece);
  Status fetch_once(HttpClient& client, Attempt& attempt, std::string& retry_after);
  bool take(Attempt& attempt, const HttpReply& reply, const std::string& sha256, std::span<const std::byte> bytes);
  Status begin(Attempt& attempt, const HttpReply& reply, const std::string& sha256);
  Status check_version(const HttpReply& reply, const std::string& sha256);
  void settle(Ranges ranges);
  void fail(Status status);

  const Hub& hub_;
  HubOptions patience_;
  const HubRepository& repository_;
  const HubFile& file_;
  PartialFile& part_;
  const DownloadOptions& options_;
  std::atomic<bool> stop_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<Ranges> ranges_{Ranges::kUnknown};
  size_t next_ = 0;  // piece that nobody has looked at
  int working_ = 0;
  Status failure_;
};

Status Transfer::run() {
  const ReceivedPieces pieces = part_.pieces();
  const auto wanted = static_cast<int>(std::min<size_t>(pieces.received.size(), 64));
  std::vector<std::thread> threads;
  working_ = std::clamp(options_.connections, 1, std::max(1, wanted));
  for (int i = 0, n = working_; i < n; ++i) threads.emplace_back([this, i] { work(i == 0); });
  auto saved = std::chrono::steady_clock::now();
  Status disk;
  for (bool busy = true; busy;) {
    {
      std::unique_lock lock(mutex_);
      busy = !changed_.wait_for(lock, kLook, [this] { return working_ == 0; });
    }
    const std::atomic<bool>* cancelled = hub_.options().cancelled;
    if (cancelled != nullptr && cancelled->load()) fail(Error{ErrorCode::kCancelled, "stopped", {}});
    if (options_.on_progress) options_.on_progress(part_.pieces().total());
    if (!busy || std::chrono::steady_clock::now() - saved > kSave) {
      saved = std::chrono::steady_clock::now();
      if (disk = part_.save_state(); !disk.ok()) fail(disk);
    }
  }
  for (std::thread& thread : threads) thread.join();
  return failure_;
}

void Transfer::fail(Status status) {
  const std::lock_guard lock(mutex_);
  if (failure_.ok()) failure_ = std::move(status);
  stop_ = true;
  changed_.notify_all();
}

void Transfer::settle(Ranges ranges) {
  const std::lock_guard lock(mutex_);
  ranges_ = ranges;
  changed_.notify_all();
}

bool Transfer::wait_for_ranges() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ranges_ != Ranges::kUnknown || stop_; });
  return ranges_ == Ranges::kYes && !stop_;
}

std::optional<size_t> Transfer::claim() {
  const ReceivedPieces pieces = part_.pieces();
  const std::lock_guard lock(mutex_);
  while (next_ < pieces.received.size() && pieces.complete(next_)) ++next_;
  return next_ < pieces.received.size() ? std::optional(next_++) : std::nullopt;
}

// The first one finds out whether there is work for the others.
void Transfer::work(bool first) {
  HttpOptions http = hub_.http_options();
  http.cancelled = &stop_;
  HttpClient client(std::move(http));
  if (first || wait_for_ranges()) {
    while (!stop_) {
      const std::optional<size_t> piece = claim();
      if (!piece) break;
      if (Status status = fetch(client, *piece); !status.ok()) fail(std::move(status));
      if (ranges_ == Ranges::kNo) break;  // it was the whole file
    }
  }
  if (first && ranges_ == Ranges::kUnknown) settle(Ranges::kYes);  // nothing was asked for by ranges: nobody waits on
  const std::lock_guard lock(mutex_);
  --working_;
  changed_.notify_all();
}

Status Transfer::fetch(HttpClient& client, size_t piece) {
  Retries retries(patience_);
  for (uint64_t farthest = 0;;) {
    Attempt attempt{.piece = piece, .range = {}};
    std::string retry_after;
    const Status status = fetch_once(client, attempt, retry_after);
    piece = attempt.piece;
    if (status.ok() || attempt.final) return status;
    const uint64_t reached = attempt.range.begin + attempt.received;
    if (reached >= farthest + kWorthwhileBytes) {
      farthest = reached;
      retries.reset();
    }
    if (!retries.again(status.error(), retry_after)) return status;
  }
}

Status Transfer::fetch_once(HttpClient& client, Attempt& attempt, std::string& retry_after) {
  const ReceivedPieces pieces = part_.pieces();
  attempt.range = {pieces.begin(attempt.piece) + pieces.received[attempt.piece], pieces.end(attempt.piece)};
  const bool whole = attempt.range.begin == 0 && attempt.range.end == file_.size;
  auto reply = hub_.get_file(client, repository_, file_.path, whole ? std::nullopt : std::optional(attempt.range),
                             [&](const HttpReply& r, const std::string& sha256, std::span<const std::byte> bytes) {
                               return take(attempt, r, sha256, bytes);
                             });
  if (!attempt.status.ok()) return attempt.status;
  if (!reply.ok()) return std::move(reply).error();
  if (reply->status == 416) return corrupt("{} is shorter than the hub lists it", file_.path);
  if (!reply->ok()) {
    retry_after = reply->header("retry-after");
    return hub_.error_of(*reply, fmt::format("{} of {}", file_.path, repository_.name));
  }
  if (attempt.received < attempt.range.end - attempt.range.begin) {
    return make_error(ErrorCode::kIo, "{} ended after {} of {} bytes", file_.path, attempt.range.begin + attempt.received, file_.size);
  }
  return {};
}

bool Transfer::take(Attempt& attempt, const HttpReply& reply, const std::string& sha256, std::span<const std::byte> bytes) {
  if (!attempt.begun) {
    attempt.status = begin(attempt, reply, sha256);
    attempt.begun = true;
  }
  if (!attempt.status.ok()) return false;
  if (bytes.size() > attempt.range.end - attempt.range.begin - attempt.received) {
    attempt.status = corrupt("{}: the hub sends more than the {} bytes that it announced", file_.path, file_.size);
    return false;
  }
  attempt.status = part_.append(attempt.piece, bytes);
  attempt.final = !attempt.status.ok();
  attempt.received += bytes.size();
  return attempt.status.ok();
}

// Whether a reply is what was asked for.
Status Transfer::begin(Attempt& attempt, const HttpReply& reply, const std::string& sha256) {
  OWLET_TRY(check_version(reply, sha256));
  const bool asked = attempt.range.begin != 0 || attempt.range.end != file_.size;
  if (reply.status == 200 && asked) {
    if (ranges_ == Ranges::kYes) return make_error(ErrorCode::kIo, "{}: the hub forgot how to send a part of it", file_.path);
    part_.begin_anew_in_one_piece();
    settle(Ranges::kNo);
    attempt.piece = 0;
    attempt.range = {0, file_.size};
    return {};
  }
  if (reply.status == 200) return {};
  const auto content_range = parse_content_range(reply.header("content-range"));
  if (reply.status != 206 || !asked || !content_range) {
    return make_error(ErrorCode::kUnsupported, "{}: the hub answers {} without saying which part it sends", file_.path, reply.status);
  }
  if (content_range->second != file_.size) {
    return corrupt("{}: the hub lists {} bytes and sends {}", file_.path, file_.size, content_range->second);
  }
  if (content_range->first.begin != attempt.range.begin || content_range->first.end > attempt.range.end) {
    return make_error(ErrorCode::kIo, "{}: the hub sends another part than it was asked for", file_.path);
  }
  settle(Ranges::kYes);
  return {};
}

// Parts of two versions never come together.
Status Transfer::check_version(const HttpReply& reply, const std::string& sha256) {
  const std::string known = part_.pieces().version;
  const std::string version = version_of(reply, file_.sha256.empty() || !sha256.empty() ? sha256 : file_.sha256);
  if (known.empty()) part_.set_version(version);
  if (known.empty() || known == version) return {};
  return corrupt("{} has changed on the hub", file_.path);
}

// A complete file against the SHA-256 of the listing, or the one that came with it.
Status check_digest(const HubFile& file, const PartialFile& part, const std::atomic<bool>* cancelled) {
  const std::string expected = file.sha256.empty() ? as_sha256(part.pieces().version) : file.sha256;
  if (expected.empty()) return {};
  OWLET_ASSIGN(const std::string sha256, sha256_of_file(part.path(), cancelled));
  if (sha256 == expected) return {};
  return Error{ErrorCode::kCorrupt, fmt::format("{} came with the SHA-256 {}, not {}", file.path, sha256, expected),
               "it is damaged on the hub or on the way: try later, or another hub"};
}

}  // namespace

uint64_t bytes_kept(const HubFile& file, const fs::path& to) {
  const auto pieces = read_pieces(to);
  if (!pieces.ok() || pieces->size != file.size || pieces->version.empty()) return 0;
  return file.sha256.empty() || file.sha256 == pieces->version ? pieces->total() : 0;
}

Result<bool> is_same_file(const HubFile& file, const fs::path& path, const std::atomic<bool>* cancelled) {
  std::error_code code;
  if (!fs::is_regular_file(path, code) || fs::file_size(path, code) != file.size) return false;
  if (file.size == 0) return true;
  if (file.sha256.empty()) return false;
  OWLET_ASSIGN(const std::string sha256, sha256_of_file(path, cancelled));
  return sha256 == file.sha256;
}

Status check_space(const fs::path& path, uint64_t bytes) {
  fs::path folder = fs::absolute(path);
  std::error_code code;
  while (!fs::is_directory(folder, code) && folder != folder.root_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, code);
  if (code || bytes <= space.available) return {};
  return Error{ErrorCode::kTooLarge,
               fmt::format("{:.2f} GB are to come, and {} has {:.2f} GB left", static_cast<double>(bytes) / 1e9, folder.string(),
                           static_cast<double>(space.available) / 1e9),
               "make room, choose a smaller form, or keep models elsewhere: OWLET_HOME"};
}

Status download(const Hub& hub, const HubRepository& repository, const HubFile& file, const fs::path& to, const DownloadOptions& options) {
  std::error_code code;
  fs::create_directories(to.parent_path(), code);
  if (code) return make_error(ErrorCode::kIo, "cannot create {}: {}", to.parent_path().string(), code.message());
  if (file.size == 0) return write_file(to, "");
  const uint64_t piece_bytes = std::max(options.piece_bytes, file.size / kMaxPiecesOfFile + 1);
  for (int tries = 0;; ++tries) {
    OWLET_ASSIGN(const auto part, PartialFile::open(to, file.size, file.sha256, piece_bytes));
    Status status = Transfer(hub, repository, file, *part, options).run();
    if (status.ok()) status = check_digest(file, *part, hub.options().cancelled);
    if (status.ok()) return part->commit();
    if (status.error().code != ErrorCode::kCorrupt) return status;
    part->drop();
    if (tries == 1) return status;
    if (options.on_note) options.on_note(fmt::format("{}; dropped, and asked for again", status.error().message));
  }
}

}  // namespace owlet
