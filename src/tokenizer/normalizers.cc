#include "tokenizer/normalizers.h"

#include <algorithm>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/normal_forms.h"
#include "tokenizer/regex.h"
#include "tokenizer/stage_json.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {
using unicode::append_utf8;
using unicode::Category;
using unicode::Form;

bool is_space(uint32_t c) { return (unicode::classes_of(c) & unicode::kSpace) != 0; }

// Controls, formats, surrogates and private ones, but not what breaks lines and words.
bool is_control(uint32_t c) {
  return c != '\t' && c != '\n' && c != '\r' && unicode::is_control_of_unicode_8(c);
}

// A normalizer that changes characters without regard to those before them: what the first become is what they become alone, and what
// the accents behind them become with them.
template <typename Change>
Normalizer character_wise(Change change) {
  return [change](std::string_view text, size_t& first) {
    std::string out = change(text);
    if (first == 0) return out;
    first = change(text.substr(0, first)).size();
    while (first < out.size() && (out[first] & 0xc0) == 0x80) ++first;  // to the end of a character
    return out;
  };
}

std::string strip(std::string_view text, size_t& first, bool left, bool right) {
  size_t begin = 0, end = text.size();
  while (left && begin < end && unicode::symbol_at(text, begin).is(unicode::kSpace)) begin += unicode::symbol_at(text, begin).length;
  while (right && end > begin && unicode::symbol_before(text, end).is(unicode::kSpace)) end -= unicode::symbol_before(text, end).length;
  first -= std::min(first, begin);
  return std::string(text.substr(begin, end - begin));
}

std::string drop(std::string_view text, bool (*is_dropped)(uint32_t)) {
  return unicode::map_characters(text, [is_dropped](uint32_t c, std::string& out) {
    if (!is_dropped(c)) append_utf8(out, c);
  });
}

// Marks as of Unicode 9.0, where two Vedic signs that are letters now were among them.
bool is_mark(uint32_t c) {
  const Category category = unicode::category_of(c);
  const bool now = category >= Category::kMn && category <= Category::kMe;
  return c == 0x1cf2 || c == 0x1cf3 || (now && !unicode::is_since_unicode_9(c));
}

// The list that SentencePiece took over from "nmt_nfkc".
void nmt(uint32_t c, std::string& out) {
  const bool dropped = (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
  const bool space = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 ||
                     c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
  if (!dropped) append_utf8(out, space ? ' ' : c);
}

bool is_chinese(uint32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

Normalizer bert(const Json& node) {
  const bool clean = flag(node, "clean_text", true), chinese = flag(node, "handle_chinese_chars", true);
  const bool lower = flag(node, "lowercase", true), accents = flag(node, "strip_accents", lower);
  return character_wise([=](std::string_view given) {
    std::string text = unicode::map_characters(given, [&](uint32_t c, std::string& out) {
      if (clean && (c == 0 || c == 0xfffd || is_control(c))) return;
      if (clean && is_space(c)) return out.push_back(' ');
      if (chinese && is_chinese(c)) out.push_back(' ');
      append_utf8(out, c);
      if (chinese && is_chinese(c)) out.push_back(' ');
    });
    if (accents) text = drop(unicode::normal_form(text, Form::kNfd), unicode::is_mark_of_unicode_8);
    return lower ? unicode::lower_case(text) : text;
  });
}

Result<Normalizer> sequence(const Json& node, int depth) {
  const Json& list = member(node, "normalizers");
  if (!list.is_array() || depth >= kMaxStageDepth) return unsupported_stage("normalizer", dump_json(node));
  std::vector<Normalizer> steps;
  for (const Json& step : list) {
    OWLET_ASSIGN(Normalizer next, read_normalizer(step, depth + 1));
    if (next) steps.push_back(std::move(next));
  }
  if (steps.empty()) return Normalizer();
  return Normalizer([steps](std::string_view given, size_t& first) {
    std::string text(given);
    for (const Normalizer& step : steps) text = step(text, first);
    return text;
  });
}

Result<Normalizer> replace(const Json& node) {
  OWLET_ASSIGN(std::string content, get_string(node, "content"));
  OWLET_ASSIGN(Regex regex, read_pattern(member(node, "pattern")));
  return Normalizer([regex, content](std::string_view text, size_t& first) {
    const size_t given = first;
    return replace_all(regex, text, content, [&](Regex::Match match) {
      if (given == 0 || match.begin > given) return;
      first -= std::min(match.end, given) - match.begin;
      if (match.end <= given) first += content.size();  // it stems from the last character that was matched, or the one before nothing
    });
  });
}

Result<Normalizer> precompiled(const Json& node) {
  OWLET_ASSIGN(const std::string text, get_string(node, "precompiled_charsmap"));
  OWLET_ASSIGN(const std::string bytes, decode_base64(text));
  OWLET_ASSIGN(CharsMap map, CharsMap::parse(bytes));
  const auto change = [map = std::make_shared<const CharsMap>(std::move(map))](std::string_view given) { return map->apply(given); };
  return Normalizer([change, all = character_wise(change)](std::string_view text, size_t& first) {
    const bool begins = first > 0;
    std::string out = all(text, first);
    // Where it drops the first characters, one behind them takes their place.
    for (size_t at = 0, n = 0; begins && first == 0 && at < text.size(); at += n) {
      n = unicode::code_point_at(text, at).length;
      first = change(text.substr(at, n)).size();
    }
    return out;
  });
}

}  // namespace

std::string normalize(const Normalizer& normalizer, std::string_view text) {
  size_t first = 0;
  return normalizer ? normalizer(text, first) : std::string(text);
}

Result<Regex> read_pattern(const Json& node) {
  if (const Json& text = member(node, "String"); text.is_string()) return Regex::literal(text.get_ref<const std::string&>());
  if (const Json& regex = member(node, "Regex"); regex.is_string()) return Regex::compile(regex.get_ref<const std::string&>());
  return corrupt("a pattern must be a String or a Regex, not {}", dump_json(node).substr(0, 300));
}

Result<Normalizer> read_normalizer(const Json& node, int depth) {
  const std::string type = type_of(node);
  if (type == "none") return Normalizer();
  for (const auto& [name, form] : {std::pair("NFC", Form::kNfc), std::pair("NFD", Form::kNfd), std::pair("NFKC", Form::kNfkc),
                                   std::pair("NFKD", Form::kNfkd)}) {
    if (type == name) return character_wise([form = form](std::string_view text) { return unicode::normal_form(text, form); });
  }
  if (type == "Sequence") return sequence(node, depth);
  if (type == "Replace") return replace(node);
  if (type == "Precompiled") return precompiled(node);
  if (type == "BertNormalizer") return bert(node);
  if (type == "Lowercase") return character_wise(unicode::lower_case);
  if (type == "ByteLevel") return character_wise(to_printable);
  if (type == "Nmt") return character_wise([](std::string_view text) { return unicode::map_characters(text, nmt); });
  if (type == "StripAccents") return character_wise([](std::string_view text) { return drop(text, is_mark); });
  if (type == "Strip") {
    const bool left = flag(node, "strip_left", true), right = flag(node, "strip_right", true);
    return Normalizer([=](std::string_view text, size_t& first) { return strip(text, first, left, right); });
  }
  if (type == "Prepend") {
    OWLET_ASSIGN(const std::string prefix, get_string(node, "prepend"));
    return Normalizer([prefix](std::string_view text, size_t& first) {
      if (first > 0) first += prefix.size();
      return text.empty() ? std::string() : prefix + std::string(text);
    });
  }
  return unsupported_stage("normalizer", type);
}

}  // namespace owlet
