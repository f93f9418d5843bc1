// A file of a hub, fetched so that nothing is lost when it breaks off. While it is incomplete it lies beside its place under two names:
//   PATH.part         as long as the whole file, filled piece by piece
//   PATH.part.state   {"size", "version", "piece_bytes", "received": [bytes of each piece from its start, …]}, written every second
// Several connections fetch a piece each; a server that knows no ranges is read through from the start. The whole is checked by its SHA-256
// (a file that differs is dropped and asked for once more), flushed, and renamed.
#pragma once

#include <filesystem>

#include "io/hub/hub.h"

namespace owlet {

struct DownloadOptions {
  int connections = 4;
  uint64_t piece_bytes = 16 << 20;  // at least; a file has at most 128 pieces
  // Called about ten times a second on the caller's thread with the bytes that are there, those of earlier runs included.
  std::function<void(uint64_t received)> on_progress = {};
  std::function<void(const std::string& what)> on_note = {};  // what happened that people may want to know
};

// Bytes of `file` that an earlier run left under PATH.part.
uint64_t bytes_kept(const HubFile& file, const std::filesystem::path& to);

// Whether what lies at `path` is `file`, as far as the hub lets us tell: its size, and its SHA-256 where it gives one. Without one
// only an empty file can be told.
Result<bool> is_same_file(const HubFile& file, const std::filesystem::path& path, const std::atomic<bool>* cancelled = nullptr);

// Fetches to `to`, whose folder is made. Errors: those of the hub; kCorrupt where the bytes differ from their SHA-256 twice; kTooLarge
// where the disk is full. What was received is kept for another call, but for kCorrupt.
Status download(const Hub& hub, const HubRepository& repository, const HubFile& file, const std::filesystem::path& to,
                const DownloadOptions& options = {});

// Enough room for `bytes` more in the nearest folder above `path` that exists; the error names both numbers.
Status check_space(const std::filesystem::path& path, uint64_t bytes);

}  // namespace owlet
