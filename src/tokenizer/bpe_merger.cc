#include "tokenizer/bpe_merger.h"

#include <array>
#include <limits>
#include <queue>
#include <tuple>

namespace owlet {
namespace {

constexpr size_t kShort = 32;
constexpr int32_t kNoRank = std::numeric_limits<int32_t>::max();
constexpr TokenId kGone = -1;
constexpr size_t kNone = std::numeric_limits<size_t>::max();

struct Node {
  TokenId id;  // kGone once merged into the one on its left
  size_t previous, next;
};

struct Candidate {
  int32_t rank;
  size_t at;  // the left of the two
  bool operator>(const Candidate& other) const { return std::tie(rank, at) > std::tie(other.rank, other.at); }
};

}  // namespace

void BpeMerger::merge(std::vector<TokenId>& ids, uint64_t* steps) const {
  uint64_t counted = 0;
  ids.size() <= kShort ? merge_short(ids, counted) : merge_long(ids, counted);
  if (steps) *steps += counted;
}

void BpeMerger::merge_short(std::vector<TokenId>& ids, uint64_t& steps) const {
  size_t n = ids.size();
  if (n < 2) return;
  std::array<Merge, kShort> merges;  // of the pair that begins at i
  const auto look_up = [&](size_t i) {
    ++steps;
    const Merge* found = merges_.find(ids[i], ids[i + 1]);
    merges[i] = found ? *found : Merge{kNoRank, 0};
  };
  for (size_t i = 0; i + 1 < n; ++i) look_up(i);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    steps += n;
    if (merges[best].rank == kNoRank) break;
    ids[best] = merges[best].id;
    --n;
    for (size_t i = best + 1; i < n; ++i) {
      ids[i] = ids[i + 1];
      merges[i] = merges[i + 1];
    }
    if (best + 1 < n) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  ids.resize(n);
}

void BpeMerger::merge_long(std::vector<TokenId>& ids, uint64_t& steps) const {
  std::vector<Node> nodes(ids.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto find = [&](size_t at) -> const Merge* {
    ++steps;
    if (at == kNone || nodes[at].next == kNone) return nullptr;
    return merges_.find(nodes[at].id, nodes[nodes[at].next].id);
  };
  const auto propose = [&](size_t at) {
    if (const Merge* merge = find(at)) queue.push({merge->rank, at});
  };
  for (size_t i = 0; i < ids.size(); ++i) nodes[i] = {ids[i], i - 1, i + 1 < ids.size() ? i + 1 : kNone};
  for (size_t i = 0; i + 1 < ids.size(); ++i) propose(i);
  while (!queue.empty()) {
    const auto [rank, at] = queue.top();
    queue.pop();
    if (nodes[at].id == kGone) continue;
    const Merge* merge = find(at);
    if (!merge || merge->rank != rank) continue;  // one of the two has merged with another since
    Node& left = nodes[at];
    Node& right = nodes[left.next];
    left.id = merge->id;
    left.next = right.next;
    right.id = kGone;
    if (left.next != kNone) nodes[left.next].previous = at;
    propose(at);
    propose(left.previous);
  }
  size_t n = 0;
  for (size_t at = 0; at != kNone; at = nodes[at].next) ids[n++] = nodes[at].id;
  ids.resize(n);
}

}  // namespace owlet
