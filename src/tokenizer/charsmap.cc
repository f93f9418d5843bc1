#include "tokenizer/charsmap.h"

#include "tokenizer/normal_forms.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr size_t kShortGrapheme = 6;  // bytes
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint32_t read_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The fields of a unit.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value(uint32_t unit) { return unit & 0x7fffffff; }
uint32_t label(uint32_t unit) { return unit & 0x800000ff; }
uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

}  // namespace

Result<CharsMap> CharsMap::parse(std::string_view bytes) {
  CharsMap map;
  if (bytes.size() < 4) return corrupt("a map of characters of {} bytes", bytes.size());
  const size_t trie_bytes = read_u32(bytes, 0);
  if (trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4) {
    return corrupt("a map of characters of {} bytes whose trie has {}", bytes.size(), trie_bytes);
  }
  for (size_t at = 4; at < 4 + trie_bytes; at += 4) map.units_.push_back(read_u32(bytes, at));
  map.replacements_ = bytes.substr(4 + trie_bytes);
  return map;
}

// Of the first of the map's keys that `part` begins with, the shortest.
std::optional<std::string_view> CharsMap::replacement(std::string_view part) const {
  if (units_.empty()) return std::nullopt;
  size_t at = offset(units_[0]);
  for (const char c : part) {
    const auto byte = static_cast<uint8_t>(c);
    at ^= byte;
    if (byte == 0 || at >= units_.size() || label(units_[at]) != byte) return std::nullopt;
    const uint32_t unit = units_[at];
    at ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (at >= units_.size() || value(units_[at]) > replacements_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(value(units_[at]));
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string CharsMap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t end = unicode::grapheme_end(text, at);
    const auto whole = end - at < kShortGrapheme ? replacement(text.substr(at, end - at)) : std::nullopt;
    if (whole) out += *whole;
    for (size_t i = at; !whole && i < end;) {
      const std::string_view character = text.substr(i, unicode::code_point_at(text, i).length);
      out += replacement(character).value_or(character);
      i += character.size();
    }
    at = end;
  }
  return out;
}

Result<std::string> decode_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return corrupt("base64 with a byte {}", static_cast<uint8_t>(c));
    bits = bits << 6 | static_cast<uint32_t>(digit);
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    out.push_back(static_cast<char>(bits >> n_bits & 255));
    bits &= (1u << n_bits) - 1;
  }
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < n ? static_cast<uint8_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) out.push_back(i <= n ? kDigits[bits >> (18 - 6 * i) & 63] : '=');
  }
  return out;
}

}  // namespace owlet
