// tokenizer.json as Hugging Face's tokenizers library writes it, and the files that stand beside it.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// Errors name what in the file is broken, or which part of it Owlet does not know (the stages are read when a tokenizer is made).
Result<TokenizerSpec> read_tokenizer_json(std::string_view text);
std::string write_tokenizer_json(const TokenizerSpec& spec);

// vocab.json (token → id) and merges.txt ("a b" a line). `added`: see Tokenizer::load_vocab_merges.
Result<BpeSpec> read_vocab_merges(std::string_view vocab_json, std::string_view merges_txt,
                                  const std::vector<std::string>* added);
std::string write_vocab_json(const TokenizerSpec& spec);
std::string write_merges_txt(const TokenizerSpec& spec);

// bos and eos by name from tokenizer_config.json, where it has them and the vocabulary too.
Status read_tokenizer_config(std::string_view text, TokenizerSpec& spec);

}  // namespace owlet
