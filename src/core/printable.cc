#include "core/printable.h"

#include <algorithm>

namespace owlet {

namespace {

// Bytes of the character that a text begins with; 0 where it is not UTF-8.
size_t character_bytes(std::string_view text) {
  const auto byte = [text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  const size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  const bool is_long_form = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80 || is_long_form) return 0;
  }
  return n;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = character_bytes(text.substr(i));
    const auto first = static_cast<unsigned char>(text[i]);
    const bool controls = n == 1 ? (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f
                                 : n == 2 && first == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (n > 0 && !controls) out += text.substr(i, n);
    i += std::max<size_t>(n, 1);
  }
  return out;
}

std::string printable_line(std::string_view text, size_t most) {
  if (text.size() > most) {
    size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string out = printable(text);
  std::replace_if(out.begin(), out.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

}  // namespace owlet
