// A seeded simulation of the scheduler: made-up callers, arrivals, cancels, prompts with common beginnings and too few pages, on a clock
// that counts steps and a model that is a hash. Its cache stores, for each slot of each page, a hash of the text up to there, so that a
// page shared, copied or overwritten wrongly is seen by the first row that reads it.
//   OWLET_SEED=1234 ./generate_test --gtest_filter='*Simulation*'      plays one seed again
#include <gtest/gtest.h>

#include <cstdlib>
#include <unordered_map>

#include "core/random.h"
#include "generate/scheduler.h"

namespace owlet {
namespace {

uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t x = (a ^ (b + 0x632BE59BD9B4E019u)) * 0x9E3779B97F4A7C15u;
  x ^= x >> 29;
  return x * 0xBF58476D1CE4E5B9u;
}

class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : random_{seed},
        limits_{.max_sequences = 1 + below(5),
                .chunk_tokens = 1 + below(12),
                .n_pages = kContext / kPageLen + below(12),
                .page_len = kPageLen,
                .prefix_sharing = below(4) > 0,
                .speculation = below(3) > 0},
        scheduler_(limits_),
        slots_(static_cast<size_t>(limits_.n_pages * kPageLen)) {}

  // What went wrong; empty: nothing.
  std::string run() {
    for (now_ = 0; now_ < kSteps && wrong_.empty(); ++now_) {
      if (below(3) == 0) arrive();
      if (last_id_ > 0 && below(12) == 0) cancel(1 + static_cast<Engine::RequestId>(below(static_cast<int64_t>(last_id_))));
      step();
    }
    for (; wrong_.empty() && !scheduler_.idle(); ++now_) {
      if (now_ > kSteps + 40 * static_cast<int64_t>(last_id_) * kContext) return "somebody starves";
      step();
    }
    if (wrong_.empty() && !asked_.empty()) return "a request has vanished";
    if (wrong_.empty() && scheduler_.load().pages_used != 0) return "pages are used by nobody";
    return wrong_;
  }

 private:
  static constexpr int64_t kPageLen = 4, kContext = 40, kSteps = 60;

  struct Asked {
    std::vector<int32_t> prompt;
    uint64_t scope = 0;
    int64_t max_tokens = 0;
    std::vector<uint64_t> text;  // a hash of its first token, of the first two …
  };

  int64_t below(int64_t n) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(n))); }
  Sequence::Clock::time_point time() const { return Sequence::Clock::time_point(std::chrono::seconds(now_)); }
  void check(bool holds, const char* what) {
    if (!holds && wrong_.empty()) wrong_ = fmt::format("{}, at step {}", what, now_);
  }

  // The model: the token after a text is a function of all of it.
  static int32_t token_after(uint64_t text) { return static_cast<int32_t>(mixed(text, 77) % 3); }
  static void extend(Asked& asked, std::span<const int32_t> tokens) {
    for (const int32_t token : tokens) asked.text.push_back(mixed(asked.text.empty() ? asked.scope : asked.text.back(), static_cast<uint64_t>(token)));
  }

  void arrive() {
    Asked asked;
    asked.scope = static_cast<uint64_t>(below(2));
    const int64_t n_prompt = 1 + below(24), n_new = 1 + below(kContext - n_prompt);
    // A few beginnings, of tokens that answers have too.
    const int64_t kind = below(3), n_common = below(24);
    for (int64_t i = 0; i < n_prompt; ++i) asked.prompt.push_back(static_cast<int32_t>(i < n_common ? (i * (kind + 1)) % 3 : below(3)));
    asked.max_tokens = n_prompt + n_new;
    extend(asked, asked.prompt);
    GenerationRequest request;
    request.prompt = asked.prompt;
    request.caller = fmt::format("{}", below(3));
    request.cache_scope = fmt::format("{}", asked.scope);
    for (int64_t n = 1 + (below(6) == 0) * below(4); n > 0; --n) {
      auto sequence = std::make_unique<Sequence>(request, GenerationListener{}, asked.max_tokens);
      sequence->id = ++last_id_;
      asked_[last_id_] = asked;
      scheduler_.add(std::move(sequence));
    }
  }

  void cancel(Engine::RequestId id) {
    const bool was_there = asked_.erase(id) > 0;
    check((scheduler_.remove(id) != nullptr) == was_there, "a cancelled request was not there");
  }

  void step() {
    const Engine::RequestId oldest = scheduler_.running().empty() ? 0 : scheduler_.running().front()->id;
    const StepPlan plan = scheduler_.plan(time());
    check(oldest == 0 || scheduler_.running().front()->id == oldest, "the oldest was preempted");
    check(scheduler_.idle() || !plan.rows.empty(), "nobody moves");
    check_pages();
    check_limits(plan);
    for (const auto& [from, to] : plan.copies) {
      for (int64_t i = 0; i < kPageLen; ++i) slot(to, i) = slot(from, i);
    }
    for (const StepRows& rows : plan.rows) compute(rows);
    for (const StepRows& rows : plan.rows) advance(rows);
    // Rows that cost anything from nothing to a whole token.
    scheduler_.measured(1 + below(3), 1 + static_cast<double>(below(3)));
  }

  void check_pages() {
    users_.assign(static_cast<size_t>(limits_.n_pages), 0);
    for (const auto& s : scheduler_.running()) {
      for (const int32_t page : s->pages) ++users_[static_cast<size_t>(page)];
      check(static_cast<int64_t>(s->pages.size()) * kPageLen > s->n_cached, "no page for the next token");
      // What is written now belongs to nobody else.
      for (size_t i = static_cast<size_t>(s->n_cached / kPageLen); i < s->pages.size(); ++i) own_.push_back(s->pages[i]);
    }
    for (const int32_t page : own_) check(users_[static_cast<size_t>(page)] == 1, "a page that is written to is used twice");
    own_.clear();
    check(limits_.n_pages - std::count(users_.begin(), users_.end(), 0) == scheduler_.pool().n_used(), "a page has leaked");
    for (const auto& s : scheduler_.preempted()) check(s->pages.empty() && s->n_cached == 0, "a preempted request has pages");
  }

  void check_limits(const StepPlan& plan) {
    int64_t n_prompt_rows = 0;
    for (const StepRows& rows : plan.rows) {
      check(rows.n_rows > 0 && rows.n_rows <= rows.sequence->n_left(), "rows of tokens that are not there");
      if (rows.sequence->n_left() > 1) n_prompt_rows += rows.n_rows;
    }
    int64_t n_drafted = 0;
    for (const StepRows& rows : plan.rows) n_drafted += rows.n_draft;
    check(n_prompt_rows + n_drafted <= limits_.chunk_tokens, "more rows of prompts and drafts than a step has");
    check(static_cast<int64_t>(plan.rows.size()) <= limits_.max_sequences, "more sequences than a step has");
  }

  uint64_t& slot(int32_t page, int64_t i) { return slots_[static_cast<size_t>(page * kPageLen + i)]; }
  uint64_t& slot_of(const Sequence& s, int64_t position) {
    return slot(s.pages[static_cast<size_t>(position / kPageLen)], position % kPageLen);
  }

  // Every row reads all that comes before it, and writes its own slot; drafted ones too.
  void compute(const StepRows& rows) {
    const Sequence& s = *rows.sequence;
    Asked& asked = asked_.at(s.id);
    extend(asked, std::span(s.draft).first(static_cast<size_t>(rows.n_draft)));
    const std::vector<uint64_t>& text = asked.text;
    for (int64_t i = 0; i < s.n_cached; ++i) check(slot_of(s, i) == text[static_cast<size_t>(i)], "a row reads what is not its own");
    for (int64_t i = s.n_cached; i < s.n_cached + rows.n_rows + rows.n_draft; ++i) slot_of(s, i) = text[static_cast<size_t>(i)];
    asked.text.resize(s.tokens.size());
  }

  void advance(const StepRows& rows) {
    Sequence& s = *rows.sequence;
    if (!rows.completes()) return scheduler_.computed(s, rows.n_rows);
    scheduler_.computed(s, rows.n_rows);
    for (int64_t i = 0;; ++i) {
      scheduler_.append(s, token_after(slot_of(s, s.n_cached - 1)), time());
      extend(asked_.at(s.id), std::span(s.tokens).last(1));
      const bool comes_true = i < rows.n_draft && s.tokens.back() == s.draft[static_cast<size_t>(i)];
      if (rows.n_draft > 0 && !comes_true) scheduler_.drafted(s, rows.n_draft, i);
      if (s.n_tokens() == s.max_tokens) return end(s);
      if (!comes_true) return;
      scheduler_.computed(s, 1);
    }
  }

  // The answer is the one that the model gives to this prompt alone.
  void end(const Sequence& s) {
    const Asked& asked = asked_.at(s.id);
    for (size_t i = asked.prompt.size(); i < s.tokens.size(); ++i) {
      check(s.tokens[i] == token_after(asked.text[i - 1]), "an answer is not what it would be alone");
    }
    check(s.first_step <= s.first_token && s.first_token <= s.last_token, "time runs backwards");
    asked_.erase(s.id);
    check(scheduler_.remove(s.id) != nullptr, "who ends was not there");
  }

  Random random_;
  Scheduler::Limits limits_;
  Scheduler scheduler_;
  std::vector<uint64_t> slots_;
  std::unordered_map<Engine::RequestId, Asked> asked_;  // not ended
  std::vector<int32_t> own_;
  std::vector<int64_t> users_;  // of each page
  Engine::RequestId last_id_ = 0;
  int64_t now_ = 0;
  std::string wrong_;
};

TEST(Simulation, InvariantsHoldForTenThousandSeeds) {
  uint64_t first = 0, last = 10'000;
  if (const char* seed = std::getenv("OWLET_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    last = first + 1;
  }
  for (uint64_t seed = first; seed < last; ++seed) ASSERT_EQ(Simulation(seed).run(), "") << "OWLET_SEED=" << seed;
}

}  // namespace
}  // namespace owlet
