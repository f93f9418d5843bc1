#include "tokenizer/jinja/text_ops.h"

#include <algorithm>
#include <utility>

#include "tokenizer/unicode.h"

namespace owlet::jinja {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return upper(c) != lower(c) || (c & 0x80); }

template <class Map>
MarkedText map_bytes(const MarkedText& text, Map&& map) {
  std::string bytes = text.bytes();
  std::transform(bytes.begin(), bytes.end(), bytes.begin(), map);
  return text.with_bytes(std::move(bytes));
}

}  // namespace

MarkedText strip(const MarkedText& text, const std::string_view* characters, bool left, bool right) {
  const std::string& bytes = text.bytes();
  const auto strips = [&](size_t at, unicode::Symbol symbol) {
    if (!characters) return symbol.is(unicode::kSpace);
    return characters->find(std::string_view(bytes).substr(at, symbol.length)) != std::string_view::npos;
  };
  size_t begin = 0, end = bytes.size();
  while (left && begin < end) {
    const auto symbol = unicode::symbol_at(bytes, begin);
    if (!strips(begin, symbol)) break;
    begin += symbol.length;
  }
  while (right && end > begin) {
    const auto symbol = unicode::symbol_before(bytes, end);
    if (!strips(end - symbol.length, symbol)) break;
    end -= symbol.length;
  }
  return text.substr(begin, end - begin);
}

std::vector<MarkedText> split(const MarkedText& text, const std::string_view* separator, int64_t limit) {
  std::vector<MarkedText> parts;
  const std::string& bytes = text.bytes();
  size_t at = 0;
  if (separator) {
    for (; limit != 0; --limit) {
      const size_t found = bytes.find(*separator, at);
      if (found == std::string::npos) break;
      parts.push_back(text.substr(at, found - at));
      at = found + separator->size();
    }
    parts.push_back(text.substr(at));
    return parts;
  }
  const auto skip = [&](size_t from, bool spaces) {
    while (from < bytes.size()) {
      const auto symbol = unicode::symbol_at(bytes, from);
      if (symbol.is(unicode::kSpace) != spaces) break;
      from += symbol.length;
    }
    return from;
  };
  for (at = skip(0, true); at < bytes.size(); at = skip(at, true)) {
    if (limit-- == 0) {
      parts.push_back(strip(text.substr(at), nullptr, false, true));
      break;
    }
    const size_t end = skip(at, false);
    parts.push_back(text.substr(at, end - at));
    at = end;
  }
  return parts;
}

std::vector<MarkedText> split_from_right(const MarkedText& text, std::string_view separator, int64_t limit) {
  std::vector<MarkedText> parts;
  size_t end = text.bytes().size();
  for (; limit != 0; --limit) {
    if (end < separator.size()) break;
    const size_t found = text.bytes().rfind(separator, end - separator.size());
    if (found == std::string::npos) break;
    parts.push_back(text.substr(found + separator.size(), end - found - separator.size()));
    end = found;
  }
  parts.push_back(text.substr(0, end));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<MarkedText> split_lines(const MarkedText& text, bool keep_ends) {
  std::vector<MarkedText> lines;
  const std::string& bytes = text.bytes();
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find_first_of("\r\n", at), bytes.size());
    const size_t next = std::min(end + (bytes.compare(end, 2, "\r\n") == 0 ? 2 : 1), bytes.size());
    lines.push_back(text.substr(at, (keep_ends ? next : end) - at));
    at = next;
  }
  return lines;
}

MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t limit) {
  MarkedText out;
  const std::string& bytes = text.bytes();
  size_t at = 0;
  for (; limit != 0; --limit) {
    const size_t found = bytes.find(from, at);
    if (found == std::string::npos) break;
    out.append(text.substr(at, found - at));
    out.append(to);
    at = found + from.size();
    if (!from.empty()) continue;
    if (at == bytes.size()) return out;  // between all characters
    const size_t length = unicode::code_point_at(bytes, at).length;
    out.append(text.substr(at, length));
    at += length;
  }
  out.append(text.substr(at));
  return out;
}

MarkedText to_upper(const MarkedText& text) { return map_bytes(text, upper); }
MarkedText to_lower(const MarkedText& text) { return map_bytes(text, lower); }

bool is_upper(const MarkedText& text) {
  return text.bytes() == to_upper(text).bytes() && text.bytes() != to_lower(text).bytes();
}
bool is_lower(const MarkedText& text) {
  return text.bytes() == to_lower(text).bytes() && text.bytes() != to_upper(text).bytes();
}

MarkedText title(const MarkedText& text) {
  bool inside = false;
  return map_bytes(text, [&](char c) {
    const char result = inside ? lower(c) : upper(c);
    inside = is_letter(c);
    return result;
  });
}

MarkedText title_of_words(const MarkedText& text) {
  bool inside = false;
  return map_bytes(text, [&](char c) {
    const char result = inside ? lower(c) : upper(c);
    inside = std::string_view("-({[< \t\n\r\f\v").find(c) == std::string_view::npos;
    return result;
  });
}

MarkedText swap_case(const MarkedText& text) {
  return map_bytes(text, [](char c) { return upper(c) == c ? lower(c) : upper(c); });
}

MarkedText capitalize(const MarkedText& text) {
  bool first = true;
  return map_bytes(text, [&](char c) { return std::exchange(first, false) ? upper(c) : lower(c); });
}

MarkedText indent(const MarkedText& text, const MarkedText& margin, bool first, bool blank) {
  MarkedText out;
  const std::string_view newline = "\n";
  const std::vector<MarkedText> lines = split(text, &newline, -1);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append(newline, true);
    const bool wanted = i == 0 ? first : blank || !lines[i].bytes().empty();
    if (wanted) out.append(margin);
    out.append(lines[i]);
  }
  return out;
}

MarkedText escape_html(const MarkedText& text) {
  MarkedText out = text;
  for (const auto& [from, to] : {std::pair("&", "&amp;"), {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {"\"", "&#34;"}}) {
    out = replace(out, from, MarkedText(to, true), -1);
  }
  return out;
}

size_t count_characters(std::string_view text) {
  size_t n = 0;
  for (size_t at = 0; at < text.size(); ++n) at += unicode::code_point_at(text, at).length;
  return n;
}

}  // namespace owlet::jinja
