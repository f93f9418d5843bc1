// Tokenizers in GGUF metadata, under the keys "tokenizer.ggml.*" as llama.cpp reads and writes them.
#pragma once

#include "core/result.h"
#include "io/gguf.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// Errors name the key, or the kind of tokenizer that is not read.
Result<Tokenizer> read_gguf_tokenizer(const GgufFile& file);

// Ids with a role, −1 where there is none: what begins a text, ends an answer, fills up a batch.
struct GgufTokenIds {
  TokenId bos = -1;
  TokenId eos = -1;
  TokenId pad = -1;
};

// Everything but the chat template. The model's table has `n_rows` rows: those that the tokenizer has no token for are named and
// marked as unused, since llama.cpp wants a token for each.
Status write_gguf_tokenizer(const Tokenizer& tokenizer, const GgufTokenIds& ids, int64_t n_rows, GgufWriter& writer);

}  // namespace owlet
