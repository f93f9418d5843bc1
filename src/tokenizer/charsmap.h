// SentencePiece's compiled map of characters (spm's "precompiled_charsmap"):
//   uint32 size of the trie in bytes, a double-array trie (Aoe 1989; units as Darts-clone packs them) from UTF-8 to a place in
//   what follows, and there the replacements, each ended by a zero byte. Little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace owlet {

class CharsMap {
 public:
  static Result<CharsMap> parse(std::string_view bytes);

  // Grapheme by grapheme as Hugging Face's tokenizers applies it: a short one whole if the map knows how it begins, else by character.
  std::string apply(std::string_view text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view part) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

// RFC 4648, padding optional.
Result<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace owlet
