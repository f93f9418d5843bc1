#include "tokenizer/byte_alphabet.h"

#include <array>

#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr uint32_t kFirstSubstitute = 0x100;
constexpr uint32_t kNumPrintable = 0x144;

struct Alphabet {
  Alphabet() {
    bytes.fill(-1);
    uint32_t substitute = kFirstSubstitute;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool visible = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      code_points[b] = visible ? b : substitute++;
      bytes[code_points[b]] = static_cast<int16_t>(b);
      unicode::append_utf8(spellings[b], code_points[b]);
    }
  }
  std::array<uint32_t, 256> code_points;
  std::array<int16_t, kNumPrintable> bytes;  // by code point, -1 where none
  std::array<std::string, 256> spellings;
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

uint32_t byte_to_printable(uint8_t byte) { return alphabet().code_points[byte]; }

std::string to_printable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += alphabet().spellings[static_cast<uint8_t>(c)];
  return out;
}

std::optional<std::string> from_printable(std::string_view spelling) {
  std::string out;
  for (size_t at = 0; at < spelling.size();) {
    const unicode::CodePoint c = unicode::code_point_at(spelling, at);
    if (c.value >= kNumPrintable || alphabet().bytes[c.value] < 0) return std::nullopt;
    out.push_back(static_cast<char>(alphabet().bytes[c.value]));
    at += c.length;
  }
  return out;
}

}  // namespace owlet
