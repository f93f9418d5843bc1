#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "tokenizer/added_tokens.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/decoders.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/piece_cache.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/token_model.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

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

// As many caches as there ever were threads encoding at once.
class CacheShelf {
 public:
  std::unique_ptr<PieceCache> take() {
    const std::lock_guard lock(mutex_);
    if (caches_.empty()) return std::make_unique<PieceCache>();
    auto cache = std::move(caches_.back());
    caches_.pop_back();
    return cache;
  }
  void put_back(std::unique_ptr<PieceCache> cache) {
    const std::lock_guard lock(mutex_);
    caches_.push_back(std::move(cache));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<PieceCache>> caches_;
};

// Where ids go, and what knows the pieces that were there before.
struct Sink {
  std::vector<TokenId>& ids;
  PieceCache& cache;
};

}  // namespace

struct Tokenizer::Impl {
  using Trust = AddedTokenFinder::Trust;

  TokenizerSpec spec;
  Vocabulary vocabulary;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  TokenDecoder decoder;
  TokensAround around;
  AddedTokenFinder first_added, normalized_added;  // the second are sought in what the first leave
  bool special_is_normalized = false;              // some control tokens are among the second
  ByteTable bytes;                                 // of tokens in the middle of a text
  std::unordered_map<TokenId, std::string> first_bytes, last_bytes;  // of those that are others at its beginning or end
  mutable CacheShelf caches;

  Status read_stages();
  void index_added();
  void index_bytes();
  void encode(std::string_view text, Trust trust, std::vector<TokenId>& out) const;
  void encode_stretch(std::string_view text, bool at_start, Trust trust, Sink out) const;
  // `first`: how many bytes stem from the first character of the whole text (normalizers.h)
  void encode_normalized(std::string_view text, size_t first, Trust trust, Sink out) const;
  void encode_plain(const Pieces::Piece& plain, Sink out) const;
};

Status Tokenizer::Impl::read_stages() {
  OWLET_ASSIGN(vocabulary, Vocabulary::index(spec));
  const auto stage = [](const std::string& text, auto&& read) -> decltype(read(Json())) {
    OWLET_ASSIGN(const Json node, parse_json(text));
    return read(node);
  };
  OWLET_ASSIGN(normalizer, stage(spec.normalizer, [](const Json& node) { return read_normalizer(node); }));
  OWLET_ASSIGN(pre_tokenizer, stage(spec.pre_tokenizer, PreTokenizer::read));
  const bool spells_bytes = pre_tokenizer.spells_bytes();
  OWLET_ASSIGN(decoder, stage(spec.decoder, [&](const Json& node) { return TokenDecoder::read(node, spells_bytes); }));
  OWLET_ASSIGN(around, stage(spec.post_processor, [&](const Json& node) { return read_post_processor(node, spec.vocab.size()); }));
  switch (spec.kind) {
    case TokenModelKind::kBpe: {
      OWLET_ASSIGN(model, make_bpe(spec, vocabulary, spells_bytes));
      return {};
    }
    case TokenModelKind::kUnigram: {
      OWLET_ASSIGN(model, make_unigram(spec, vocabulary));
      return {};
    }
    case TokenModelKind::kWordPiece: {
      OWLET_ASSIGN(model, make_word_piece(spec, vocabulary));
      return {};
    }
    case TokenModelKind::kWordLevel: {
      OWLET_ASSIGN(model, make_word_level(spec, vocabulary));
      return {};
    }
  }
  return {};
}

void Tokenizer::Impl::index_added() {
  std::vector<AddedToken> first, normalized;
  for (AddedToken token : spec.added) {
    if (!token.normalized) {
      first.push_back(std::move(token));
      continue;
    }
    token.text = normalize(normalizer, token.text);
    if (token.text.empty()) continue;
    special_is_normalized = special_is_normalized || token.special;
    normalized.push_back(std::move(token));
  }
  first_added = AddedTokenFinder(std::move(first));
  normalized_added = AddedTokenFinder(std::move(normalized));
}

void Tokenizer::Impl::index_bytes() {
  std::unordered_map<TokenId, std::string> normal;  // added tokens that were found in normalized text are what was found
  for (const AddedToken& token : spec.added) {
    if (token.normalized) normal.emplace(token.id, normalize(normalizer, token.text));
  }
  for (size_t i = 0; i < spec.vocab.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const auto it = normal.find(id);
    const std::string& token = it == normal.end() ? spec.vocab[i] : it->second;
    const bool added = vocabulary.is_added(id);
    const auto decoded = [&](bool first, bool last) {
      return token.empty() ? "" : decoder.decode(token, {.first = first, .last = last, .added = added});
    };
    const std::string text = decoded(false, false);
    bytes.add(text);
    if (std::string first = decoded(true, false); first != text) first_bytes.emplace(id, std::move(first));
    if (!decoder.minds_last()) continue;
    if (std::string last = decoded(false, true); last != text) last_bytes.emplace(id, std::move(last));
  }
}

// Text without added tokens, normalized.
void Tokenizer::Impl::encode_plain(const Pieces::Piece& plain, Sink out) const {
  const bool respell = pre_tokenizer.spells_bytes() && !model->takes_bytes();
  const auto encode_piece = [&](std::string_view piece, std::vector<TokenId>& ids) {
    respell ? model->encode(to_printable(piece), ids) : model->encode(piece, ids);
  };
  if (const PieceEnd piece_end = pre_tokenizer.sole_splitter()) {
    std::string spaced;
    std::string_view text = plain.text;
    if (pre_tokenizer.prefix_space() && !text.empty() && text[0] != ' ') text = spaced = fmt::format(" {}", text);
    for (size_t at = 0; at < text.size();) {
      const size_t end = piece_end(text, at);
      out.cache.append(text.substr(at, end - at), text.size() - at, out.ids, encode_piece);
      at = end;
    }
    return;
  }
  Pieces pieces;
  if (!plain.text.empty()) pieces.list.push_back(plain);
  pre_tokenizer.cut(pieces);
  for (const auto& piece : pieces.list) out.cache.append(piece.text, piece.text.size(), out.ids, encode_piece);
}

void Tokenizer::Impl::encode_normalized(std::string_view text, size_t first, Trust trust, Sink out) const {
  for (const auto& inner : normalized_added.cut(text, trust)) {
    if (inner.id >= 0) {
      out.ids.push_back(inner.id);
    } else {
      const auto begin = static_cast<size_t>(inner.text.data() - text.data());
      encode_plain(Pieces::Piece{text, first}.part(begin, begin + inner.text.size()), out);
    }
  }
}

// Text that the first added tokens leave. Marks of trust are lost where text changes: where they matter, it is cut by them before.
void Tokenizer::Impl::encode_stretch(std::string_view text, bool at_start, Trust trust, Sink out) const {
  size_t first = at_start && !text.empty() ? unicode::code_point_at(text, 0).length : 0;
  if (!normalizer) return encode_normalized(text, first, trust, out);
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = special_is_normalized && trust.marks ? begin + 1 : text.size();
    while (end < text.size() && trust.at(end) == trust.at(begin)) ++end;
    const std::string normal = normalizer(text.substr(begin, end - begin), first);
    encode_normalized(normal, first, {.everywhere = special_is_normalized && trust.at(begin)}, out);
    first = 0;
  }
}

Result<TokenizerSpec> describe(BpeSpec spec) {
  OWLET_TRY(find_pre_tokenizer(spec.pre_tokenizer).status());
  TokenizerSpec full;
  full.pre_tokenizer = dump_json(byte_level_pre_tokenizer(spec.pre_tokenizer, spec.add_prefix_space));
  full.decoder = dump_json(byte_level_pre_tokenizer("gpt2", true));
  full.post_processor = full.decoder;
  if (spec.add_bos) {
    if (spec.bos < 0 || static_cast<size_t>(spec.bos) >= spec.vocab.size()) {
      return corrupt("a token is to be put before each text, but it is not said which");
    }
    full.post_processor = dump_json(template_processing({{spec.bos}, {}}, spec.vocab));
  }
  full.vocab = std::move(spec.vocab);
  full.merges = std::move(spec.merges);
  full.added = std::move(spec.added);
  full.ignore_merges = spec.ignore_merges;
  full.bos = spec.bos;
  full.eos = spec.eos;
  return full;
}

Result<Tokenizer> Tokenizer::from_spec(BpeSpec spec) {
  OWLET_ASSIGN(TokenizerSpec full, describe(std::move(spec)));
  return from_spec(std::move(full));
}

Result<Tokenizer> Tokenizer::from_spec(TokenizerSpec spec) {
  auto impl = std::make_unique<Impl>();
  impl->spec = std::move(spec);
  OWLET_TRY(impl->read_stages());
  impl->index_added();
  impl->index_bytes();
  return Tokenizer(std::move(impl));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

void Tokenizer::Impl::encode(std::string_view text, Trust trust, std::vector<TokenId>& out) const {
  out.reserve(out.size() + text.size() / 3 + 1);
  auto cache = caches.take();
  for (const auto& stretch : first_added.cut(text, trust)) {
    if (stretch.id >= 0) {
      out.push_back(stretch.id);
      continue;
    }
    const auto begin = static_cast<size_t>(stretch.text.data() - text.data());
    encode_stretch(stretch.text, begin == 0, trust.from(begin), {out, *cache});
  }
  caches.put_back(std::move(cache));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  if (options.add_special) out = impl_->around.before;
  impl_->encode(text, {.everywhere = options.parse_special}, out);
  if (options.add_special) out.insert(out.end(), impl_->around.after.begin(), impl_->around.after.end());
  return out;
}

std::vector<std::vector<TokenId>> Tokenizer::encode_batch(std::span<const std::string> texts, ThreadPool& pool, EncodeOptions options) const {
  std::vector<std::vector<TokenId>> out(texts.size());
  std::atomic<size_t> next = 0;
  pool.run([&](int, int) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < texts.size();) out[i] = encode(texts[i], options);
  });
  return out;
}

std::vector<TokenId> Tokenizer::encode(const MarkedText& text) const {
  std::vector<TokenId> out;
  impl_->encode(text.bytes(), {.marks = text.marks().data()}, out);
  return out;
}

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool keep_special) const {
  StreamDecoder decoder(*this, keep_special);
  for (const TokenId id : ids) decoder.take(id);
  decoder.trim_end();
  return std::move(decoder.pending_);
}

std::string_view Tokenizer::bytes_of(TokenId id, bool keep_special) const {
  if (id < 0 || id >= vocab_size() || (is_special(id) && !keep_special)) return {};
  return impl_->bytes[static_cast<size_t>(id)];
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->spec.vocab.size()); }
TokenId Tokenizer::bos() const { return impl_->spec.bos; }
TokenId Tokenizer::eos() const { return impl_->spec.eos; }
TokenId Tokenizer::id_of(std::string_view token) const { return impl_->vocabulary.any(token); }
bool Tokenizer::is_special(TokenId id) const { return id >= 0 && id < vocab_size() && impl_->vocabulary.is_special(id); }
const TokenizerSpec& Tokenizer::spec() const { return impl_->spec; }
const std::vector<TokenId>& Tokenizer::before_text() const { return impl_->around.before; }
const std::vector<TokenId>& Tokenizer::after_text() const { return impl_->around.after; }

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool keep_special, bool continues)
    : tokenizer_(&tokenizer), keep_special_(keep_special), first_(!continues),
      to_trim_(continues ? 0 : tokenizer.impl_->decoder.left().at_most) {}

void StreamDecoder::take(TokenId id) {
  if (id < 0 || id >= tokenizer_->vocab_size() || (tokenizer_->is_special(id) && !keep_special_)) return;
  const auto& impl = *tokenizer_->impl_;
  std::string_view bytes = impl.bytes[static_cast<size_t>(id)];
  if (first_) {
    if (const auto it = impl.first_bytes.find(id); it != impl.first_bytes.end()) bytes = it->second;
  }
  first_ = false;
  pending_ += held_;
  held_.clear();
  held_last_.clear();
  const std::string& trimmed = impl.decoder.left().character;
  while (to_trim_ > 0 && !bytes.empty()) {
    if (trimmed.empty() || !bytes.starts_with(trimmed)) {
      to_trim_ = 0;
    } else {
      bytes.remove_prefix(trimmed.size());
      --to_trim_;
    }
  }
  if (const auto it = impl.last_bytes.find(id); it != impl.last_bytes.end()) {
    const std::string_view last = it->second;
    const auto same = static_cast<size_t>(std::mismatch(bytes.begin(), bytes.end(), last.begin(), last.end()).first - bytes.begin());
    held_ = bytes.substr(same);
    held_last_ = last.substr(same);
    bytes = bytes.substr(0, same);
  }
  pending_ += bytes;
}

std::string StreamDecoder::push(TokenId id) {
  take(id);
  const auto& right = tokenizer_->impl_->decoder.right();
  size_t whole = unicode::complete_prefix(pending_);
  for (size_t i = 0; i < right.at_most && !right.character.empty() && std::string_view(pending_).substr(0, whole).ends_with(right.character); ++i) whole -= right.character.size();
  std::string text = unicode::replace_broken(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return text;
}

std::string StreamDecoder::finish() {
  trim_end();
  std::string text = unicode::replace_broken(pending_);
  pending_.clear();
  return text;
}

void StreamDecoder::trim_end() {
  pending_ += held_last_;
  held_.clear();
  held_last_.clear();
  const auto& [character, at_most] = tokenizer_->impl_->decoder.right();
  for (size_t i = 0; i < at_most && !character.empty() && pending_.ends_with(character); ++i) {
    pending_.resize(pending_.size() - character.size());
  }
}

}  // namespace owlet
