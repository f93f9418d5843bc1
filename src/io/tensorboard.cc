#include "io/tensorboard.h"

#include <fmt/format.h>

#include <array>

#include "io/protobuf.h"

namespace owlet {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

void append(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i);
}

uint32_t masked(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

Result<EventFile> EventFile::create(const std::filesystem::path& folder, double time) {
  const std::filesystem::path path = folder / fmt::format("events.out.tfevents.{:.6f}.owlet", time);
  std::FILE* file = std::fopen(path.c_str(), "ab");
  if (!file) return make_error(ErrorCode::kIo, "cannot write {}", path.string());
  EventFile events(file, path.string());
  ProtoMessage first;
  first.add_double(1, time);
  first.add_bytes(3, "brain.Event:2");
  OWLET_TRY(events.write(first.bytes()));
  return events;
}

Status EventFile::add(double time, int64_t step, std::span<const std::pair<std::string, double>> scalars) {
  ProtoMessage summary;
  for (const auto& [tag, number] : scalars) {
    ProtoMessage value;
    value.add_bytes(1, tag);
    value.add_float(2, static_cast<float>(number));
    summary.add_message(1, value);
  }
  return write_summary(time, step, summary);
}

Status EventFile::add_text(double time, int64_t step, std::string_view tag, std::string_view text) {
  constexpr int64_t kStringType = 7;
  ProtoMessage tensor, plugin, metadata, value, summary;
  tensor.add_int(1, kStringType);
  tensor.add_bytes(8, text);
  plugin.add_bytes(1, "text");
  metadata.add_message(1, plugin);
  value.add_bytes(1, tag);
  value.add_message(8, tensor);
  value.add_message(9, metadata);
  summary.add_message(1, value);
  return write_summary(time, step, summary);
}

Status EventFile::write_summary(double time, int64_t step, const ProtoMessage& summary) {
  ProtoMessage event;
  event.add_double(1, time);
  event.add_int(2, step);
  event.add_message(5, summary);
  return write(event.bytes());
}

Status EventFile::write(std::string_view message) {
  std::string record;
  append(record, message.size(), 8);
  append(record, masked(record), 4);
  record += message;
  append(record, masked(message), 4);
  const bool written = std::fwrite(record.data(), 1, record.size(), file_.get()) == record.size() && std::fflush(file_.get()) == 0;
  return written ? Status() : make_error(ErrorCode::kIo, "cannot write {}", name_);
}

}  // namespace owlet
