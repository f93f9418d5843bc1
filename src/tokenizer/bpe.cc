// Byte-pair encoding (Sennrich et al. 2016) of bytes or of characters; SentencePiece's kind, which has scores instead of merges, too.
#include <algorithm>
#include <array>
#include <map>

#include "tokenizer/bpe_merger.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/token_model.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr size_t kMaxMerges = size_t{1} << 22;
constexpr size_t kMaxScoredBytes = 512;  // of a token that pairs are sought for

class Bpe : public TokenModel {
 public:
  Bpe(const TokenizerSpec& spec, const Vocabulary& vocabulary, bool bytes) : spec_(spec), vocabulary_(vocabulary), bytes_(bytes) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      byte_ids_[static_cast<size_t>(byte)] =
          bytes ? vocabulary.any(to_printable({&c, 1})) : spec.byte_fallback ? vocabulary.byte_token(static_cast<uint8_t>(byte)) : -1;
    }
  }

  bool takes_bytes() const override { return bytes_; }

  void encode(std::string_view piece, std::vector<TokenId>& out) const override {
    if (const auto it = whole_pieces_.find(piece); it != whole_pieces_.end()) return out.push_back(it->second);
    thread_local std::vector<TokenId> scratch;
    scratch.clear();
    bytes_ ? spell_bytes(piece, scratch) : spell_characters(piece, scratch);
    merger_.merge(scratch);
    out.insert(out.end(), scratch.begin(), scratch.end());
  }

  Status add_merges();
  void add_scored_pairs();
  void index_whole_pieces();

 private:
  void spell_bytes(std::string_view piece, std::vector<TokenId>& ids) const {
    for (const char c : piece) {
      const TokenId id = byte_ids_[static_cast<uint8_t>(c)];
      if (id >= 0) ids.push_back(id);
    }
  }
  void spell_characters(std::string_view piece, std::vector<TokenId>& ids) const;
  bool spell_unknown(std::string_view character, std::vector<TokenId>& ids) const;

  const TokenizerSpec& spec_;
  const Vocabulary& vocabulary_;
  bool bytes_;
  std::array<TokenId, 256> byte_ids_;  // −1 where the vocabulary lacks the byte
  BpeMerger merger_;
  // Pieces that are one token: most pieces of a text are, and need no merging. Views into `spellings_` or the vocabulary.
  std::unordered_map<std::string_view, TokenId> whole_pieces_;
  std::string spellings_;
};

// All bytes of a character by their tokens, where each has one.
bool Bpe::spell_unknown(std::string_view character, std::vector<TokenId>& ids) const {
  if (!spec_.byte_fallback) return false;
  for (const char c : character) {
    if (byte_ids_[static_cast<uint8_t>(c)] < 0) return false;
  }
  for (const char c : character) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
  return true;
}

void Bpe::spell_characters(std::string_view piece, std::vector<TokenId>& ids) const {
  std::string dressed;
  bool unknown = false;  // one waits to be written, so that its neighbours can join it
  const auto write_unknown = [&] {
    if (unknown) ids.push_back(spec_.unk);
    unknown = false;
  };
  for (size_t at = 0; at < piece.size();) {
    const size_t length = unicode::code_point_at(piece, at).length;
    std::string_view character = piece.substr(at, length);
    const bool prefix = at > 0 && !spec_.continuing_prefix.empty();
    at += length;
    const bool suffix = at == piece.size() && !spec_.word_suffix.empty();
    if (prefix || suffix) {
      dressed = (prefix ? spec_.continuing_prefix : "") + std::string(character) + (suffix ? spec_.word_suffix : "");
      character = dressed;
    }
    if (const TokenId id = vocabulary_.plain(character); id >= 0) {
      write_unknown();
      ids.push_back(id);
    } else if (!spell_unknown(character, ids) && spec_.unk >= 0) {
      if (!spec_.fuse_unk) write_unknown();
      unknown = true;
    }
  }
  write_unknown();
}

Status Bpe::add_merges() {
  if (spec_.merges.size() > kMaxMerges) {
    return make_error(ErrorCode::kTooLarge, "{} merges; at most {} are read", spec_.merges.size(), kMaxMerges);
  }
  std::string joined;
  for (size_t rank = 0; rank < spec_.merges.size(); ++rank) {
    const auto& [left, right] = spec_.merges[rank];
    joined = left;
    const bool continues = !spec_.continuing_prefix.empty() && right.starts_with(spec_.continuing_prefix);
    joined += continues ? right.substr(spec_.continuing_prefix.size()) : right;
    const TokenId a = vocabulary_.any(left), b = vocabulary_.any(right), ab = vocabulary_.any(joined);
    if (a < 0 || b < 0 || ab < 0) {
      return corrupt("merge {} ('{}' '{}') needs the token '{}', which is not in the vocabulary", rank, left,
                        right, a < 0 ? left : b < 0 ? right : joined);
    }
    if (!vocabulary_.is_special(ab)) merger_.add(a, b, {static_cast<int32_t>(rank), ab});
  }
  return {};
}

// Two neighbours may be joined wherever the vocabulary has them as one; the higher its score, the earlier.
void Bpe::add_scored_pairs() {
  std::map<double, int32_t, std::greater<>> ranks;
  for (const double score : spec_.scores) ranks.emplace(score, 0);
  int32_t rank = 0;
  for (auto& [score, its_rank] : ranks) its_rank = rank++;
  for (size_t id = 0; id < spec_.vocab.size(); ++id) {
    const std::string_view token = spec_.vocab[id];
    if (token.empty() || token.size() > kMaxScoredBytes || vocabulary_.plain(token) != static_cast<TokenId>(id)) continue;
    for (size_t at = unicode::code_point_at(token, 0).length; at < token.size(); at += unicode::code_point_at(token, at).length) {
      const TokenId left = vocabulary_.plain(token.substr(0, at)), right = vocabulary_.plain(token.substr(at));
      if (left >= 0 && right >= 0) merger_.add(left, right, {ranks[spec_.scores[id]], static_cast<TokenId>(id)});
    }
  }
}

void Bpe::index_whole_pieces() {
  const bool dressed = !spec_.continuing_prefix.empty() || !spec_.word_suffix.empty();
  if (dressed && !spec_.ignore_merges) return;
  std::vector<std::pair<size_t, TokenId>> ends;
  for (size_t id = 0; id < spec_.vocab.size(); ++id) {
    if (spec_.vocab[id].empty() || vocabulary_.is_added(static_cast<TokenId>(id))) continue;
    const auto spelled = bytes_ ? from_printable(spec_.vocab[id]) : spec_.vocab[id];
    if (!spelled) continue;
    spellings_ += *spelled;
    ends.emplace_back(spellings_.size(), static_cast<TokenId>(id));
  }
  std::vector<TokenId> encoded;
  std::unordered_map<std::string_view, TokenId> found;
  found.reserve(ends.size());
  size_t begin = 0;
  for (const auto& [end, id] : ends) {
    const std::string_view piece = std::string_view(spellings_).substr(begin, end - begin);
    begin = end;
    encoded.clear();
    if (!spec_.ignore_merges) encode(piece, encoded);
    if (spec_.ignore_merges || (encoded.size() == 1 && encoded[0] == id)) found.emplace(piece, id);
  }
  whole_pieces_ = std::move(found);
}

}  // namespace

Result<std::unique_ptr<TokenModel>> make_bpe(const TokenizerSpec& spec, const Vocabulary& vocabulary, bool spells_bytes) {
  bool bytes = spells_bytes && spec.continuing_prefix.empty() && spec.word_suffix.empty() && !spec.byte_fallback;
  for (int byte = 0; byte < 256 && spec.unk >= 0; ++byte) {
    const char c = static_cast<char>(byte);
    bytes = bytes && vocabulary.plain(to_printable({&c, 1})) >= 0;
  }
  if (!spec.scores.empty() && spec.scores.size() != spec.vocab.size()) {
    return corrupt("{} tokens with {} scores", spec.vocab.size(), spec.scores.size());
  }
  auto model = std::make_unique<Bpe>(spec, vocabulary, bytes);
  OWLET_TRY(model->add_merges());
  if (spec.merges.empty() && !spec.scores.empty()) model->add_scored_pairs();
  model->index_whole_pieces();
  return std::unique_ptr<TokenModel>(std::move(model));
}

}  // namespace owlet
