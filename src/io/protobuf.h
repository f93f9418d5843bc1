// Protocol Buffers' wire format (encoding of proto2 and proto3), as far as writing goes. A message is its fields, one after the
// other, each behind a key: the field's number and how its value is written.
//   key = varint(number << 3 | kind)    kind 0: a varint · 1: 8 bytes · 2: a varint length and as many bytes · 5: 4 bytes
//   varint = seven bits a byte, lowest first, the eighth bit set in all bytes but the last
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace owlet {

class ProtoMessage {
 public:
  void add_int(uint32_t field, int64_t value);
  void add_double(uint32_t field, double value);
  void add_float(uint32_t field, float value);
  void add_bytes(uint32_t field, std::string_view bytes);
  void add_message(uint32_t field, const ProtoMessage& message) { add_bytes(field, message.bytes()); }
  // The key and the length of `size` bytes that whoever writes this message puts behind it.
  void begin_bytes(uint32_t field, uint64_t size);
  const std::string& bytes() const { return bytes_; }

 private:
  void add_varint(uint64_t value);
  void add_fixed(uint64_t value, int bytes);
  std::string bytes_;
};

}  // namespace owlet
