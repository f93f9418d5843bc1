// Common words and one plain explanation each. Where Simple English Wikipedia has an article of that name,
// its first sentence explains best; else the dictionary sense whose words keep the most company with the word
// in that text.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet::recipe {

struct WordSense {
  std::string word;
  char pos = 'n';           // n noun, v verb, a adjective
  std::string explanation;  // a whole sentence
  double weight = 1;        // commoner words are asked about more
};

// The `count` most common content words of `wiki` (JSONL of title and text) that are in `dictionary`, most
// common first. Words in `skip` (names of elements, say) are left out.
Result<std::vector<WordSense>> load_words(const std::filesystem::path& wiki,
                                          const std::filesystem::path& dictionary,
                                          const std::vector<std::string>& skip, size_t count);

// "A cat (Felis catus) is a small wild animal. It …" → "A cat is a small wild animal."; empty where there is
// no plain first sentence. A full stop within the first 25 bytes ends none: it is more often an
// abbreviation's.
std::string first_sentence(std::string_view text, size_t max_bytes);

}  // namespace owlet::recipe
