// Unigram language model (Kudo 2018): the segmentation of a piece whose tokens' log-probabilities add up to the most.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tokenizer/byte_trie.h"
#include "tokenizer/token_model.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr double kUnknownPenalty = 10;  // below the least probable token

class Unigram : public TokenModel {
 public:
  Unigram(const TokenizerSpec& spec, const Vocabulary& vocabulary) : spec_(spec), vocabulary_(vocabulary) {
    double least = std::numeric_limits<double>::infinity();
    for (size_t id = 0; id < spec.vocab.size(); ++id) {
      if (spec.vocab[id].empty() || id >= spec.scores.size()) continue;
      least = std::min(least, spec.scores[id]);
      if (vocabulary.plain(spec.vocab[id]) == static_cast<TokenId>(id)) trie_.add(spec.vocab[id], static_cast<int32_t>(id));
    }
    unknown_score_ = least - kUnknownPenalty;
    for (int byte = 0; byte < 256; ++byte) byte_ids_[static_cast<size_t>(byte)] = vocabulary.byte_token(static_cast<uint8_t>(byte));
  }

  void encode(std::string_view piece, std::vector<TokenId>& out) const override;

 private:
  struct Step {  // the best way to a place in the piece
    double score = 0;
    size_t begin = kNowhere;
    TokenId id = 0;
    void offer(double other, size_t from, TokenId by) {
      if (begin == kNowhere || other > score) *this = {other, from, by};
    }
  };
  static constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

  void write_unknown(std::string_view text, std::vector<TokenId>& out) const;

  const TokenizerSpec& spec_;
  const Vocabulary& vocabulary_;
  ByteTrie trie_;
  double unknown_score_;
  std::array<TokenId, 256> byte_ids_;
};

void Unigram::encode(std::string_view piece, std::vector<TokenId>& out) const {
  std::vector<Step> best(piece.size() + 1);
  for (size_t at = 0; at < piece.size();) {
    const size_t character = unicode::code_point_at(piece, at).length;
    bool known = false;
    int32_t node = ByteTrie::kRoot;
    for (size_t end = at; end < piece.size();) {
      node = trie_.child(node, piece[end++]);
      if (node == ByteTrie::kNone) break;
      const int32_t id = trie_.value(node);
      if (id < 0) continue;
      best[end].offer(best[at].score + spec_.scores[static_cast<size_t>(id)], at, id);
      known = known || end - at == character;
    }
    if (!known) best[at + character].offer(best[at].score + unknown_score_, at, spec_.unk);
    at += character;
  }
  std::vector<std::pair<size_t, size_t>> tokens;  // from the end; neighbours that are unknown are one
  bool after_unknown = false;
  for (size_t end = piece.size(); end > 0; end = best[end].begin) {
    const bool unknown = best[end].id == spec_.unk;
    if (unknown && after_unknown) {
      tokens.back().first = best[end].begin;
    } else {
      tokens.emplace_back(best[end].begin, end);
    }
    after_unknown = unknown;
  }
  for (auto it = tokens.rbegin(); it != tokens.rend(); ++it) {
    const std::string_view text = piece.substr(it->first, it->second - it->first);
    const TokenId id = vocabulary_.plain(text);
    id >= 0 ? out.push_back(id) : write_unknown(text, out);
  }
}

void Unigram::write_unknown(std::string_view text, std::vector<TokenId>& out) const {
  const auto lacks = [&](char c) { return byte_ids_[static_cast<uint8_t>(c)] < 0; };
  if (spec_.byte_fallback && std::none_of(text.begin(), text.end(), lacks)) {
    for (const char c : text) out.push_back(byte_ids_[static_cast<uint8_t>(c)]);
  } else if (spec_.unk >= 0) {
    out.push_back(spec_.unk);
  }
}

}  // namespace

Result<std::unique_ptr<TokenModel>> make_unigram(const TokenizerSpec& spec, const Vocabulary& vocabulary) {
  OWLET_TRY(check_trie_size(spec.vocab));
  if (spec.scores.size() > spec.vocab.size()) {
    return corrupt("{} tokens with {} scores", spec.vocab.size(), spec.scores.size());
  }
  for (const double score : spec.scores) {
    if (!std::isfinite(score)) return corrupt("a token's score is not a number");
  }
  return std::unique_ptr<TokenModel>(std::make_unique<Unigram>(spec, vocabulary));
}

}  // namespace owlet
