// Pre-tokenizers go by name in GGUF ("tokenizer.ggml.pre"), by their patterns in tokenizer.json.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace owlet {

struct GgufPreTokenizer {
  std::string pre_tokenizer;   // tokenizer.json's form
  bool ignore_merges = false;  // a piece that stands whole in the vocabulary is that token
  bool add_bos = false;        // unless the file says otherwise
};

// By the name that llama.cpp knows it by. Errors name what is not known.
Result<GgufPreTokenizer> gguf_pre_tokenizer(std::string_view name);

// The name for a pre-tokenizer in tokenizer.json's form. Errors say that llama.cpp has none.
Result<std::string> gguf_name_of_pre_tokenizer(std::string_view pre_tokenizer, bool ignore_merges);

}  // namespace owlet
