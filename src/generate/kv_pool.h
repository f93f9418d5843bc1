// The pages of the KV cache: free, used by sequences, or kept for what they hold. Pure bookkeeping; whoever writes keys and values
// into pages tells it what they are.
//
// Known pages hang in a tree, each under the page that the text before it ends in: a radix tree whose edges are pages (SGLang, Zheng
// et al. 2024). A child's edge is the tokens of its page: a full page, or fewer where a prompt or an answer ended; those are leaves.
// Scopes are separate trees, so nothing is ever found across them.
//
//   scope ─ [the system prompt's 32 tokens] ─┬─ [a question's …] ─ [… 7 tokens]
//                                            └─ [another's …]
//
// Whoever uses a page uses the ones above it too, so pages that nobody uses are never above used ones, and evicting leaves
// reaches all of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace owlet {

class KvPool {
 public:
  KvPool(int64_t n_pages, int64_t page_len);

  int64_t page_len() const { return page_len_; }
  int64_t n_pages() const { return static_cast<int64_t>(pages_.size()); }
  int64_t n_used() const { return n_pages() - n_available(); }
  int64_t n_kept() const { return n_kept_; }  // used by nobody, but known
  int64_t n_available() const { return static_cast<int64_t>(free_.size()) + n_kept_; }
  int64_t pages_for(int64_t n_tokens) const { return (n_tokens + page_len_ - 1) / page_len_; }

  // A page with one user: a free one, else that which nobody has used for the longest time, whose contents are forgotten. Nothing
  // where all are used.
  std::optional<int32_t> take();
  void release(int32_t page);  // by one of its users
  bool is_used(int32_t page) const { return at(page).n_users > 0; }
  bool is_known(int32_t page) const { return at(page).siblings != nullptr; }

  // The longest beginning of a text whose keys and values lie in pages.
  struct Match {
    std::vector<int32_t> pages;  // full ones
    int32_t partial = -1;        // a page whose first tokens go on with the text, to be copied before others are written; −1: none
    int64_t n_partial = 0;
    int64_t n_tokens(int64_t page_len) const { return static_cast<int64_t>(pages.size()) * page_len + n_partial; }
  };
  Match find(const std::string& scope, std::span<const int32_t> tokens) const;
  // One more user for each full page of a match; the partial one counts as just used.
  void use(const Match& match);

  // A used page holds these tokens, page_len or fewer, which follow the text that `parent` (a known page; −1: none) ends in. More may
  // come into the page later, behind them; then it is told again. Where another full page holds the same, that one is used from now on
  // instead of this, which is released; the result is the one that is used.
  int32_t keep(const std::string& scope, int32_t parent, std::span<const int32_t> tokens, int32_t page);

 private:
  struct ByTokens {
    using is_transparent = void;
    bool operator()(std::span<const int32_t> a, std::span<const int32_t> b) const;
  };
  using Children = std::map<std::vector<int32_t>, int32_t, ByTokens>;  // tokens → page
  using Roots = std::map<std::string, Children>;
  struct Page {
    int64_t n_users = 0;
    uint64_t last_used = 0;
    // Of a known page:
    Children* siblings = nullptr;  // where it hangs, under the key `tokens`
    Children::iterator place;
    Roots::iterator root;          // where parent < 0
    int32_t parent = -1;
    Children children;
  };

  Page& at(int32_t page) { return pages_[static_cast<size_t>(page)]; }
  const Page& at(int32_t page) const { return pages_[static_cast<size_t>(page)]; }
  void add_user(int32_t page);
  bool is_evictable(const Page& page) const { return page.siblings && page.n_users == 0 && page.children.empty(); }
  // The child that has the most of its first tokens in common with `tokens`, and how many; −1 where there is none.
  static std::pair<int32_t, int64_t> nearest(const Children& children, std::span<const int32_t> tokens);
  void insert(Children& siblings, std::span<const int32_t> tokens, int32_t page);
  void forget(int32_t page);        // a leaf leaves the tree
  void forget_covered(Children& siblings, Children::iterator by);

  int64_t page_len_;
  std::vector<Page> pages_;
  std::vector<int32_t> free_;
  int64_t n_kept_ = 0;
  uint64_t clock_ = 0;
  std::set<std::pair<uint64_t, int32_t>> evictable_;  // leaves that nobody uses, least recently used first
  Roots roots_;
};

}  // namespace owlet
