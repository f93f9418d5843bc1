#include "serve/served_model.h"

#include <algorithm>

namespace owlet {

size_t longest_token_bytes(const Tokenizer& tokenizer) {
  const TokenizerSpec& spec = tokenizer.spec();
  const auto takes_spaces = [](const AddedToken& token) { return token.lstrip || token.rstrip; };
  const bool keeps_every_byte = spec.kind == TokenModelKind::kBpe && spec.normalizer == "null" &&
                                spec.pre_tokenizer.find("ByteLevel") != std::string::npos &&
                                std::none_of(spec.added.begin(), spec.added.end(), takes_spaces);
  if (!keeps_every_byte) return 0;
  size_t longest = 0;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) longest = std::max(longest, tokenizer.bytes_of(id, /*keep_special=*/true).size());
  return longest;
}

}  // namespace owlet
