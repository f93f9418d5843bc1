#include "tokenizer/pre_tokenizer.h"

#include <utf8proc.h>

#include "tokenizer/utf8.h"

namespace owlet {
namespace {

enum class Kind { kSpace, kLetter, kNumber, kOther };

bool is_space(char32_t c) {  // Unicode's White_Space
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

Kind kind_of(char32_t c) {
  if (c < 0x80) {
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return Kind::kLetter;
    if (c >= '0' && c <= '9') return Kind::kNumber;
    return is_space(c) ? Kind::kSpace : Kind::kOther;
  }
  if (c == kInvalidChar) return Kind::kOther;
  if (is_space(c)) return Kind::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return Kind::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return Kind::kNumber;
    default: return Kind::kOther;
  }
}

// The end of the run of one kind that begins at `at`.
size_t run_end(std::string_view text, size_t at, Kind kind) {
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    if (kind_of(c.code) != kind) break;
    at += static_cast<size_t>(c.length);
  }
  return at;
}

// Length of an English contraction ('s 't 're 've 'm 'll 'd) at `at`; 0 where there is none.
size_t contraction(std::string_view rest) {
  for (std::string_view form : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (rest.starts_with(form)) return form.size();
  }
  return 0;
}

// GPT-2 (Radford et al. 2019):  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
void split_gpt2(std::string_view text, const PieceVisitor& visit) {
  for (size_t at = 0; at < text.size();) {
    size_t end = at + contraction(text.substr(at));
    if (end == at) {
      const bool space_first = text[at] == ' ' && at + 1 < text.size();
      const size_t body = space_first ? at + 1 : at;
      const Kind kind = kind_of(decode_utf8(text, body).code);
      if (kind != Kind::kSpace) {
        end = run_end(text, body, kind);
      } else {
        end = run_end(text, at, Kind::kSpace);
        if (end < text.size()) {
          // The last space of a run belongs to what follows it, unless it is the run.
          size_t last = at;
          for (size_t i = at; i < end; i += static_cast<size_t>(decode_utf8(text, i).length)) last = i;
          if (last > at) end = last;
        }
      }
    }
    visit(text.substr(at, end - at));
    at = end;
  }
}

}  // namespace

Result<PreTokenizer> find_pre_tokenizer(std::string_view name) {
  if (name == "gpt2") return PreTokenizer{split_gpt2};
  return Error{ErrorCode::kUnsupported, fmt::format("the pre-tokenizer '{}' is not supported", name), "supported: gpt2"};
}

}  // namespace owlet
