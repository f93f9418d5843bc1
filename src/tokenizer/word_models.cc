// Models of whole words: WordPiece (Schuster and Nakajima 2012; BERT's form, longest match first) and plain look-up.
#include "tokenizer/byte_trie.h"
#include "tokenizer/token_model.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

class WordPiece : public TokenModel {
 public:
  WordPiece(const TokenizerSpec& spec, const Vocabulary& vocabulary) : spec_(spec) {
    for (size_t id = 0; id < spec.vocab.size(); ++id) {
      if (!spec.vocab[id].empty() && vocabulary.plain(spec.vocab[id]) == static_cast<TokenId>(id)) {
        trie_.add(spec.vocab[id], static_cast<int32_t>(id));
      }
    }
    for (const char c : spec.continuing_prefix) {
      if (inside_ != ByteTrie::kNone) inside_ = trie_.child(inside_, c);
    }
  }

  void encode(std::string_view word, std::vector<TokenId>& out) const override {
    const size_t before = out.size();
    int64_t n_characters = 0;
    for (size_t at = 0; at < word.size(); at += unicode::code_point_at(word, at).length) ++n_characters;
    size_t at = 0;
    while (n_characters <= spec_.max_word_chars && at < word.size()) {
      int32_t node = at == 0 ? ByteTrie::kRoot : inside_;
      TokenId longest = -1;
      size_t longest_end = at;
      for (size_t end = at; node != ByteTrie::kNone && end < word.size();) {
        node = trie_.child(node, word[end++]);
        if (node == ByteTrie::kNone || trie_.value(node) < 0) continue;
        longest = trie_.value(node);
        longest_end = end;
      }
      if (longest < 0) break;
      out.push_back(longest);
      at = longest_end;
    }
    if (at == word.size()) return;
    out.resize(before);
    if (spec_.unk >= 0) out.push_back(spec_.unk);
  }

 private:
  const TokenizerSpec& spec_;
  ByteTrie trie_;
  int32_t inside_ = ByteTrie::kRoot;  // where tokens inside a word begin: behind their prefix
};

class WordLevel : public TokenModel {
 public:
  WordLevel(const TokenizerSpec& spec, const Vocabulary& vocabulary) : spec_(spec), vocabulary_(vocabulary) {}
  void encode(std::string_view word, std::vector<TokenId>& out) const override {
    const TokenId id = vocabulary_.plain(word);
    if (id >= 0 || spec_.unk >= 0) out.push_back(id >= 0 ? id : spec_.unk);
  }

 private:
  const TokenizerSpec& spec_;
  const Vocabulary& vocabulary_;
};

}  // namespace

Result<std::unique_ptr<TokenModel>> make_word_piece(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  OWLET_TRY(check_trie_size(spec.vocab));
  return std::unique_ptr<TokenModel>(std::make_unique<WordPiece>(spec, vocabulary));
}

Result<std::unique_ptr<TokenModel>> make_word_level(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  return std::unique_ptr<TokenModel>(std::make_unique<WordLevel>(spec, vocabulary));
}

}  // namespace owlet
