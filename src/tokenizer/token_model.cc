#include "tokenizer/token_model.h"

#include <algorithm>

namespace owlet {
namespace {

constexpr size_t kMaxVocab = size_t{1} << 22;

}  // namespace

Result<Vocabulary> Vocabulary::index(const TokenizerSpec& spec) {
  if (spec.vocab.empty()) return corrupt("the vocabulary is empty");
  if (spec.vocab.size() > kMaxVocab) {
    return make_error(ErrorCode::kTooLarge, "a vocabulary of {} tokens; at most {} are read", spec.vocab.size(), kMaxVocab);
  }
  Vocabulary result;
  result.n_plain_ = static_cast<TokenId>(spec.model_size > 0 ? std::min(spec.model_size, spec.vocab.size()) : spec.vocab.size());
  result.ids_.reserve(spec.vocab.size());
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    if (!spec.vocab[id].empty()) result.ids_.insert_or_assign(spec.vocab[id], static_cast<TokenId>(id));
  }
  result.special_.assign(spec.vocab.size(), false);
  result.added_.assign(spec.vocab.size(), false);
  for (const AddedToken& token : spec.added) {
    const auto id = static_cast<size_t>(token.id);
    if (token.id < 0 || id >= spec.vocab.size() || token.text.empty() || spec.vocab[id] != token.text || result.added_[id]) {
      return corrupt("the added token '{}' with id {} does not agree with the vocabulary", token.text, token.id);
    }
    result.added_[id] = true;
    result.special_[id] = token.special;
  }
  for (const TokenId id : {spec.bos, spec.eos, spec.unk}) {
    if (id < -1 || id >= static_cast<TokenId>(spec.vocab.size())) {
      return corrupt("token id {} is outside the vocabulary of {}", id, spec.vocab.size());
    }
  }
  return result;
}

TokenId Vocabulary::byte_token(uint8_t byte) const { return any(fmt::format("<0x{:02X}>", byte)); }

}  // namespace owlet
