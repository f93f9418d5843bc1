// Unicode's normalization forms (UAX #15, as of version 9.0) and mappings of single characters, over any bytes: what is not UTF-8 stays and separates.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace owlet::unicode {

enum class Form { kNfc, kNfd, kNfkc, kNfkd };

// An accent, or a character with a decomposition, that Unicode 9.0 did not have: normal forms leave it as it is.
bool is_since_unicode_9(uint32_t code_point);

// Accents without a width (Mn), punctuation (P) and controls (C) as Unicode 8.0 had them: by that version Hugging Face's stages for
// BERT cut and clean, the others by newer ones.
bool is_mark_of_unicode_8(uint32_t code_point);
bool is_punctuation_of_unicode_8(uint32_t code_point);
bool is_control_of_unicode_8(uint32_t code_point);

// Linear but for the sorting of accents on one character.
std::string normal_form(std::string_view text, Form form);

// Full lower case of each character by itself.
std::string lower_case(std::string_view text);

// `change(code_point, out)` appends what a character becomes. Broken bytes are kept.
std::string map_characters(std::string_view text, const std::function<void(uint32_t, std::string&)>& change);

// The end of the grapheme cluster (UAX #29) that begins at `begin`.
size_t grapheme_end(std::string_view text, size_t begin);

}  // namespace owlet::unicode
