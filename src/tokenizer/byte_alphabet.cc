#include "tokenizer/byte_alphabet.h"

#include <cstdint>

namespace owlet {
namespace {

struct Alphabet {
  Alphabet() {
    from.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      const uint32_t code = prints ? byte : next++;
      from[code] = static_cast<int16_t>(byte);
      // Every code point here takes one or two bytes of UTF-8.
      to[byte] = code < 0x80 ? std::string(1, static_cast<char>(code))
                             : std::string{static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
    }
  }
  std::array<std::string, 256> to;
  std::array<int16_t, 0x144> from;  // code point → byte
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

const std::string& byte_to_printable(uint8_t byte) { return alphabet().to[byte]; }

std::string bytes_to_printable(std::string_view bytes) {
  std::string out;
  for (char c : bytes) out += byte_to_printable(static_cast<uint8_t>(c));
  return out;
}

std::optional<std::string> printable_to_bytes(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    uint32_t code = static_cast<uint8_t>(token[i]);
    if (code >= 0x80) {
      if ((code & 0xe0) != 0xc0 || i + 1 >= token.size()) return std::nullopt;
      code = ((code & 0x1f) << 6) | (static_cast<uint8_t>(token[++i]) & 0x3f);
    }
    if (code >= alphabet().from.size() || alphabet().from[code] < 0) return std::nullopt;
    out += static_cast<char>(alphabet().from[code]);
  }
  return out;
}

}  // namespace owlet
