// Files: read whole, mapped, read line by line (zstd too), and written so that nothing is ever half there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/descriptor.h"
#include "core/result.h"

namespace owlet {

// A file mapped read-only. Shared, so that tensors can keep it alive.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  // Of an open file, which stays its caller's; `path` is for errors.
  static Result<std::shared_ptr<const MappedFile>> map(int fd, const std::filesystem::path& path);
  // A file's bytes that are in memory already, allocated by malloc(); they are freed in the end.
  static std::shared_ptr<const MappedFile> adopt(void* bytes, size_t size);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool is_mapped_ = true;
};

// The whole file; refuses more than max_bytes.
Result<std::string> read_file(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{1} << 30);

// Writes to "path.tmp", flushes to the device, then renames over `path`: readers see the old file or the new one.
Status write_file(const std::filesystem::path& path, std::string_view bytes);

// The same for content that is made in pieces. Nothing appears under `path` unless commit() returned ok.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // removes the temporary file when not committed
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view bytes) { return write(std::as_bytes(std::span(bytes.data(), bytes.size()))); }
  Status commit();
  uint64_t size() const { return size_; }

 private:
  AtomicFile(std::filesystem::path path, int fd);
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// A file without a name, among the system's temporary ones ($TMPDIR): written once, then mapped. It is gone with its last reader, whatever
// becomes of the process.
class ScratchFile {
 public:
  static Result<ScratchFile> create();
  Status write(std::span<const std::byte> bytes);
  Result<std::shared_ptr<const MappedFile>> map() const { return MappedFile::map(file_.get(), folder_); }

 private:
  ScratchFile(std::filesystem::path folder, Descriptor file) : folder_(std::move(folder)), file_(std::move(file)) {}
  std::filesystem::path folder_;
  Descriptor file_;
};

// Flushes a folder's entries to the device, so that a rename inside it survives a power cut.
Status sync_directory(const std::filesystem::path& dir);

// Reads a text file line by line in constant memory; "*.zst" is decompressed on the way.
class LineReader {
 public:
  static Result<LineReader> open(const std::filesystem::path& path);
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;
  ~LineReader();
  // The next line without its newline in `line`; false at the end. Lines beyond 256 MB are an error.
  Result<bool> next(std::string& line);

 private:
  struct State;
  explicit LineReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace owlet
