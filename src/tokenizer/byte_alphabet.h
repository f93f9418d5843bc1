// GPT-2's printable alphabet for bytes: the 188 bytes that print as themselves do, the other 68 become U+0100 … U+0143.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace owlet {

// The UTF-8 form of a byte's character.
const std::string& byte_to_printable(uint8_t byte);
// A token written in the alphabet as the bytes it stands for; nothing where it has other characters.
std::optional<std::string> printable_to_bytes(std::string_view token);
std::string bytes_to_printable(std::string_view bytes);

}  // namespace owlet
