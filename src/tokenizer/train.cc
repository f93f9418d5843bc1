#include "tokenizer/train.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pair_table.h"
#include "tokenizer/piece_counts.h"
#include "tokenizer/pre_tokenizer.h"

namespace owlet {
namespace {

// The words of a corpus, each a stretch of one long list of ids.
struct Words {
  struct Word {
    size_t begin;
    uint32_t length;
    int64_t count;
  };
  std::vector<TokenId> ids;
  std::vector<Word> list;
};

// A pair that waits to be merged, with the words it was seen in when it was put there.
struct Candidate {
  int64_t count;
  std::pair<TokenId, TokenId> pair;
  std::vector<uint32_t> words;
  // The most frequent first; of equally frequent ones the pair with the lower ids.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// The words of a corpus and the counts of their pairs, kept up to date merge by merge.
class MergeLearner {
 public:
  MergeLearner(BpeSpec spec, Words words) : spec_(std::move(spec)), words_(std::move(words)) {
    for (size_t id = 0; id < spec_.vocab.size(); ++id) ids_.emplace(spec_.vocab[id], static_cast<TokenId>(id));
    for (uint32_t w = 0; w < words_.list.size(); ++w) {
      const Words::Word& word = words_.list[w];
      const TokenId* ids = &words_.ids[word.begin];
      for (size_t i = 0; i + 1 < word.length; ++i) change({ids[i], ids[i + 1]}, word.count, w);
    }
    queue_fresh_pairs();
  }

  BpeSpec learn(size_t vocab_size, int64_t min_frequency) && {
    std::vector<Pair> merges;
    while (ids_.size() < vocab_size && !queue_.empty()) {
      Candidate top = pop();
      const int64_t count = counts_(top.pair.first, top.pair.second).count;
      if (count != top.count) {  // it has changed since it was queued
        top.count = count;
        push(std::move(top));
        continue;
      }
      if (count < min_frequency) break;
      const TokenId id = token_of(top.pair);
      merges.push_back(top.pair);
      for (const uint32_t w : top.words) merge_word(w, top.pair, id);
      queue_fresh_pairs();
    }
    write_merges(merges);
    return std::move(spec_);
  }

 private:
  using Pair = std::pair<TokenId, TokenId>;

  void push(Candidate candidate) {
    queue_.push_back(std::move(candidate));
    std::push_heap(queue_.begin(), queue_.end());
  }
  Candidate pop() {
    std::pop_heap(queue_.begin(), queue_.end());
    Candidate top = std::move(queue_.back());
    queue_.pop_back();
    return top;
  }

  // Counts `pair` `by` more times; where that is positive, word w is one to visit when the pair is merged.
  void change(Pair pair, int64_t by, uint32_t w) {
    PairState& state = counts_(pair.first, pair.second);
    state.count += by;
    if (by <= 0) return;
    if (state.fresh < 0) {
      state.fresh = static_cast<int32_t>(fresh_.size());
      fresh_.push_back({pair, {}});
    }
    auto& words = fresh_[static_cast<size_t>(state.fresh)].words;
    if (words.empty() || words.back() != w) words.push_back(w);
  }

  void queue_fresh_pairs() {
    for (Fresh& fresh : fresh_) {
      PairState& state = counts_(fresh.pair.first, fresh.pair.second);
      state.fresh = -1;
      if (state.count > 0) push({state.count, fresh.pair, std::move(fresh.words)});
    }
    fresh_.clear();
  }

  // The token that a pair makes; two pairs may make the same.
  TokenId token_of(Pair pair) {
    const std::string token =
        spec_.vocab[static_cast<size_t>(pair.first)] + spec_.vocab[static_cast<size_t>(pair.second)];
    const auto [it, fresh] = ids_.emplace(token, static_cast<TokenId>(spec_.vocab.size()));
    if (fresh) spec_.vocab.push_back(token);
    return it->second;
  }

  // Merges `pair` in one word, left to right. The count of `pair` itself stays as it was, as in the original: it
  // matters only where the pair arises again because two pairs make one token.
  void merge_word(uint32_t w, Pair pair, TokenId id) {
    Words::Word& word = words_.list[w];
    TokenId* ids = &words_.ids[word.begin];
    const int64_t count = word.count;
    uint32_t out = 0;
    for (uint32_t i = 0; i < word.length; ++i, ++out) {
      if (ids[i] != pair.first || i + 1 == word.length || ids[i + 1] != pair.second) {
        ids[out] = ids[i];
        continue;
      }
      if (out > 0) {
        change({ids[out - 1], pair.first}, -count, w);
        change({ids[out - 1], id}, count, w);
      }
      if (i + 2 < word.length) {
        change({pair.second, ids[i + 2]}, -count, w);
        change({id, ids[i + 2]}, count, w);
      }
      ids[out] = id;
      ++i;
    }
    word.length = out;
  }

  // A pair that was merged twice keeps its later rank.
  void write_merges(const std::vector<Pair>& merges) {
    PairTable<size_t> last_rank(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) last_rank(merges[rank].first, merges[rank].second) = rank;
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const auto [a, b] = merges[rank];
      if (*last_rank.find(a, b) != rank) continue;
      spec_.merges.emplace_back(spec_.vocab[static_cast<size_t>(a)], spec_.vocab[static_cast<size_t>(b)]);
    }
  }

  struct PairState {
    int64_t count = 0;
    int32_t fresh = -1;  // where in fresh_, if it is there
  };
  struct Fresh {
    Pair pair;
    std::vector<uint32_t> words;
  };

  BpeSpec spec_;
  std::unordered_map<std::string, TokenId> ids_;
  Words words_;
  PairTable<PairState> counts_;
  std::vector<Fresh> fresh_;  // pairs that arose since the queue was last fed
  std::vector<Candidate> queue_;  // a heap
};

// Special tokens, then the bytes in the order of their spellings' code points.
BpeSpec first_vocab(const BpeTrainOptions& options) {
  BpeSpec spec;
  spec.pre_tokenizer = options.pre_tokenizer;
  for (const std::string& token : options.special_tokens) {
    spec.added.push_back({.id = static_cast<TokenId>(spec.vocab.size()), .text = token});
    spec.vocab.push_back(token);
  }
  std::vector<std::pair<uint32_t, std::string>> alphabet;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    alphabet.emplace_back(byte_to_printable(static_cast<uint8_t>(byte)), to_printable({&c, 1}));
  }
  std::sort(alphabet.begin(), alphabet.end());
  for (auto& [code_point, spelling] : alphabet) {
    if (std::find(spec.vocab.begin(), spec.vocab.end(), spelling) == spec.vocab.end()) {
      spec.vocab.push_back(std::move(spelling));
    }
  }
  return spec;
}

}  // namespace

struct BpeTrainer::Impl {
  BpeTrainOptions options;
  PieceEnd piece_end = nullptr;
  std::vector<PieceCounts> counts;  // one a thread

  Words words(const BpeSpec& spec) {
    for (size_t i = 1; i < counts.size(); ++i) counts[0].add(counts[i]);
    counts.resize(1);
    TokenId byte_ids[256];
    for (size_t id = 0; id < spec.vocab.size(); ++id) {
      const auto bytes = from_printable(spec.vocab[id]);
      if (bytes && bytes->size() == 1) byte_ids[static_cast<uint8_t>((*bytes)[0])] = static_cast<TokenId>(id);
    }
    Words words;
    for (const auto& [piece, count] : counts[0].sorted()) {
      words.list.push_back({words.ids.size(), static_cast<uint32_t>(piece.size()), count});
      for (const char c : piece) words.ids.push_back(byte_ids[static_cast<uint8_t>(c)]);
    }
    return words;
  }
};

Result<BpeTrainer> BpeTrainer::create(BpeTrainOptions options) {
  auto impl = std::make_unique<Impl>();
  OWLET_ASSIGN(impl->piece_end, find_pre_tokenizer(options.pre_tokenizer));
  std::unordered_set<std::string> seen;
  for (const std::string& token : options.special_tokens) {
    if (token.empty()) return make_error(ErrorCode::kInvalidArgument, "a special token has no text");
    if (!seen.insert(token).second) {
      return make_error(ErrorCode::kInvalidArgument, "the special token '{}' is named twice", token);
    }
  }
  const size_t least = first_vocab(options).vocab.size();
  if (options.vocab_size < 0 || static_cast<size_t>(options.vocab_size) < least) {
    return make_error(ErrorCode::kInvalidArgument, "a vocabulary of {} has no room for {} special tokens and 256 bytes",
                      options.vocab_size, options.special_tokens.size());
  }
  impl->counts.resize(static_cast<size_t>(std::max(1, options.threads)));
  impl->options = std::move(options);
  return BpeTrainer(std::move(impl));
}

BpeTrainer::BpeTrainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BpeTrainer::BpeTrainer(BpeTrainer&&) noexcept = default;
BpeTrainer& BpeTrainer::operator=(BpeTrainer&&) noexcept = default;
BpeTrainer::~BpeTrainer() = default;

void BpeTrainer::add_text(std::string_view text, int thread) {
  PieceCounts& counts = impl_->counts[static_cast<size_t>(thread)];
  for (size_t at = 0; at < text.size();) {
    const size_t end = impl_->piece_end(text, at);
    counts.add(text.substr(at, end - at), text.size() - at);
    at = end;
  }
}

BpeSpec BpeTrainer::train() {
  BpeSpec spec = first_vocab(impl_->options);
  Words words = impl_->words(spec);
  return MergeLearner(std::move(spec), std::move(words))
      .learn(static_cast<size_t>(impl_->options.vocab_size), std::max<int64_t>(1, impl_->options.min_frequency));
}

}  // namespace owlet
