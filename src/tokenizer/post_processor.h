// Post-processors: the control tokens around a text (tokenizer.json's "post_processor").
#pragma once

#include <vector>

#include "core/json.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

struct TokensAround {
  std::vector<TokenId> before, after;
};

// Reads TemplateProcessing (its form for one text), BertProcessing, RobertaProcessing, ByteLevel and Sequence; null adds nothing.
// Errors name what is not known, broken, or outside a vocabulary of `vocab_size`.
Result<TokensAround> read_post_processor(const Json& node, size_t vocab_size);

// The TemplateProcessing that puts these around; null where there are none. `vocab`: their texts.
Json template_processing(const TokensAround& around, const std::vector<std::string>& vocab);

}  // namespace owlet
