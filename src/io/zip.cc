#include "io/zip.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace owlet {
namespace {

constexpr uint64_t kMaxEntries = 1 << 17;
constexpr uint32_t kInZip64 = 0xffffffff;
constexpr size_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kCentralBytes = 46, kLocalBytes = 30;

// Little-endian numbers; the caller has checked the bounds.
struct Bytes {
  std::span<const std::byte> all;
  template <class T>
  T at(uint64_t offset) const {
    T value;
    std::memcpy(&value, all.data() + offset, sizeof value);
    return value;
  }
  bool holds(uint64_t offset, uint64_t n) const { return offset <= all.size() && n <= all.size() - offset; }
  std::string_view text(uint64_t offset, uint64_t n) const { return {reinterpret_cast<const char*>(all.data()) + offset, static_cast<size_t>(n)}; }
};

struct Directory {
  uint64_t n_entries, bytes, offset;
};

Result<Directory> find_directory(Bytes b) {
  if (b.all.size() < kEndBytes) return corrupt("too short for a ZIP archive");
  const uint64_t last = b.all.size() - kEndBytes;
  for (uint64_t back = 0; back <= std::min<uint64_t>(last, 0xffff); ++back) {
    const uint64_t end = last - back;
    if (b.at<uint32_t>(end) != 0x06054b50 || b.at<uint16_t>(end + 20) != back) continue;
    Directory directory{b.at<uint16_t>(end + 10), b.at<uint32_t>(end + 12), b.at<uint32_t>(end + 16)};
    if (end >= kLocatorBytes && b.at<uint32_t>(end - kLocatorBytes) == 0x07064b50) {
      const auto end64 = b.at<uint64_t>(end - kLocatorBytes + 8);
      if (!b.holds(end64, kEnd64Bytes) || b.at<uint32_t>(end64) != 0x06064b50) return corrupt("the ZIP64 end record is not where it should be");
      directory = {b.at<uint64_t>(end64 + 32), b.at<uint64_t>(end64 + 40), b.at<uint64_t>(end64 + 48)};
    }
    if (directory.n_entries > kMaxEntries) return corrupt("{} entries in a ZIP archive", directory.n_entries);
    if (!b.holds(directory.offset, directory.bytes)) return corrupt("the ZIP directory goes past the end of the file");
    return directory;
  }
  return Error{ErrorCode::kCorrupt, "the ZIP archive has no end record", "the file seems cut short: fetch it again"};
}

struct Entry {
  std::string name;
  uint16_t flags = 0, method = 0;
  uint64_t packed = 0, bytes = 0, header = 0;  // header: offset of the local one
  uint64_t data = 0;
};

// Sizes and offset that did not fit into 32 bits stand in the extra field 1, in this order.
Status read_zip64(Bytes b, uint64_t extra, uint64_t extra_end, Entry& entry) {
  while (extra_end - extra >= 4) {
    const auto id = b.at<uint16_t>(extra), size = b.at<uint16_t>(extra + 2);
    extra += 4;
    if (size > extra_end - extra) break;
    uint64_t at = extra;
    for (uint64_t* field : {&entry.bytes, &entry.packed, &entry.header}) {
      if (id != 1 || *field != kInZip64) continue;
      if (extra + size - at < 8) return corrupt("entry '{}': its ZIP64 field is too short", entry.name);
      *field = b.at<uint64_t>(at);
      at += 8;
    }
    extra += size;
  }
  return {};
}

Status check_local(Bytes b, Entry& entry) {
  if (!b.holds(entry.header, kLocalBytes) || b.at<uint32_t>(entry.header) != 0x04034b50) {
    return corrupt("entry '{}' has no local header", entry.name);
  }
  const auto name_bytes = b.at<uint16_t>(entry.header + 26), extra_bytes = b.at<uint16_t>(entry.header + 28);
  entry.data = entry.header + kLocalBytes + name_bytes + extra_bytes;
  if (!b.holds(entry.data, entry.bytes)) return corrupt("entry '{}' goes past the end of the file", entry.name);
  const auto size = b.at<uint32_t>(entry.header + 22);
  const bool size_follows = (entry.flags & 8) != 0;  // in a descriptor behind the data
  if (b.text(entry.header + kLocalBytes, name_bytes) != entry.name || b.at<uint16_t>(entry.header + 8) != entry.method ||
      (!size_follows && size != kInZip64 && size != entry.bytes)) {
    return corrupt("entry '{}': local header and directory disagree", entry.name);
  }
  return {};
}

}  // namespace

Result<ZipEntries> read_zip(std::span<const std::byte> archive) {
  const Bytes b{archive};
  OWLET_ASSIGN(const Directory directory, find_directory(b));
  uint64_t at = directory.offset;
  const uint64_t end = directory.offset + directory.bytes;
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < directory.n_entries; ++i) {
    if (end - at < kCentralBytes || b.at<uint32_t>(at) != 0x02014b50) return corrupt("the ZIP directory is damaged");
    const auto name_bytes = b.at<uint16_t>(at + 28), extra_bytes = b.at<uint16_t>(at + 30), comment = b.at<uint16_t>(at + 32);
    const uint64_t size = kCentralBytes + name_bytes + extra_bytes + comment;
    if (size > end - at) return corrupt("the ZIP directory is damaged");
    Entry entry{.name = std::string(b.text(at + kCentralBytes, name_bytes)), .flags = b.at<uint16_t>(at + 8),
                .method = b.at<uint16_t>(at + 10), .packed = b.at<uint32_t>(at + 20), .bytes = b.at<uint32_t>(at + 24),
                .header = b.at<uint32_t>(at + 42)};
    const uint64_t extra = at + kCentralBytes + name_bytes;
    OWLET_TRY(read_zip64(b, extra, extra + extra_bytes, entry));
    if (entry.method != 0 || (entry.flags & 1) || entry.packed != entry.bytes) {
      return make_error(ErrorCode::kUnsupported, "entry '{}' is compressed or encrypted; torch.save stores", entry.name);
    }
    OWLET_TRY(check_local(b, entry));
    entries.push_back(std::move(entry));
    at += size;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& c) { return a.header < c.header; });
  ZipEntries result;
  uint64_t free_from = 0;
  for (Entry& entry : entries) {
    if (entry.header < free_from) return corrupt("entry '{}' overlaps the one before it", entry.name);
    free_from = entry.data + entry.bytes;
    if (!result.emplace(entry.name, archive.subspan(entry.data, entry.bytes)).second) return corrupt("two entries are called '{}'", entry.name);
  }
  return result;
}

}  // namespace owlet
