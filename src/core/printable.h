// Text from others on its way to a terminal.
#pragma once

#include <string>
#include <string_view>

namespace owlet {

// Without what moves cursors and sets titles: control characters of ASCII and of Latin-1 (as UTF-8), but for newlines and tabs, and bytes that
// are no UTF-8.
std::string printable(std::string_view text);

// The same on one line, of at most `most` bytes (cut between characters).
std::string printable_line(std::string_view text, size_t most);

}  // namespace owlet
