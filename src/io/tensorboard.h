// TensorBoard's event files: records of a length, its checksum, a message and its checksum, all little-endian (TFRecord).
//   record  = uint64 length · uint32 crc(length) · bytes · uint32 crc(bytes)      crc: CRC-32C, rotated right by 15, plus 0xa282ead8
//   message = Event {1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary {1: Value {1: tag, …} …}}
//   of a number, Value has 2: float simple_value; of a text 8: Tensor {1: type (7: string), 8: string_val}, 9: Metadata {1: Plugin {1: "text"}}
// The first record names the version, "brain.Event:2".
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "core/result.h"

namespace owlet {

class ProtoMessage;

// CRC-32C (Castagnoli), as iSCSI has it (RFC 3720, appendix B.4).
uint32_t crc32c(std::string_view bytes);

class EventFile {
 public:
  // A new file under `folder`, named after the time (seconds since 1970), as TensorBoard looks for them; it reads all of a folder's.
  static Result<EventFile> create(const std::filesystem::path& folder, double time);

  // Written and flushed at once: whoever watches sees it.
  Status add(double time, int64_t step, std::span<const std::pair<std::string, double>> scalars);
  Status add_text(double time, int64_t step, std::string_view tag, std::string_view text);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  EventFile(std::FILE* file, std::string name) : file_(file), name_(std::move(name)) {}
  Status write_summary(double time, int64_t step, const ProtoMessage& summary);
  Status write(std::string_view message);

  std::unique_ptr<std::FILE, Close> file_;
  std::string name_;
};

}  // namespace owlet
