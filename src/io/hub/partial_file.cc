#include "io/hub/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include "core/file.h"
#include "core/json.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxStateBytes = 1 << 20;
constexpr uint64_t kMaxPieces = 4096;

fs::path part_of(const fs::path& to) { return to.string() + ".part"; }
fs::path state_of(const fs::path& to) { return to.string() + ".part.state"; }

Error disk_error(const char* what, const fs::path& path) {
  const int code = errno;
  if (code == ENOSPC || code == EDQUOT) {
    return Error{ErrorCode::kTooLarge, fmt::format("the disk is full: {}", path.string()), "make room and ask again: what came is kept"};
  }
  return make_error(ErrorCode::kIo, "cannot {} {}: {}", what, path.string(), std::strerror(code));
}

Result<uint64_t> get_size(const Json& json, const char* key) {
  OWLET_ASSIGN(const int64_t value, get_int(json, key));
  if (value < 0) return corrupt("'{}' is negative", key);
  return static_cast<uint64_t>(value);
}

Result<ReceivedPieces> parse_pieces(const Json& json) {
  OWLET_ASSIGN(const uint64_t size, get_size(json, "size"));
  OWLET_ASSIGN(const uint64_t piece_bytes, get_size(json, "piece_bytes"));
  OWLET_ASSIGN(std::string version, get_string(json, "version"));
  if (size == 0 || piece_bytes == 0 || piece_bytes > size || (size - 1) / piece_bytes >= kMaxPieces || !json.contains("received")) {
    return corrupt("sizes that make no sense");
  }
  ReceivedPieces pieces(size, piece_bytes, std::move(version));
  const Json& received = json["received"];
  if (!received.is_array() || received.size() != pieces.received.size()) return corrupt("another number of pieces");
  for (size_t i = 0; i < pieces.received.size(); ++i) {
    if (!received[i].is_number_unsigned() || received[i].get<uint64_t>() > pieces.end(i) - pieces.begin(i)) {
      return corrupt("more was received than there is");
    }
    pieces.received[i] = received[i].get<uint64_t>();
  }
  return pieces;
}

}  // namespace

ReceivedPieces::ReceivedPieces(uint64_t file_size, uint64_t bytes_each, std::string file_version)
    : size(file_size), piece_bytes(bytes_each), version(std::move(file_version)), received((file_size + bytes_each - 1) / bytes_each, 0) {}

uint64_t ReceivedPieces::total() const { return std::accumulate(received.begin(), received.end(), uint64_t{0}); }

Result<ReceivedPieces> read_pieces(const fs::path& to) {
  OWLET_ASSIGN(const std::string text, read_file(state_of(to), kMaxStateBytes));
  OWLET_ASSIGN(const Json json, parse_json(text));
  OWLET_ASSIGN(ReceivedPieces pieces, parse_pieces(json));
  std::error_code code;
  if (fs::file_size(part_of(to), code) != pieces.size || code) return corrupt("another file");
  return pieces;
}

PartialFile::PartialFile(fs::path to, int fd, ReceivedPieces pieces)
    : to_(std::move(to)), part_(part_of(to_)), state_(state_of(to_)), fd_(fd), pieces_(std::move(pieces)) {}

PartialFile::~PartialFile() { ::close(fd_); }

Result<std::unique_ptr<PartialFile>> PartialFile::open(fs::path to, uint64_t size, std::string version, uint64_t piece_bytes) {
  const fs::path part = part_of(to);
  const int fd = ::open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return disk_error("create", part);
  std::unique_ptr<PartialFile> file(new PartialFile(std::move(to), fd, ReceivedPieces(size, std::min(piece_bytes, size), std::move(version))));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} is being fetched already", file->to_.string()), "wait for the other one, or stop it"};
  }
  if (auto kept = read_pieces(file->to_); kept.ok() && kept->size == size && !kept->version.empty() &&
                                          (file->pieces_.version.empty() || file->pieces_.version == kept->version)) {
    file->pieces_ = std::move(kept).value();
    return file;
  }
  if (::ftruncate(fd, 0) == 0 && ::ftruncate(fd, static_cast<off_t>(size)) == 0) return file;
  Error error = disk_error("enlarge", part);
  file->drop();
  return error;
}

ReceivedPieces PartialFile::pieces() const {
  const std::lock_guard lock(mutex_);
  return pieces_;
}

Status PartialFile::append(size_t piece, std::span<const std::byte> bytes) {
  uint64_t at = 0;
  {
    const std::lock_guard lock(mutex_);
    at = pieces_.begin(piece) + pieces_.received[piece];
    OWLET_CHECK(bytes.size() <= pieces_.end(piece) - at);
  }
  const size_t n = bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return disk_error("write", part_);
    bytes = bytes.subspan(static_cast<size_t>(written));
    at += static_cast<uint64_t>(written);
  }
  const std::lock_guard lock(mutex_);
  pieces_.received[piece] += n;
  return {};
}

void PartialFile::set_version(const std::string& version) {
  const std::lock_guard lock(mutex_);
  pieces_.version = version;
}

void PartialFile::begin_anew_in_one_piece() {
  const std::lock_guard lock(mutex_);
  pieces_ = ReceivedPieces(pieces_.size, pieces_.size, pieces_.version);
}

Status PartialFile::save_state() const {
  const ReceivedPieces now = pieces();
  const Json json = {{"size", now.size}, {"version", now.version}, {"piece_bytes", now.piece_bytes}, {"received", now.received}};
  return write_file(state_, dump_json(json) + "\n");
}

Status PartialFile::commit() {
  if (::fsync(fd_) != 0) return disk_error("flush", part_);
  if (::rename(part_.c_str(), to_.c_str()) != 0) return disk_error("rename to", to_);
  ::unlink(state_.c_str());
  return sync_directory(to_.parent_path());
}

void PartialFile::drop() {
  ::unlink(state_.c_str());
  ::unlink(part_.c_str());
}

}  // namespace owlet
