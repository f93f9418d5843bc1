// Normalizers: what happens to text before it is cut (tokenizer.json's "normalizer").
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/json.h"

namespace owlet {

// Takes text and gives text, linear in it; bytes that are not UTF-8 pass. Empty: nothing is to be done. The first `first` bytes of
// what is given stem from the first character of a whole text; `first` becomes how many of what is made do: where a word at the
// beginning is treated unlike the others, a word counts as that one if it begins with such a byte.
using Normalizer = std::function<std::string(std::string_view text, size_t& first)>;

// Where nobody asks about the beginning; an empty normalizer gives the text back.
std::string normalize(const Normalizer& normalizer, std::string_view text);

// Reads NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Replace, Prepend, ByteLevel, Nmt, BertNormalizer, Precompiled and
// Sequence; null is no normalizer. Errors name what is not known or broken.
Result<Normalizer> read_normalizer(const Json& node, int depth = 0);

// "pattern": {"String": …} or {"Regex": …}, as normalizers, splits and decoders have it.
Result<class Regex> read_pattern(const Json& node);

}  // namespace owlet
