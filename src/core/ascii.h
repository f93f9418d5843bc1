// Letters of ASCII, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace owlet {

inline std::string ascii_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

}  // namespace owlet
