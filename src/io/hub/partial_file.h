// The incomplete file of a download, and what is known of it: see download.h for its two names.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet {

// What was received of a file cut into pieces of `piece_bytes`, the last one shorter.
struct ReceivedPieces {
  uint64_t size = 0;
  uint64_t piece_bytes = 0;
  std::string version;             // what tells this file from another of its size: a SHA-256, or a server's ETag; empty: unknown
  std::vector<uint64_t> received;  // of each piece, from its start

  ReceivedPieces() = default;
  ReceivedPieces(uint64_t file_size, uint64_t bytes_each, std::string file_version);
  uint64_t begin(size_t piece) const { return piece * piece_bytes; }
  uint64_t end(size_t piece) const { return std::min(size, begin(piece) + piece_bytes); }
  bool complete(size_t piece) const { return received[piece] == end(piece) - begin(piece); }
  uint64_t total() const;
};

// Those of PATH.part.state beside a PATH.part of that size; an error where there are none that make sense.
Result<ReceivedPieces> read_pieces(const std::filesystem::path& to);

// Thread-safe, as long as each piece is written by one thread.
class PartialFile {
 public:
  // Takes up what an earlier run left where its size is `size` and its version `version` (any known one where that is empty); else begins
  // anew. One process at a time: kInvalidArgument for another.
  static Result<std::unique_ptr<PartialFile>> open(std::filesystem::path to, uint64_t size, std::string version, uint64_t piece_bytes);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  ReceivedPieces pieces() const;
  std::filesystem::path path() const { return part_; }
  // The next bytes of a piece, which has room for them. Errors: kTooLarge where the disk is full.
  Status append(size_t piece, std::span<const std::byte> bytes);
  void set_version(const std::string& version);
  // The whole is one piece from now on, of which nothing counts as received.
  void begin_anew_in_one_piece();
  Status save_state() const;
  // Flushed and under its final name.
  Status commit();
  // Both names are gone.
  void drop();

 private:
  PartialFile(std::filesystem::path to, int fd, ReceivedPieces pieces);
  std::filesystem::path to_, part_, state_;
  int fd_;
  mutable std::mutex mutex_;
  ReceivedPieces pieces_;
};

}  // namespace owlet
