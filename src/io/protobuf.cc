#include "io/protobuf.h"


#include "core/bit_cast.h"

namespace owlet {
namespace {

enum WireType : uint32_t { kVarint = 0, kEightBytes = 1, kLength = 2, kFourBytes = 5 };

}  // namespace

void ProtoMessage::add_varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
  bytes_ += static_cast<char>(value);
}

void ProtoMessage::add_int(uint32_t field, int64_t value) {
  add_varint(field << 3 | kVarint);
  add_varint(static_cast<uint64_t>(value));
}

void ProtoMessage::add_fixed(uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> 8 * i);
}

void ProtoMessage::add_double(uint32_t field, double value) {
  add_varint(field << 3 | kEightBytes);
  add_fixed(bit_cast<uint64_t>(value), 8);
}

void ProtoMessage::add_float(uint32_t field, float value) {
  add_varint(field << 3 | kFourBytes);
  add_fixed(bit_cast<uint32_t>(value), 4);
}

void ProtoMessage::begin_bytes(uint32_t field, uint64_t size) {
  add_varint(field << 3 | kLength);
  add_varint(size);
}

void ProtoMessage::add_bytes(uint32_t field, std::string_view bytes) {
  begin_bytes(field, bytes.size());
  bytes_ += bytes;
}

}  // namespace owlet
