#include "tokenizer/train.h"

#include <algorithm>
#include <queue>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizer.h"

namespace owlet {
namespace {

using Pair = std::pair<TokenId, TokenId>;
struct PairHash {
  size_t operator()(const Pair& p) const {
    return (static_cast<uint64_t>(static_cast<uint32_t>(p.first)) << 32 | static_cast<uint32_t>(p.second)) * 0x9E3779B97F4A7C15u >> 7;
  }
};

struct Word {
  std::vector<TokenId> symbols;
  int64_t count;
};

// A candidate for the next merge. `count` may be stale, which is found out when it comes up.
struct Candidate {
  Pair pair;
  int64_t count;
  std::vector<size_t> words;  // where it stood when it was pushed
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

struct Change {
  Pair pair;
  int64_t delta;
};

// Replaces every a·b in the word from the left, saying which pairs went and came.
void merge_in_word(std::vector<TokenId>& symbols, Pair pair, TokenId merged, std::vector<Change>& changes) {
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    if (symbols[i] != pair.first || symbols[i + 1] != pair.second) continue;
    if (i > 0) {
      changes.push_back({{symbols[i - 1], pair.first}, -1});
      changes.push_back({{symbols[i - 1], merged}, 1});
    }
    symbols[i] = merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    if (i + 1 < symbols.size()) {
      changes.push_back({{pair.second, symbols[i + 1]}, -1});
      changes.push_back({{merged, symbols[i + 1]}, 1});
    }
  }
}

class Merger {
 public:
  Merger(std::vector<Word> words, int64_t min_frequency) : words_(std::move(words)), min_frequency_(min_frequency) {
    std::unordered_map<Pair, std::vector<size_t>, PairHash> places;
    for (size_t w = 0; w < words_.size(); ++w) {
      for (size_t i = 0; i + 1 < words_[w].symbols.size(); ++i) {
        const Pair pair{words_[w].symbols[i], words_[w].symbols[i + 1]};
        counts_[pair] += words_[w].count;
        auto& at = places[pair];
        if (at.empty() || at.back() != w) at.push_back(w);
      }
    }
    for (auto& [pair, at] : places) queue_.push({pair, counts_[pair], std::move(at)});
  }

  // The next pair to merge, with where it stands; false when none is frequent enough.
  bool next(Candidate& best) {
    while (!queue_.empty()) {
      best = std::move(const_cast<Candidate&>(queue_.top()));  // popped at once, so its order no longer matters
      queue_.pop();
      const int64_t now = counts_[best.pair];
      if (best.count != now) {
        best.count = now;
        queue_.push(std::move(best));
        continue;
      }
      return best.count >= 1 && best.count >= min_frequency_;
    }
    return false;
  }

  void apply(const Candidate& best, TokenId merged) {
    std::unordered_map<Pair, std::vector<size_t>, PairHash> places;
    std::vector<Change> changes;
    for (size_t w : best.words) {
      changes.clear();
      merge_in_word(words_[w].symbols, best.pair, merged, changes);
      for (const Change& change : changes) {
        counts_[change.pair] += change.delta * words_[w].count;
        if (change.delta < 0) continue;
        auto& at = places[change.pair];
        if (at.empty() || at.back() != w) at.push_back(w);
      }
    }
    for (auto& [pair, at] : places) {
      const int64_t count = counts_[pair];
      if (count > 0) queue_.push({pair, count, std::move(at)});
    }
  }

 private:
  std::vector<Word> words_;
  int64_t min_frequency_;
  std::unordered_map<Pair, int64_t, PairHash> counts_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

Result<BpeTrainer> BpeTrainer::create(BpeTrainOptions options) {
  const int least = 256 + static_cast<int>(options.special_tokens.size());
  if (options.vocab_size < least || options.vocab_size > 1 << 22) {
    return make_error(ErrorCode::kInvalidArgument, "a vocabulary of {} tokens; it takes at least {} (bytes and special tokens)",
                      options.vocab_size, least);
  }
  BpeTrainer trainer;
  OWLET_ASSIGN(trainer.split_, find_pre_tokenizer(options.pre_tokenizer));
  trainer.options_ = std::move(options);
  return trainer;
}

void BpeTrainer::add_text(std::string_view text) {
  split_(text, [this](std::string_view piece) { ++counts_[std::string(piece)]; });
}

BpeSpec BpeTrainer::train() const {
  BpeSpec spec{.vocab = options_.special_tokens, .merges = {}, .added = {}, .pre_tokenizer = options_.pre_tokenizer};
  for (size_t i = 0; i < spec.vocab.size(); ++i) spec.added.push_back({static_cast<TokenId>(i), spec.vocab[i], true});
  std::vector<std::string> alphabet;
  for (int byte = 0; byte < 256; ++byte) alphabet.push_back(byte_to_printable(static_cast<uint8_t>(byte)));
  std::sort(alphabet.begin(), alphabet.end());  // UTF-8 sorts as its code points do
  std::unordered_map<std::string, TokenId> ids;
  for (const std::string& token : spec.vocab) ids.emplace(token, static_cast<TokenId>(ids.size()));
  for (const std::string& character : alphabet) {
    if (ids.emplace(character, static_cast<TokenId>(spec.vocab.size())).second) spec.vocab.push_back(character);
  }
  std::vector<Word> words;
  words.reserve(counts_.size());
  for (const auto& [piece, count] : counts_) {
    Word word{{}, count};
    for (char c : piece) word.symbols.push_back(ids.at(byte_to_printable(static_cast<uint8_t>(c))));
    words.push_back(std::move(word));
  }
  Merger merger(std::move(words), options_.min_frequency);
  Candidate best;
  while (static_cast<int>(spec.vocab.size()) < options_.vocab_size && merger.next(best)) {
    const std::string& left = spec.vocab[static_cast<size_t>(best.pair.first)];
    const std::string& right = spec.vocab[static_cast<size_t>(best.pair.second)];
    spec.merges.emplace_back(left, right);
    const auto [it, fresh] = ids.emplace(left + right, static_cast<TokenId>(spec.vocab.size()));
    const std::string token = it->first;
    if (fresh) spec.vocab.push_back(token);
    merger.apply(best, it->second);
  }
  return spec;
}

}  // namespace owlet
