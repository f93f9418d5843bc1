#include "generate/kv_pool.h"

#include <algorithm>
#include <numeric>

#include "core/result.h"

namespace owlet {
namespace {

int64_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

}  // namespace

bool KvPool::ByTokens::operator()(std::span<const int32_t> a, std::span<const int32_t> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

KvPool::KvPool(int64_t n_pages, int64_t page_len)
    : page_len_(page_len), pages_(static_cast<size_t>(n_pages)), free_(static_cast<size_t>(n_pages)) {
  std::iota(free_.rbegin(), free_.rend(), 0);  // page 0 is taken first
}

std::optional<int32_t> KvPool::take() {
  if (free_.empty()) {
    if (evictable_.empty()) return std::nullopt;
    forget(evictable_.begin()->second);
  }
  const int32_t page = free_.back();
  free_.pop_back();
  at(page).n_users = 1;
  return page;
}

void KvPool::add_user(int32_t id) {
  Page& page = at(id);
  if (page.n_users++ > 0) return;
  OWLET_CHECK(page.siblings, "[pages] page {} is free, but used", id);
  evictable_.erase({page.last_used, id});
  --n_kept_;
}

void KvPool::release(int32_t id) {
  Page& page = at(id);
  OWLET_CHECK(page.n_users > 0, "[pages] page {} is released, but not used", id);
  if (--page.n_users > 0) return;
  if (!page.siblings) return free_.push_back(id);
  ++n_kept_;
  page.last_used = ++clock_;
  if (is_evictable(page)) evictable_.emplace(page.last_used, id);
}

std::pair<int32_t, int64_t> KvPool::nearest(const Children& children, std::span<const int32_t> tokens) {
  std::pair<int32_t, int64_t> best = {-1, 0};
  // In lexicographic order it stands right before or right behind where the tokens would.
  auto it = children.lower_bound(tokens);
  for (int side = 0; side < 2; ++side) {
    if (it != children.end()) {
      const int64_t n = common_length(it->first, tokens);
      if (n > best.second) best = {it->second, n};
    }
    if (it == children.begin()) break;
    --it;
  }
  return best;
}

KvPool::Match KvPool::find(const std::string& scope, std::span<const int32_t> tokens) const {
  Match match;
  const auto root = roots_.find(scope);
  const Children* children = root == roots_.end() ? nullptr : &root->second;
  while (children && !tokens.empty()) {
    const auto [page, n] = nearest(*children, tokens.first(std::min(tokens.size(), static_cast<size_t>(page_len_))));
    if (n < page_len_) {
      match.partial = page;
      match.n_partial = n;
      break;
    }
    match.pages.push_back(page);
    children = &at(page).children;
    tokens = tokens.subspan(static_cast<size_t>(n));
  }
  return match;
}

void KvPool::use(const Match& match) {
  for (const int32_t page : match.pages) add_user(page);
  if (match.partial >= 0 && !is_used(match.partial)) {
    add_user(match.partial);
    release(match.partial);
  }
}

int32_t KvPool::keep(const std::string& scope, int32_t parent, std::span<const int32_t> tokens, int32_t page) {
  OWLET_CHECK(parent < 0 || is_known(parent), "[pages] page {} is kept below page {}, which is not", page, parent);
  const auto root = parent < 0 ? roots_.try_emplace(scope).first : roots_.end();
  Children& siblings = parent < 0 ? root->second : at(parent).children;
  const bool is_full = static_cast<int64_t>(tokens.size()) == page_len_;
  const auto [other, n_common] = nearest(siblings, tokens);
  if (n_common == static_cast<int64_t>(tokens.size()) && other != page) {
    if (!is_full) return page;
    add_user(other);
    if (is_known(page)) forget(page);
    release(page);
    return other;
  }
  if (is_known(page)) {
    auto node = siblings.extract(at(page).place);
    node.key().assign(tokens.begin(), tokens.end());
    at(page).place = siblings.insert(std::move(node)).position;
  } else {
    at(page).parent = parent;
    at(page).root = root;
    insert(siblings, tokens, page);
  }
  forget_covered(siblings, at(page).place);
  return page;
}

void KvPool::insert(Children& siblings, std::span<const int32_t> tokens, int32_t id) {
  Page& page = at(id);
  page.siblings = &siblings;
  page.place = siblings.emplace(std::vector<int32_t>(tokens.begin(), tokens.end()), id).first;
  if (page.parent >= 0) evictable_.erase({at(page.parent).last_used, page.parent});
}

// The page right before in order may hold nothing but the beginning of what this one holds.
void KvPool::forget_covered(Children& siblings, Children::iterator by) {
  if (by == siblings.begin()) return;
  const auto before = std::prev(by);
  const bool is_covered = common_length(before->first, by->first) == static_cast<int64_t>(before->first.size());
  if (is_covered && is_evictable(at(before->second))) forget(before->second);
}

void KvPool::forget(int32_t id) {
  Page& page = at(id);
  OWLET_CHECK(page.children.empty(), "[pages] page {} is forgotten before what is below it", id);
  const int32_t parent = page.parent;
  page.siblings->erase(page.place);
  if (parent < 0 && page.siblings->empty()) roots_.erase(page.root);
  page.siblings = nullptr;
  if (parent >= 0 && is_evictable(at(parent))) evictable_.emplace(at(parent).last_used, parent);
  if (page.n_users > 0) return;
  evictable_.erase({page.last_used, id});
  --n_kept_;
  free_.push_back(id);
}

}  // namespace owlet
