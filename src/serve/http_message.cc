#include <algorithm>
#include <charconv>
#include <string>

#include "serve/http_server.h"

namespace owlet {
namespace {

// Of a query (application/x-www-form-urlencoded). What is no escape stays as it stands.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const std::string_view digits = text.substr(i).substr(1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    const bool is_escape = text[i] == '%' && digits.size() == 2 && error == std::errc() && end == digits.data() + 2;
    out += is_escape ? static_cast<char>(byte) : text[i] == '+' ? ' ' : text[i];
    if (is_escape) i += 2;
  }
  return out;
}

}  // namespace

std::string HttpRequest::parameter(std::string_view name) const {
  for (std::string_view rest = query; !rest.empty();) {
    const std::string_view field = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    const size_t equals = std::min(field.find('='), field.size());
    if (unescaped(field.substr(0, equals)) == name) return unescaped(field.substr(std::min(equals + 1, field.size())));
  }
  return {};
}

std::string_view HttpRequest::header(std::string_view name) const {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  const auto it = std::find_if(headers.begin(), headers.end(), [&](const auto& field) {
    return std::equal(field.first.begin(), field.first.end(), name.begin(), name.end(), same);
  });
  return it == headers.end() ? std::string_view() : std::string_view(it->second);
}

}  // namespace owlet
