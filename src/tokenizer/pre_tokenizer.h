// Splitters: they cut text into the pieces that merges never cross. Each is the hand-written equal of a published
// pattern, linear in the text, and one function. Bytes that are not UTF-8 count as symbols that are neither letter,
// number nor space, one each, so that any bytes survive.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/result.h"

namespace owlet {

// The end of the piece that begins at `begin` < text.size(). Pieces cover the whole text.
using PieceEnd = size_t (*)(std::string_view text, size_t begin);

// By name: "gpt2", "llama3", "qwen2", "smollm". Errors list the known names.
Result<PieceEnd> find_pre_tokenizer(std::string_view name);

// The name of a splitter by the pattern that tokenizer.json writes for it; empty where it is not one of ours.
std::string_view pre_tokenizer_of_pattern(std::string_view pattern);
// The pattern of a splitter by its name; empty where its name has none (gpt2, smollm: built into Hugging Face).
std::string_view pattern_of_pre_tokenizer(std::string_view name);

}  // namespace owlet
