// UTF-8 from anywhere, one character at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace owlet {

struct Utf8Char {
  char32_t code = 0;  // kInvalid where the byte begins no valid character
  int length = 1;     // bytes; 1 for an invalid one
};
inline constexpr char32_t kInvalidChar = 0xffffffff;

// The character at text[at]: shortest form only, no surrogates, at most U+10FFFF (RFC 3629).
inline Utf8Char decode_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const int length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() - at < static_cast<size_t>(length)) return {kInvalidChar, 1};
  char32_t code = first & (0x7fu >> length);
  for (int i = 1; i < length; ++i) {
    if ((byte(static_cast<size_t>(i)) & 0xc0) != 0x80) return {kInvalidChar, 1};
    code = (code << 6) | (byte(static_cast<size_t>(i)) & 0x3fu);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  if (overlong || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return {kInvalidChar, 1};
  return {code, length};
}

}  // namespace owlet
