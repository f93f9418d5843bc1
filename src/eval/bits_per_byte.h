// Bits per byte: how many bits a model needs for a byte of text it has not seen. Unlike perplexity it can be compared between
// tokenizers.
#pragma once

#include <functional>
#include <string>

#include "eval/scorer.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

struct BitsPerByte {
  double nats = 0;
  int64_t tokens = 0;
  int64_t bytes = 0;
  double value() const;
};

// Adds one document: its tokens in windows of the scorer's length, each after the token before it (the first after the tokenizer's
// beginning- or end-of-text token).
Status add_document(Scorer& scorer, const Tokenizer& tokenizer, std::string_view text, BitsPerByte& sum);

}  // namespace owlet
