// Who runs in the next step. Pure bookkeeping: no threads, no clock, no model.
//
//   waiting ─ the least served caller's first, when there are pages for its prompt ─► running ─ prompt in chunks, then a token a step
//      ▲                                                                                │
//      └── preempted: pages went to an older one; computed again before anyone new ◄────┘
//
// Pages are taken as answers grow. When there are none, the sequence that was admitted last gives up its own. The oldest never does, and
// the pool holds a whole context, so somebody always moves. What is computed again is the same to the bit, and so is the answer.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "generate/kv_pool.h"
#include "generate/sampler.h"
#include "generate/speculation.h"

namespace owlet {

struct Caller;

// A request on its way through the engine.
struct Sequence {
  using Clock = std::chrono::steady_clock;

  Sequence(GenerationRequest request, GenerationListener listener, int64_t max_tokens);

  Engine::RequestId id = 0;
  GenerationRequest request;  // its prompt has moved to `tokens`
  GenerationListener listener;
  int64_t max_tokens;  // prompt and answer together
  Sampler sampler;
  std::vector<int32_t> tokens;  // the prompt, then the answer
  int64_t n_cached = 0;         // tokens whose keys and values are in the pages
  std::vector<int32_t> pages;
  std::vector<int32_t> draft;   // tokens that may come next, computed along in this step
  int64_t n_scored = 1;  // tokens of the prompt whose log-probabilities were told, where asked for
  GenerationStats stats;
  Clock::time_point submitted = Clock::now();
  Clock::time_point first_step;
  Clock::time_point first_token;
  Clock::time_point last_token;

  // The scheduler's own:
  Caller* caller = nullptr;
  int64_t rank = 0;    // its number among all that were ever admitted; 0: it never was
  Acceptance acceptance;
  int64_t n_owed = 0;  // tokens of its prompt that are still to be computed for the first time

  int64_t n_tokens() const { return static_cast<int64_t>(tokens.size()); }
  GenerationStats stats_at(Clock::time_point now) const;  // with the times so far
  bool stops_at(int32_t token) const { return std::find(request.stop_ids.begin(), request.stop_ids.end(), token) != request.stop_ids.end(); }
  // Log-probabilities of its prompt are still to be told.
  bool scores_prompt() const { return request.n_prompt_logprobs >= 0 && n_scored < stats.prompt_tokens; }
  // Of its first tokens, how many need not be computed where they are known: the last one's logits are wanted, and any whose are told.
  int64_t n_reusable() const { return (scores_prompt() ? n_scored : n_tokens()) - 1; }
  int64_t n_left() const { return n_tokens() - n_cached; }  // tokens to compute before the next can be chosen; 1 in an answer
};

// Who asks. Served fairly by tokens: each is charged for what is computed for it, and the one that was charged least comes first; one
// that comes back starts where the least charged stands (VTC, Sheng et al. 2024).
struct Caller {
  std::deque<std::unique_ptr<Sequence>> waiting;
  int64_t n_active = 0;  // running and preempted
  int64_t n_served = 0;  // tokens
  int64_t n_owed = 0;    // of prompts that were admitted, and not computed yet
};

// The rows of one step: for each sequence the next n of its tokens that are not in the cache yet, then those of its draft.
struct StepRows {
  Sequence* sequence = nullptr;
  int64_t n_rows = 0;
  int64_t n_draft = 0;
  // Its last token is among them, so the next one can be chosen.
  bool completes() const { return n_rows == sequence->n_left(); }
  // Rows before this one need no logits.
  int64_t first_output() const {
    return sequence->scores_prompt() ? 0 : completes() ? n_rows - 1 : n_rows;
  }
};

struct StepPlan {
  struct Copy {
    int32_t from = 0;
    int32_t to = 0;
  };
  std::vector<Copy> copies;  // of pages, in this order, before the rows are computed
  std::vector<StepRows> rows;
};

class Scheduler {
 public:
  struct Limits {
    int64_t max_sequences = 0;
    int64_t chunk_tokens = 0;  // rows of prompts per step
    int64_t n_pages = 0;       // at least one whole context's
    int64_t page_len = 0;
    bool prefix_sharing = true;
    bool speculation = true;
  };
  explicit Scheduler(const Limits& limits) : limits_(limits), pool_(limits.n_pages, limits.page_len) {}

  void add(std::unique_ptr<Sequence> sequence);

  // Finds pages for every running answer's next token, admits whoever fits, then gives every running answer its token and the rest
  // of the step to prompts, the least served caller's first, and to drafts.
  StepPlan plan(Sequence::Clock::time_point now);
  // `n` more of the sequence's tokens are in its pages.
  void computed(Sequence& sequence, int64_t n);
  // Of what was drafted for a step, so much came true.
  void drafted(Sequence& sequence, int64_t n_tokens, int64_t n_accepted);
  // A step of answers alone, of so many rows, took so long.
  void measured(int64_t n_rows, double seconds) { row_cost_.measured(n_rows, seconds); }
  // The answer goes on with this token.
  void append(Sequence& sequence, int32_t token, Sequence::Clock::time_point now);

  // Takes a sequence out, waiting or running, and frees its pages; nullptr where the id is unknown.
  std::unique_ptr<Sequence> remove(Engine::RequestId id);

  bool idle() const { return callers_.empty(); }
  Engine::Load load() const;
  const std::deque<std::unique_ptr<Sequence>>& running() const { return running_; }
  const std::deque<std::unique_ptr<Sequence>>& preempted() const { return preempted_; }
  const EngineTotals& totals() const { return totals_; }
  std::vector<Engine::RequestId> ids() const;  // of all, running first
  const KvPool& pool() const { return pool_; }

 private:
  using Sequences = std::deque<std::unique_ptr<Sequence>>;

  void grow_answers();
  void preempt_last();
  void admit(StepPlan& plan, Sequence::Clock::time_point now);
  std::pair<Caller*, size_t> next_waiting();
  bool is_being_computed(const Sequence& sequence) const;
  KvPool::Match known_prefix(const Sequence& sequence) const;
  bool find_pages(Sequence& sequence, StepPlan& plan);
  void start(Sequence& sequence, Sequence::Clock::time_point now);
  int64_t plan_rows(StepPlan& plan) const;
  void plan_drafts(StepPlan& plan, int64_t budget);
  int64_t find_slots(Sequence& sequence, int64_t n_draft);
  void keep_page(Sequence& sequence, int64_t index);
  void keep_rest(Sequence& sequence);
  void give_up_pages(Sequence& sequence);

  Limits limits_;
  KvPool pool_;
  std::map<std::string, Caller> callers_;  // those that have a sequence here
  Sequences preempted_;                    // both in order of rank
  Sequences running_;
  int64_t last_rank_ = 0;
  EngineTotals totals_;
  RowCost row_cost_;
  Acceptance acceptance_{Acceptance::kUnknown, Acceptance::kSlow};  // what a sequence begins with
};

}  // namespace owlet
