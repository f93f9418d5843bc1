#include "tokenizer/unicode_library.h"

#include <emscripten.h>

#include "tokenizer/unicode.h"

// The normal form's length in bytes; owlet_take_text() copies it out. `form` counts as owlet::unicode::Form does.
EM_JS(int, owlet_normal_form, (const char* text, size_t n, int form), {
  const plain = new TextDecoder('utf-8', { ignoreBOM: true }).decode(HEAPU8.slice(text, text + n));
  Module.owletText = new TextEncoder().encode(plain.normalize(['NFC', 'NFD', 'NFKC', 'NFKD'][form]));
  return Module.owletText.length;
});
EM_JS(void, owlet_take_text, (char* out), {
  HEAPU8.set(Module.owletText, out);
  Module.owletText = null;
});
EM_JS(unsigned, owlet_lower_case, (unsigned c), {
  const lower = String.fromCodePoint(c).toLowerCase();
  const first = lower.codePointAt(0);
  return lower.length === (first > 0xffff ? 2 : 1) ? first : c;
});
// Bytes of the first cluster.
EM_JS(size_t, owlet_grapheme, (const char* text, size_t n), {
  const plain = new TextDecoder('utf-8', { ignoreBOM: true }).decode(HEAPU8.slice(text, text + n));
  const clusters = Module.owletClusters ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return new TextEncoder().encode(clusters.segment(plain).containing(0).segment).length;
});

namespace owlet::unicode::library {

std::string normal_form(std::string_view text, Form form) {
  if (text.empty()) return {};
  std::string out(static_cast<size_t>(owlet_normal_form(text.data(), text.size(), static_cast<int>(form))), '\0');
  owlet_take_text(out.data());
  return out;
}

uint32_t lower_case(uint32_t code_point) {
  if (code_point < 0x80) return code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point;
  return owlet_lower_case(code_point);
}

// Looks at a window of characters, and at more of them as long as the cluster fills it.
size_t grapheme_end(std::string_view text, size_t begin) {
  for (size_t window = 16;; window *= 2) {
    size_t end = begin, n = 0;
    for (; n < window && end < text.size(); ++n) {
      const CodePoint c = code_point_at(text, end);
      if (c.value == kBroken) break;
      end += c.length;
    }
    const size_t cluster_end = begin + owlet_grapheme(text.data() + begin, end - begin);
    if (n < window || cluster_end < end) return cluster_end;
  }
}

}  // namespace owlet::unicode::library
