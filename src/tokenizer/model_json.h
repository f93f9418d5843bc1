// The parts of tokenizer.json that hold tokens: "model" and "added_tokens".
#pragma once

#include <string>

#include "core/json.h"
#include "tokenizer/token_lists.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// `n_added`: how many added tokens stand beside the model's own. Errors name what is broken or not known.
Status read_model(const Json& model, TokenLists lists, size_t n_added, TokenizerSpec& spec);
std::string write_model(const TokenizerSpec& spec);

Status read_added_tokens(const Json& list, TokenizerSpec& spec);
std::string write_added_tokens(const TokenizerSpec& spec);

// {"token": id, …}
Status read_vocab(const Json& vocab, std::vector<std::string>& out);
std::string write_vocab(const std::vector<std::string>& vocab, size_t n);

}  // namespace owlet
