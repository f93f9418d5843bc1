// GPT-2's printable alphabet: vocabularies spell each of the 256 bytes as one visible character, so that a token is
// text whatever bytes it stands for. Printable Latin-1 bytes stand for themselves; the other 68 take U+0100 and on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace owlet {

// The code point that spells a byte.
uint32_t byte_to_printable(uint8_t byte);
// The spelling of bytes, in UTF-8.
std::string to_printable(std::string_view bytes);
// The bytes that a spelling stands for; nothing where it has a character outside the alphabet or broken UTF-8.
std::optional<std::string> from_printable(std::string_view spelling);

}  // namespace owlet
