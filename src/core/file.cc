#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace owlet {
namespace fs = std::filesystem;
namespace {

Error os_error(const char* what, const fs::path& path) {
  const int code = errno;
  return make_error(code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "cannot {} {}: {}", what, path.string(),
                    std::strerror(code));
}

// Closes on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { if (fd_ >= 0) ::close(fd_); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<uint64_t> regular_file_size(int fd, const fs::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return os_error("read", path);
  if (!S_ISREG(info.st_mode)) return make_error(ErrorCode::kInvalidArgument, "{} is not a file", path.string());
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const fs::path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open", path);
  OWLET_ASSIGN(const uint64_t size, regular_file_size(fd.get(), path));
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->size_ = size;
  if (size > 0) {
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) return os_error("map", path);
    file->data_ = static_cast<const std::byte*>(memory);
  }
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<std::string> read_file(const fs::path& path, uint64_t max_bytes) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open", path);
  OWLET_ASSIGN(const uint64_t size, regular_file_size(fd.get(), path));
  if (size > max_bytes) {
    return make_error(ErrorCode::kTooLarge, "{} has {} bytes; at most {} are read", path.string(), size, max_bytes);
  }
  std::string text(size, '\0');
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::read(fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("read", path);
    if (n == 0) return make_error(ErrorCode::kIo, "{} grew shorter while it was read", path.string());
    done += static_cast<size_t>(n);
  }
  return text;
}

Status write_file(const fs::path& path, std::string_view bytes) {
  OWLET_ASSIGN(AtomicFile file, AtomicFile::create(path));
  OWLET_TRY(file.write(bytes));
  return file.commit();
}

AtomicFile::AtomicFile(fs::path path, int fd) : path_(std::move(path)), fd_(fd) {}
AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

Result<AtomicFile> AtomicFile::create(const fs::path& path) {
  const std::string temporary = path.string() + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return os_error("create", temporary);
  return AtomicFile(path, fd);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink((path_.string() + ".tmp").c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("write", path_);
    bytes = bytes.subspan(static_cast<size_t>(n));
    size_ += static_cast<uint64_t>(n);
  }
  return {};
}

Status AtomicFile::commit() {
  const std::string temporary = path_.string() + ".tmp";
  if (::fsync(fd_) != 0) return os_error("flush", path_);
  if (::close(std::exchange(fd_, -1)) != 0) return os_error("close", path_);
  if (::rename(temporary.c_str(), path_.c_str()) != 0) return os_error("rename to", path_);
  return sync_directory(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

Status sync_directory(const fs::path& dir) {
  Descriptor fd(::open(dir.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open", dir);
  // Some file systems cannot flush a folder; they have said so (EINVAL) and there is nothing more to do.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return os_error("flush", dir);
  return {};
}

struct LineReader::State {
  State(fs::path p, int descriptor) : path(std::move(p)), fd(descriptor) {}
  ~State() { ZSTD_freeDStream(zstd); }

  // Appends the next piece of plain text to `text`; false at the end of the file.
  Result<bool> fill() {
    if (begin > 0) text.erase(0, std::exchange(begin, 0));
    for (;;) {
      if (in.pos == in.size) {
        const ssize_t n = ::read(fd.get(), raw.data(), raw.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path);
        if (n == 0 && zstd && frame_open) return make_error(ErrorCode::kCorrupt, "{} ends too early", path.string());
        if (n == 0) return false;
        in = {raw.data(), static_cast<size_t>(n), 0};
      }
      if (!zstd) {
        text.append(static_cast<const char*>(in.src), in.size);
        in.pos = in.size;
        return true;
      }
      ZSTD_outBuffer out = {plain.data(), plain.size(), 0};
      const size_t left = ZSTD_decompressStream(zstd, &out, &in);
      if (ZSTD_isError(left)) {
        return make_error(ErrorCode::kCorrupt, "{}: {}", path.string(), ZSTD_getErrorName(left));
      }
      frame_open = left != 0;
      if (out.pos > 0) {
        text.append(plain.data(), out.pos);
        return true;
      }
    }
  }

  fs::path path;
  Descriptor fd;
  ZSTD_DStream* zstd = nullptr;
  bool frame_open = false;
  std::vector<char> raw = std::vector<char>(1 << 17);
  std::vector<char> plain = std::vector<char>(1 << 18);
  ZSTD_inBuffer in = {nullptr, 0, 0};
  std::string text;   // plain text not yet returned, from `begin`
  size_t begin = 0;
};

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Result<LineReader> LineReader::open(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error("open", path);
  auto state = std::make_unique<State>(path, fd);
  if (path.extension() == ".zst") {
    state->zstd = ZSTD_createDStream();
    OWLET_CHECK(state->zstd != nullptr);
  }
  return LineReader(std::move(state));
}

Result<bool> LineReader::next(std::string& line) {
  constexpr size_t kMaxLine = size_t{256} << 20;
  State& s = *state_;
  for (size_t searched = s.begin;;) {
    const size_t newline = s.text.find('\n', searched);
    if (newline != std::string::npos) {
      line.assign(s.text, s.begin, newline - s.begin);
      s.begin = newline + 1;
      return true;
    }
    const size_t pending = s.text.size() - s.begin;
    if (pending > kMaxLine) return make_error(ErrorCode::kTooLarge, "{}: a line of over 256 MB", s.path.string());
    OWLET_ASSIGN(const bool more, s.fill());
    searched = s.begin + pending;
    if (!more) {
      if (pending == 0) return false;
      line.assign(s.text, s.begin);
      s.begin = s.text.size();
      return true;
    }
  }
}

}  // namespace owlet
