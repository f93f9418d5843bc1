#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/utf8.h"

namespace owlet {
namespace {

uint64_t pair_key(TokenId a, TokenId b) { return (static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32) | static_cast<uint32_t>(b); }

struct Merge {
  int32_t rank;
  TokenId result;
};

using MergeTable = std::unordered_map<uint64_t, Merge>;

// Pieces up to this long are merged by looking at all pairs again after each merge; longer ones with a queue.
constexpr size_t kShortPiece = 48;

void merge_short(const MergeTable& merges, std::vector<TokenId>& ids) {
  while (ids.size() > 1) {
    size_t best = 0;
    const Merge* found = nullptr;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto it = merges.find(pair_key(ids[i], ids[i + 1]));
      if (it != merges.end() && (!found || it->second.rank < found->rank)) {
        found = &it->second;
        best = i;
      }
    }
    if (!found) return;
    ids[best] = found->result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// The same result in O(n log n): a linked list of symbols, and a queue of candidate pairs by rank, then place.
void merge_long(const MergeTable& merges, std::vector<TokenId>& ids) {
  struct Candidate {
    int32_t rank;
    size_t left;
    TokenId a, b;
    bool operator>(const Candidate& other) const { return std::pair(rank, left) > std::pair(other.rank, other.left); }
  };
  constexpr size_t kNone = SIZE_MAX;
  const size_t n = ids.size();
  std::vector<size_t> next(n), previous(n);
  std::vector<bool> alive(n, true);
  for (size_t i = 0; i < n; ++i) {
    next[i] = i + 1 < n ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](size_t left) {
    if (left == kNone || next[left] == kNone) return;
    const TokenId a = ids[left], b = ids[next[left]];
    const auto it = merges.find(pair_key(a, b));
    if (it != merges.end()) queue.push({it->second.rank, left, a, b});
  };
  for (size_t i = 0; i < n; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    // Stale: one of its symbols has been merged away or changed since.
    if (!alive[c.left] || ids[c.left] != c.a || next[c.left] == kNone || ids[next[c.left]] != c.b) continue;
    const size_t right = next[c.left];
    ids[c.left] = merges.at(pair_key(c.a, c.b)).result;
    alive[right] = false;
    next[c.left] = next[right];
    if (next[right] != kNone) previous[next[right]] = c.left;
    offer(previous[c.left]);
    offer(c.left);
  }
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    if (alive[i]) ids[kept++] = ids[i];
  }
  ids.resize(kept);
}

}  // namespace

struct Tokenizer::Impl {
  BpeSpec spec;
  PreTokenizer split = nullptr;
  std::unordered_map<std::string, TokenId> ids;      // by printable text
  std::vector<std::string> bytes;                    // id → what it decodes to
  std::vector<bool> special;
  std::array<TokenId, 256> byte_ids{};
  MergeTable merges;
  std::vector<AddedToken> added_by_length;           // longest first, so that the longest wins
  std::array<bool, 256> added_first{};               // bytes that begin an added token

  Status index_vocab();
  Status index_added();
  Status index_merges();
  const AddedToken* added_at(std::string_view text, size_t at, bool parse_special) const;
  void encode_plain(std::string_view text, std::vector<TokenId>& out) const;
  void encode_piece(std::string_view piece, std::vector<TokenId>& out) const;
};

Status Tokenizer::Impl::index_vocab() {
  const size_t n = spec.vocab.size();
  if (n == 0 || n > (size_t{1} << 22)) return make_error(ErrorCode::kCorrupt, "a vocabulary of {} tokens", n);
  bytes.resize(n);
  special.assign(n, false);
  for (size_t i = 0; i < n; ++i) {
    const std::string& token = spec.vocab[i];
    if (!ids.emplace(token, static_cast<TokenId>(i)).second) {
      return make_error(ErrorCode::kCorrupt, "token '{}' stands twice in the vocabulary", token);
    }
    // A token outside the byte alphabet can only be an added one, which stands for its own text.
    bytes[i] = printable_to_bytes(token).value_or(token);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto it = ids.find(byte_to_printable(static_cast<uint8_t>(byte)));
    byte_ids[static_cast<size_t>(byte)] = it == ids.end() ? -1 : it->second;
  }
  return {};
}

Status Tokenizer::Impl::index_added() {
  for (const AddedToken& token : spec.added) {
    const auto id = static_cast<size_t>(token.id);
    if (token.id < 0 || id >= spec.vocab.size() || token.text.empty()) {
      return make_error(ErrorCode::kCorrupt, "added token '{}' has the id {}, outside the vocabulary", token.text, token.id);
    }
    bytes[id] = token.text;
    special[id] = token.special;
    added_by_length.push_back(token);
    added_first[static_cast<uint8_t>(token.text[0])] = true;
  }
  std::sort(added_by_length.begin(), added_by_length.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.text.size() > b.text.size(); });
  return {};
}

Status Tokenizer::Impl::index_merges() {
  merges.reserve(spec.merges.size());
  int32_t rank = 0;
  for (const auto& [left, right] : spec.merges) {
    const auto a = ids.find(left), b = ids.find(right), both = ids.find(left + right);
    if (a == ids.end() || b == ids.end() || both == ids.end()) {
      return make_error(ErrorCode::kCorrupt, "merge {} ('{}' '{}') uses a token that is not in the vocabulary", rank, left, right);
    }
    merges.emplace(pair_key(a->second, b->second), Merge{rank, both->second});
    ++rank;
  }
  return {};
}

const AddedToken* Tokenizer::Impl::added_at(std::string_view text, size_t at, bool parse_special) const {
  if (!added_first[static_cast<uint8_t>(text[at])]) return nullptr;
  for (const AddedToken& token : added_by_length) {
    if ((parse_special || !token.special) && text.substr(at).starts_with(token.text)) return &token;
  }
  return nullptr;
}

void Tokenizer::Impl::encode_piece(std::string_view piece, std::vector<TokenId>& out) const {
  std::vector<TokenId> symbols;
  symbols.reserve(piece.size());
  for (char c : piece) {
    const TokenId id = byte_ids[static_cast<uint8_t>(c)];
    if (id >= 0) symbols.push_back(id);  // a vocabulary without this byte cannot say it
  }
  piece.size() <= kShortPiece ? merge_short(merges, symbols) : merge_long(merges, symbols);
  out.insert(out.end(), symbols.begin(), symbols.end());
}

void Tokenizer::Impl::encode_plain(std::string_view text, std::vector<TokenId>& out) const {
  if (text.empty()) return;
  const auto piece = [&](std::string_view p) { encode_piece(p, out); };
  if (spec.add_prefix_space && text.front() != ' ') {
    split(" " + std::string(text), piece);
  } else {
    split(text, piece);
  }
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_spec(BpeSpec spec) {
  auto impl = std::make_unique<Impl>();
  impl->spec = std::move(spec);
  OWLET_ASSIGN(impl->split, find_pre_tokenizer(impl->spec.pre_tokenizer));
  OWLET_TRY(impl->index_vocab());
  OWLET_TRY(impl->index_added());
  OWLET_TRY(impl->index_merges());
  return Tokenizer(std::move(impl));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  if (options.add_special && impl_->spec.add_bos && impl_->spec.bos >= 0) out.push_back(impl_->spec.bos);
  size_t plain = 0;  // where the text not yet encoded begins
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = impl_->added_at(text, at, options.parse_special);
    if (!token) {
      ++at;
      continue;
    }
    impl_->encode_plain(text.substr(plain, at - plain), out);
    out.push_back(token->id);
    plain = at += token->text.size();
  }
  impl_->encode_plain(text.substr(plain), out);
  return out;
}

std::string_view Tokenizer::bytes_of(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= impl_->bytes.size()) return {};
  return impl_->bytes[static_cast<size_t>(id)];
}

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool keep_special) const {
  std::string text;
  for (TokenId id : ids) {
    if (keep_special || !is_special(id)) text += bytes_of(id);
  }
  return text;
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->spec.vocab.size()); }
TokenId Tokenizer::bos() const { return impl_->spec.bos; }
TokenId Tokenizer::eos() const { return impl_->spec.eos; }
const BpeSpec& Tokenizer::spec() const { return impl_->spec; }
TokenId Tokenizer::id_of(std::string_view token) const {
  const auto it = impl_->ids.find(std::string(token));
  return it == impl_->ids.end() ? -1 : it->second;
}
bool Tokenizer::is_special(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < impl_->special.size() && impl_->special[static_cast<size_t>(id)];
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool keep_special)
    : tokenizer_(&tokenizer), keep_special_(keep_special) {}

namespace {
// How many bytes at the end of `text` may still become a character.
size_t unfinished_tail(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<uint8_t>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// The text with U+FFFD for every byte that belongs to no character.
std::string repair(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    out += c.code == kInvalidChar ? std::string_view("\xef\xbf\xbd") : text.substr(at, static_cast<size_t>(c.length));
    at += static_cast<size_t>(c.length);
  }
  return out;
}
}  // namespace

std::string StreamDecoder::push(TokenId id) {
  if (keep_special_ || !tokenizer_->is_special(id)) pending_ += tokenizer_->bytes_of(id);
  const size_t ready = pending_.size() - unfinished_tail(pending_);
  std::string text = repair(std::string_view(pending_).substr(0, ready));
  pending_.erase(0, ready);
  return text;
}

std::string StreamDecoder::finish() { return repair(std::exchange(pending_, {})); }

}  // namespace owlet
