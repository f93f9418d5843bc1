#include "generate/scheduler.h"

#include <algorithm>
#include <tuple>

namespace owlet {
namespace {

// Of one caller's waiting requests, how many may be looked at behind one that waits for another's prefix.
constexpr size_t kLookAhead = 16;

}  // namespace

Sequence::Sequence(GenerationRequest request_, GenerationListener listener_, int64_t max_tokens_)
    : request(std::move(request_)),
      listener(std::move(listener_)),
      max_tokens(max_tokens_),
      sampler(request.sampling, request.prompt, request.stop_ids,
              max_tokens_ - static_cast<int64_t>(request.prompt.size())),
      tokens(std::move(request.prompt)) {
  stats.prompt_tokens = n_tokens();
}

GenerationStats Sequence::stats_at(Clock::time_point now) const {
  const auto ms = [](Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double, std::milli>(to - from).count(); };
  GenerationStats out = stats;
  const bool has_started = rank > 0, has_answered = stats.new_tokens > 0;
  out.queue_ms = ms(submitted, has_started ? first_step : now);
  if (has_started) out.prompt_ms = ms(first_step, has_answered ? first_token : now);
  if (has_answered) out.decode_ms = ms(first_token, last_token);
  return out;
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  const auto [it, is_new] = callers_.try_emplace(sequence->request.caller);
  Caller& caller = it->second;
  if (is_new) {
    int64_t least = INT64_MAX;
    for (auto other = callers_.begin(); other != callers_.end(); ++other) {
      if (other != it) least = std::min(least, other->second.n_served);
    }
    caller.n_served = callers_.size() == 1 ? 0 : least;
  }
  sequence->caller = &caller;
  caller.waiting.push_back(std::move(sequence));
}

StepPlan Scheduler::plan(Sequence::Clock::time_point now) {
  StepPlan plan;
  grow_answers();
  admit(plan, now);
  const int64_t n_rows_left = plan_rows(plan);
  if (limits_.speculation) plan_drafts(plan, n_rows_left);
  return plan;
}

// Oldest first: whoever is preempted has not been looked at yet.
void Scheduler::grow_answers() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& s = *running_[i];
    if (s.n_left() > 1 || s.n_cached < static_cast<int64_t>(s.pages.size()) * limits_.page_len) continue;
    while (pool_.n_available() == 0 && i < running_.size()) preempt_last();
    if (i < running_.size()) s.pages.push_back(*pool_.take());
  }
}

void Scheduler::preempt_last() {
  std::unique_ptr<Sequence> sequence = std::move(running_.back());
  running_.pop_back();
  give_up_pages(*sequence);
  ++sequence->stats.preemptions;
  ++totals_.preemptions;
  preempted_.push_front(std::move(sequence));
}

void Scheduler::admit(StepPlan& plan, Sequence::Clock::time_point now) {
  const auto has_room = [this] { return static_cast<int64_t>(running_.size()) < limits_.max_sequences; };
  while (has_room() && !preempted_.empty()) {
    if (!find_pages(*preempted_.front(), plan)) return;
    running_.push_back(std::move(preempted_.front()));
    preempted_.pop_front();
  }
  while (has_room()) {
    const auto [caller, index] = next_waiting();
    if (!caller) return;
    const auto next = caller->waiting.begin() + static_cast<ptrdiff_t>(index);
    if (!find_pages(**next, plan)) return;
    start(**next, now);
    running_.push_back(std::move(*next));
    caller->waiting.erase(next);
  }
}

// The least served caller's first that is not worth holding back.
std::pair<Caller*, size_t> Scheduler::next_waiting() {
  std::vector<Caller*> order;
  for (auto& [name, caller] : callers_) {
    if (!caller.waiting.empty()) order.push_back(&caller);
  }
  std::sort(order.begin(), order.end(), [](const Caller* a, const Caller* b) {
    const auto key = [](const Caller& c) { return std::tuple(c.n_served + c.n_owed, c.n_active, c.waiting.front()->id); };
    return key(*a) < key(*b);
  });
  for (Caller* caller : order) {
    for (size_t i = 0; i < std::min(caller->waiting.size(), kLookAhead); ++i) {
      if (!is_being_computed(*caller->waiting[i])) return {caller, i};
    }
  }
  return {nullptr, 0};
}

// Somebody's prompt that is just being computed begins with a page or more that this one would compute too, or with all of it: it waits.
bool Scheduler::is_being_computed(const Sequence& sequence) const {
  if (!limits_.prefix_sharing) return false;
  const int64_t n_wanted = sequence.n_reusable();
  int64_t n_known = -1;
  for (const auto& other : running_) {
    if (other->n_left() == 1 || other->request.cache_scope != sequence.request.cache_scope) continue;
    const auto end = std::mismatch(sequence.tokens.begin(), sequence.tokens.begin() + n_wanted, other->tokens.begin(), other->tokens.end()).first;
    const int64_t n_common = end - sequence.tokens.begin();
    if (n_common < std::min(limits_.page_len, n_wanted)) continue;
    if (n_known < 0) n_known = known_prefix(sequence).n_tokens(limits_.page_len);
    if (n_common > n_known && n_common >= std::min(n_known + limits_.page_len, n_wanted)) return true;
  }
  return false;
}

KvPool::Match Scheduler::known_prefix(const Sequence& sequence) const {
  if (!limits_.prefix_sharing) return {};
  return pool_.find(sequence.request.cache_scope, std::span(sequence.tokens).first(static_cast<size_t>(sequence.n_reusable())));
}

// Gives the sequence pages for all its tokens, known ones first; or nothing where there are too few.
bool Scheduler::find_pages(Sequence& s, StepPlan& plan) {
  const KvPool::Match match = known_prefix(s);
  const auto n_full = static_cast<int64_t>(match.pages.size());
  const int64_t n_new = pool_.pages_for(s.n_tokens()) - n_full;
  const int64_t n_unused = std::count_if(match.pages.begin(), match.pages.end(), [&](int32_t page) { return !pool_.is_used(page); });
  // Every running answer can still take one: what is admitted now is not preempted a moment later.
  const auto n_reserved = static_cast<int64_t>(running_.size());
  if (n_new + n_unused + n_reserved > pool_.n_available()) return false;
  pool_.use(match);
  s.pages = match.pages;
  for (int64_t i = 0; i < n_new; ++i) s.pages.push_back(*pool_.take());
  s.n_cached = match.n_tokens(limits_.page_len);
  if (match.partial >= 0) plan.copies.push_back({match.partial, s.pages[match.pages.size()]});
  return true;
}

// On its first admission.
void Scheduler::start(Sequence& s, Sequence::Clock::time_point now) {
  s.rank = ++last_rank_;
  s.first_step = now;
  s.acceptance = Acceptance(acceptance_.rate());
  s.stats.cached_tokens = s.n_cached;
  ++s.caller->n_active;
  s.n_owed = s.n_left();
  s.caller->n_owed += s.n_owed;
  totals_.prompt_tokens += s.n_tokens();
  totals_.cached_tokens += s.n_cached;
}

// Returns how many rows of the step are left.
int64_t Scheduler::plan_rows(StepPlan& plan) const {
  std::vector<Sequence*> prompts;
  for (const auto& sequence : running_) {
    if (sequence->n_left() == 1) {
      plan.rows.push_back({sequence.get(), 1});
    } else {
      prompts.push_back(sequence.get());
    }
  }
  std::sort(prompts.begin(), prompts.end(), [](const Sequence* a, const Sequence* b) {
    return std::tuple(a->caller->n_served, a->rank) < std::tuple(b->caller->n_served, b->rank);
  });
  int64_t budget = limits_.chunk_tokens;
  for (Sequence* sequence : prompts) {
    const int64_t n = std::min(sequence->n_left(), budget);
    if (n > 0) plan.rows.push_back({sequence, n});
    budget -= n;
  }
  return budget;
}

void Scheduler::plan_drafts(StepPlan& plan, int64_t budget) {
  const auto is_answer = [](const StepRows& rows) { return rows.sequence->n_left() == 1; };
  const double cost = row_cost_.of_one_more(std::count_if(plan.rows.begin(), plan.rows.end(), is_answer));
  for (StepRows& rows : plan.rows) {
    Sequence& s = *rows.sequence;
    s.draft.clear();
    if (!is_answer(rows)) continue;
    const int64_t n_worth = draft_length(s.acceptance.rate(), cost);
    if (n_worth == 0) s.acceptance.passed();
    // The last token of an answer needs no row of its own.
    const int64_t n = std::min({n_worth, budget, s.max_tokens - s.n_tokens() - 1});
    if (n <= 0) continue;
    s.draft = draft_by_lookup(s.tokens, n);
    s.draft.resize(static_cast<size_t>(find_slots(s, static_cast<int64_t>(s.draft.size()))));
    rows.n_draft = static_cast<int64_t>(s.draft.size());
    budget -= rows.n_draft;
  }
}

// Of a draft, how many tokens find a place in pages, where a page for every running answer's next token stays.
int64_t Scheduler::find_slots(Sequence& s, int64_t n_draft) {
  const auto n_slots = [&] { return static_cast<int64_t>(s.pages.size()) * limits_.page_len - s.n_tokens(); };
  while (n_slots() < n_draft && pool_.n_available() > static_cast<int64_t>(running_.size())) s.pages.push_back(*pool_.take());
  return std::min(n_draft, n_slots());
}

void Scheduler::computed(Sequence& s, int64_t n) {
  const int64_t n_before = s.n_cached;
  s.n_cached += n;
  const int64_t n_paid = std::min(n, s.n_owed);
  s.n_owed -= n_paid;
  s.caller->n_owed -= n_paid;
  s.caller->n_served += n_paid;
  if (!limits_.prefix_sharing) return;
  for (int64_t page = n_before / limits_.page_len; page < s.n_cached / limits_.page_len; ++page) keep_page(s, page);
  // Others may ask the same question, or more answers to this one.
  if (n_before < s.stats.prompt_tokens && s.n_cached == s.stats.prompt_tokens) keep_rest(s);
}

void Scheduler::drafted(Sequence& s, int64_t n_tokens, int64_t n_accepted) {
  s.acceptance.drafted(n_tokens, n_accepted);
  acceptance_.drafted(n_tokens, n_accepted);
  totals_.drafted_tokens += n_tokens;
  totals_.accepted_tokens += n_accepted;
}

void Scheduler::append(Sequence& s, int32_t token, Sequence::Clock::time_point now) {
  s.tokens.push_back(token);
  if (s.stats.new_tokens++ == 0) s.first_token = now;
  s.last_token = now;
  ++s.caller->n_served;
  ++totals_.generated_tokens;
}

void Scheduler::keep_page(Sequence& s, int64_t index) {
  const auto i = static_cast<size_t>(index);
  const int64_t begin = index * limits_.page_len;
  const int64_t n = std::min(limits_.page_len, s.n_cached - begin);
  const auto tokens = std::span(s.tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(n));
  s.pages[i] = pool_.keep(s.request.cache_scope, i == 0 ? -1 : s.pages[i - 1], tokens, s.pages[i]);
}

// The page that is not full.
void Scheduler::keep_rest(Sequence& s) {
  if (limits_.prefix_sharing && s.n_cached % limits_.page_len > 0) keep_page(s, s.n_cached / limits_.page_len);
}

// Last page first: of what is kept, the end is evicted before what it follows.
void Scheduler::give_up_pages(Sequence& s) {
  keep_rest(s);
  for (auto page = s.pages.rbegin(); page != s.pages.rend(); ++page) pool_.release(*page);
  s.pages.clear();
  s.n_cached = 0;
}

std::unique_ptr<Sequence> Scheduler::remove(Engine::RequestId id) {
  const auto take = [id](Sequences& list) -> std::unique_ptr<Sequence> {
    const auto it =
        std::find_if(list.begin(), list.end(), [id](const auto& sequence) { return sequence->id == id; });
    if (it == list.end()) return nullptr;
    std::unique_ptr<Sequence> sequence = std::move(*it);
    list.erase(it);
    return sequence;
  };
  std::unique_ptr<Sequence> sequence = take(running_);
  if (!sequence) sequence = take(preempted_);
  for (auto it = callers_.begin(); !sequence && it != callers_.end(); ++it) sequence = take(it->second.waiting);
  if (!sequence) return nullptr;
  give_up_pages(*sequence);
  Caller& caller = *sequence->caller;
  if (sequence->rank > 0) --caller.n_active;
  caller.n_owed -= sequence->n_owed;
  if (caller.n_active == 0 && caller.waiting.empty()) callers_.erase(sequence->request.caller);
  return sequence;
}

Engine::Load Scheduler::load() const {
  int64_t n_waiting = static_cast<int64_t>(preempted_.size());
  for (const auto& [name, caller] : callers_) n_waiting += static_cast<int64_t>(caller.waiting.size());
  return {.running = static_cast<int64_t>(running_.size()),
          .waiting = n_waiting,
          .pages_used = pool_.n_used(),
          .pages_kept = pool_.n_kept(),
          .pages_total = pool_.n_pages()};
}

std::vector<Engine::RequestId> Scheduler::ids() const {
  std::vector<Engine::RequestId> ids;
  const auto add = [&ids](const Sequences& list) {
    for (const auto& sequence : list) ids.push_back(sequence->id);
  };
  add(running_);
  add(preempted_);
  for (const auto& [name, caller] : callers_) add(caller.waiting);
  return ids;
}

}  // namespace owlet
