#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "core/descriptor.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

// All of the bytes, however many calls it takes; false, with errno set, where one of them fails.
bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

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
  return map(fd.get(), path);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::map(int fd, const fs::path& path) {
  OWLET_ASSIGN(const uint64_t size, regular_file_size(fd, path));
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->size_ = size;
  if (size > 0) {
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED) return os_error("map", path);
    file->data_ = static_cast<const std::byte*>(memory);
  }
  return std::shared_ptr<const MappedFile>(std::move(file));
}

std::shared_ptr<const MappedFile> MappedFile::adopt(void* bytes, size_t size) {
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->data_ = static_cast<const std::byte*>(bytes);
  file->size_ = size;
  file->is_mapped_ = false;
  return file;
}

MappedFile::~MappedFile() {
  void* bytes = const_cast<std::byte*>(data_);
  if (!is_mapped_) {
    std::free(bytes);
  } else if (bytes) {
    ::munmap(bytes, size_);
  }
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
  if (!write_all(fd_, bytes)) return os_error("write", path_);
  size_ += bytes.size();
  return {};
}

Status AtomicFile::commit() {
  const std::string temporary = path_.string() + ".tmp";
  if (::fsync(fd_) != 0) return os_error("flush", path_);
  if (::close(std::exchange(fd_, -1)) != 0) return os_error("close", path_);
  if (::rename(temporary.c_str(), path_.c_str()) != 0) return os_error("rename to", path_);
  return sync_directory(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

Result<ScratchFile> ScratchFile::create() {
  std::error_code code;
  const fs::path folder = fs::temp_directory_path(code);
  if (code) return Error{ErrorCode::kIo, fmt::format("there is no folder for temporary files: {}", code.message()), "set TMPDIR to one"};
  std::string name = (folder / "owlet-XXXXXX").string();
  Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0) return os_error("create a temporary file in", folder);
  ::unlink(name.c_str());
  return ScratchFile(folder, std::move(file));
}

Status ScratchFile::write(std::span<const std::byte> bytes) {
  if (write_all(file_.get(), bytes)) return {};
  Error error = os_error("write a temporary file in", folder_);
  error.hint = "set TMPDIR to a folder with more room";
  return error;
}

Status sync_directory(const fs::path& dir) {
  Descriptor fd(::open(dir.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open", dir);
  // Some file systems cannot flush a folder; they have said so (EINVAL) and there is nothing more to do.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return os_error("flush", dir);
  return {};
}

}  // namespace owlet
