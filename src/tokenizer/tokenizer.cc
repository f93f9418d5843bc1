#include "tokenizer/tokenizer.h"

#include <unordered_map>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe_merger.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr size_t kMaxVocab = size_t{1} << 22;

// The bytes of all tokens, one after another.
class ByteTable {
 public:
  void add(std::string_view bytes) {
    bytes_ += bytes;
    ends_.push_back(bytes_.size());
  }
  std::string_view operator[](size_t id) const {
    const size_t begin = id == 0 ? 0 : ends_[id - 1];
    return std::string_view(bytes_).substr(begin, ends_[id] - begin);
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

}  // namespace

struct Tokenizer::Impl {
  BpeSpec spec;
  PieceEnd piece_end = nullptr;
  std::unordered_map<std::string_view, TokenId> ids;  // by the vocabulary's spelling; views into `spec`
  ByteTable bytes;
  std::vector<bool> special;
  TokenId byte_ids[256];  // −1 where the vocabulary lacks the byte
  BpeMerger merger;
  // Pieces that are one token, by their bytes: most pieces of a text are, and need no merging. Views into `bytes`.
  std::unordered_map<std::string_view, TokenId> whole_pieces;
  AddedTokenFinder first_added, normalized_added;  // the second are sought in what the first leave

  Status index_vocab();
  Status index_merges();
  Status index_added();
  void index_whole_pieces();
  void encode(std::string_view text, AddedTokenFinder::Trust trust, std::vector<TokenId>& out) const;
  void encode_stretch(std::string_view text, std::vector<TokenId>& out) const;
  void encode_piece(std::string_view piece, std::vector<TokenId>& scratch, std::vector<TokenId>& out) const;
};

Status Tokenizer::Impl::index_vocab() {
  if (spec.vocab.empty()) return make_error(ErrorCode::kCorrupt, "the vocabulary is empty");
  if (spec.vocab.size() > kMaxVocab) {
    return make_error(ErrorCode::kTooLarge, "a vocabulary of {} tokens; at most {} are read", spec.vocab.size(), kMaxVocab);
  }
  ids.reserve(spec.vocab.size());
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    const std::string& token = spec.vocab[id];
    if (token.empty()) continue;
    if (const auto [it, fresh] = ids.emplace(token, static_cast<TokenId>(id)); !fresh) {
      return make_error(ErrorCode::kCorrupt, "the token '{}' stands twice in the vocabulary, as {} and {}", token,
                        it->second, id);
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const auto it = ids.find(to_printable({&c, 1}));
    byte_ids[byte] = it == ids.end() ? -1 : it->second;
  }
  return {};
}

Status Tokenizer::Impl::index_merges() {
  if (spec.merges.size() > kMaxVocab) {
    return make_error(ErrorCode::kTooLarge, "{} merges; at most {} are read", spec.merges.size(), kMaxVocab);
  }
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const auto a = ids.find(left), b = ids.find(right), ab = ids.find(left + right);
    for (const auto& [it, token] : {std::pair(a, left), std::pair(b, right), std::pair(ab, left + right)}) {
      if (it == ids.end()) {
        return make_error(ErrorCode::kCorrupt, "merge {} ('{}' '{}') needs the token '{}', which is not in the vocabulary",
                          rank, left, right, token);
      }
    }
    merger.add(a->second, b->second, {static_cast<int32_t>(rank), ab->second});
  }
  return {};
}

Status Tokenizer::Impl::index_added() {
  special.assign(spec.vocab.size(), false);
  std::vector<bool> seen(spec.vocab.size(), false);
  std::vector<AddedToken> first, normalized;
  for (const AddedToken& token : spec.added) {
    const auto id = static_cast<size_t>(token.id);
    if (token.id < 0 || id >= spec.vocab.size() || token.text.empty() || spec.vocab[id] != token.text || seen[id]) {
      return make_error(ErrorCode::kCorrupt, "the added token '{}' with id {} does not agree with the vocabulary",
                        token.text, token.id);
    }
    seen[id] = true;
    special[id] = token.special;
    (token.normalized ? normalized : first).push_back(token);
  }
  first_added = AddedTokenFinder(std::move(first));
  normalized_added = AddedTokenFinder(std::move(normalized));
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    const std::string& token = spec.vocab[id];
    const auto spelled = seen[id] ? std::nullopt : from_printable(token);
    bytes.add(spelled ? *spelled : token);
  }
  return {};
}

void Tokenizer::Impl::index_whole_pieces() {
  std::vector<bool> added(spec.vocab.size(), false);
  for (const AddedToken& token : spec.added) added[static_cast<size_t>(token.id)] = true;
  std::vector<TokenId> scratch, encoded;
  whole_pieces.reserve(spec.vocab.size());
  for (size_t id = 0; id < spec.vocab.size(); ++id) {
    if (added[id] || bytes[id].empty()) continue;
    encoded.clear();
    encode_piece(bytes[id], scratch, encoded);
    const bool itself = encoded.size() == 1 && encoded[0] == static_cast<TokenId>(id);
    if (spec.ignore_merges || itself) whole_pieces.emplace(bytes[id], static_cast<TokenId>(id));
  }
}

void Tokenizer::Impl::encode_piece(std::string_view piece, std::vector<TokenId>& scratch,
                                   std::vector<TokenId>& out) const {
  if (const auto it = whole_pieces.find(piece); it != whole_pieces.end()) return out.push_back(it->second);
  scratch.clear();
  for (const char c : piece) {
    const TokenId id = byte_ids[static_cast<uint8_t>(c)];
    if (id >= 0) scratch.push_back(id);
  }
  merger.merge(scratch);
  out.insert(out.end(), scratch.begin(), scratch.end());
}

void Tokenizer::Impl::encode_stretch(std::string_view text, std::vector<TokenId>& out) const {
  std::string spaced;
  if (spec.add_prefix_space && !text.empty() && text[0] != ' ') text = spaced = fmt::format(" {}", text);
  std::vector<TokenId> scratch;
  for (size_t at = 0; at < text.size();) {
    const size_t end = piece_end(text, at);
    encode_piece(text.substr(at, end - at), scratch, out);
    at = end;
  }
}

Result<Tokenizer> Tokenizer::from_spec(BpeSpec spec) {
  auto impl = std::make_unique<Impl>();
  OWLET_ASSIGN(impl->piece_end, find_pre_tokenizer(spec.pre_tokenizer));
  impl->spec = std::move(spec);
  OWLET_TRY(impl->index_vocab());
  OWLET_TRY(impl->index_merges());
  OWLET_TRY(impl->index_added());
  impl->index_whole_pieces();
  const auto size = static_cast<TokenId>(impl->spec.vocab.size());
  for (const TokenId id : {impl->spec.bos, impl->spec.eos}) {
    if (id < -1 || id >= size) return make_error(ErrorCode::kCorrupt, "token id {} is outside the vocabulary of {}", id, size);
  }
  if (impl->spec.add_bos && impl->spec.bos < 0) {
    return make_error(ErrorCode::kCorrupt, "a token is to be put before each text, but it is not said which");
  }
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

void Tokenizer::Impl::encode(std::string_view text, AddedTokenFinder::Trust trust, std::vector<TokenId>& out) const {
  out.reserve(out.size() + text.size() / 3 + 1);
  for (const auto& outer : first_added.cut(text, trust)) {
    if (outer.id >= 0) {
      out.push_back(outer.id);
      continue;
    }
    const auto begin = static_cast<size_t>(outer.text.data() - text.data());
    for (const auto& inner : normalized_added.cut(outer.text, trust.from(begin))) {
      inner.id >= 0 ? out.push_back(inner.id) : encode_stretch(inner.text, out);
    }
  }
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  if (options.add_special && impl_->spec.add_bos) out.push_back(impl_->spec.bos);
  impl_->encode(text, {.everywhere = options.parse_special}, out);
  return out;
}

std::vector<TokenId> Tokenizer::encode(const MarkedText& text) const {
  std::vector<TokenId> out;
  impl_->encode(text.bytes(), {.marks = text.marks().data()}, out);
  return out;
}

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool keep_special) const {
  std::string out;
  for (const TokenId id : ids) out += bytes_of(id, keep_special);
  return out;
}

std::string_view Tokenizer::bytes_of(TokenId id, bool keep_special) const {
  if (id < 0 || id >= vocab_size() || (is_special(id) && !keep_special)) return {};
  return impl_->bytes[static_cast<size_t>(id)];
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->spec.vocab.size()); }
TokenId Tokenizer::bos() const { return impl_->spec.bos; }
TokenId Tokenizer::eos() const { return impl_->spec.eos; }
const BpeSpec& Tokenizer::spec() const { return impl_->spec; }

TokenId Tokenizer::id_of(std::string_view token) const {
  const auto it = impl_->ids.find(token);
  return it == impl_->ids.end() ? -1 : it->second;
}

bool Tokenizer::is_special(TokenId id) const {
  return id >= 0 && id < vocab_size() && impl_->special[static_cast<size_t>(id)];
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool keep_special)
    : tokenizer_(&tokenizer), keep_special_(keep_special) {}

std::string StreamDecoder::push(TokenId id) {
  pending_ += tokenizer_->bytes_of(id, keep_special_);
  const size_t whole = unicode::complete_prefix(pending_);
  std::string text = unicode::replace_broken(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = unicode::replace_broken(pending_);
  pending_.clear();
  return text;
}

}  // namespace owlet
