// The part of a tokenizer that makes ids of a piece of text; and the vocabulary as all of them look it up.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace owlet {

// Tokens by their text. Control tokens are in `any` only: no text that is not trusted may find them; and added tokens that stand beside
// the model are, which only whole words of the text can be.
class Vocabulary {
 public:
  // Views into `spec`, which must stay. Errors: too many tokens, added tokens that do not agree with the vocabulary.
  static Result<Vocabulary> index(const TokenizerSpec& spec);

  TokenId any(std::string_view text) const {
    const auto it = ids_.find(text);
    return it == ids_.end() ? -1 : it->second;
  }
  TokenId plain(std::string_view text) const {
    const TokenId id = any(text);
    return id >= n_plain_ || (id >= 0 && special_[static_cast<size_t>(id)]) ? -1 : id;
  }
  bool is_special(TokenId id) const { return special_[static_cast<size_t>(id)]; }
  bool is_added(TokenId id) const { return added_[static_cast<size_t>(id)]; }
  // "<0x0A>" and its like: the token of a byte where characters fall back to their bytes.
  TokenId byte_token(uint8_t byte) const;

 private:
  std::unordered_map<std::string_view, TokenId> ids_;
  std::vector<bool> special_, added_;
  TokenId n_plain_ = 0;  // ids below are the model's own
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of one piece, never that of a control token other than the unknown one.
  virtual void encode(std::string_view piece, std::vector<TokenId>& out) const = 0;
  // Pieces are to come as plain bytes, though the vocabulary spells them in the alphabet of bytes.
  virtual bool takes_bytes() const { return false; }
};

// `spells_bytes`: what is to be encoded is meant in the alphabet of bytes. `spec` and `vocabulary` must stay.
Result<std::unique_ptr<TokenModel>> make_bpe(const TokenizerSpec& spec, const Vocabulary& vocabulary, bool spells_bytes);
Result<std::unique_ptr<TokenModel>> make_unigram(const TokenizerSpec& spec, const Vocabulary& vocabulary);
Result<std::unique_ptr<TokenModel>> make_word_piece(const TokenizerSpec& spec, const Vocabulary& vocabulary);
Result<std::unique_ptr<TokenModel>> make_word_level(const TokenizerSpec& spec, const Vocabulary& vocabulary);

}  // namespace owlet
