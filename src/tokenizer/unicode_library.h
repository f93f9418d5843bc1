// What is asked of a library of Unicode's: utf8proc (native/), or in a browser JavaScript's own (browser/). Everything else goes by
// unicode.h and normal_forms.h, which hold its version against the one that models' tokenizers were made with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/normal_forms.h"

namespace owlet::unicode::library {

// Of valid UTF-8, whose characters are all as old as Unicode 9.0 where they have decompositions.
std::string normal_form(std::string_view text, Form form);

// Of one character, where it is one character.
uint32_t lower_case(uint32_t code_point);

// The end of the grapheme cluster that begins at `begin` with a whole character. A broken byte ends it.
size_t grapheme_end(std::string_view text, size_t begin);

}  // namespace owlet::unicode::library
