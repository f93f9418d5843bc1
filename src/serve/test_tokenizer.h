// A tokenizer for tests: one token for every byte (its id), then an end token and the marks of thoughts.
#pragma once

#include "tokenizer/tokenizer.h"

namespace owlet {

struct TestTokens {
  static constexpr TokenId kEnd = 256;
  static constexpr TokenId kThinkStart = 257;
  static constexpr TokenId kThinkEnd = 258;
  static constexpr TokenId kVocabSize = 259;
};

inline void append_utf8(std::string& text, unsigned code_point) {
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else {
    text += static_cast<char>(0xC0 | (code_point >> 6));
    text += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

// `with_marks` false: the model's thoughts would be marked by plain text. `pieces` are ordinary tokens beside the bytes, the first of
// them TestTokens::kVocabSize.
inline Tokenizer make_test_tokenizer(bool with_marks = true, const std::vector<std::string>& pieces = {}) {
  BpeSpec spec;
  unsigned next =
      256;  // GPT-2's alphabet: printable bytes stand for themselves, the others for what comes after 255
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    append_utf8(spec.vocab.emplace_back(), printable ? byte : next++);
  }
  for (const char* name :
       {"<end>", with_marks ? "<think_start>" : "<a>", with_marks ? "<think_end>" : "<b>"}) {
    spec.added.push_back({static_cast<TokenId>(spec.vocab.size()), name});
    spec.vocab.emplace_back(name);
  }
  for (const std::string& piece : pieces) {
    spec.added.push_back({.id = static_cast<TokenId>(spec.vocab.size()), .text = piece, .special = false});
    spec.vocab.push_back(piece);
  }
  return Tokenizer::from_spec(std::move(spec)).value();
}

}  // namespace owlet
