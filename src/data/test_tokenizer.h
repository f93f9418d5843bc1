// A tokenizer of single bytes and the control tokens of a chat, for tests.
#pragma once

#include "core/result.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// Ids 0–5 are the control tokens in this order, then come the 256 bytes.
inline constexpr int32_t kQEnd = 1, kAEnd = 2, kTextEnd = 3, kThinkStart = 4, kThinkEnd = 5, kFirstByte = 6;

inline Tokenizer byte_tokenizer() {
  BpeSpec spec;
  for (const char* name : {"<pad>", "<q_end>", "<a_end>", "<text_end>", "<think_start>", "<think_end>"}) {
    spec.added.push_back({.id = static_cast<TokenId>(spec.vocab.size()), .text = name});
    spec.vocab.emplace_back(name);
  }
  for (int byte = 0; byte < 256; ++byte)
    spec.vocab.push_back(to_printable(std::string(1, static_cast<char>(byte))));
  auto tokenizer = Tokenizer::from_spec(std::move(spec));
  OWLET_CHECK(tokenizer.ok());
  return std::move(tokenizer).value();
}

}  // namespace owlet
