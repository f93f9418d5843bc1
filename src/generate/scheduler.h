// Who runs in the next step. Pure bookkeeping: no threads, no clock, no model.
//   waiting ─ first come, first served; pages for the whole answer reserved ─► running ─ prompt in chunks,
//   then a token a step
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "generate/engine.h"
#include "generate/page_allocator.h"
#include "generate/sampler.h"

namespace owlet {

// A request on its way through the engine.
struct Sequence {
  using Clock = std::chrono::steady_clock;

  Sequence(Engine::RequestId id, GenerationRequest request, GenerationListener listener, int64_t max_tokens);

  Engine::RequestId id;
  GenerationRequest request;  // its prompt has moved to `tokens`
  GenerationListener listener;
  int64_t max_tokens;  // prompt and answer together
  Sampler sampler;
  std::vector<int32_t> tokens;  // the prompt, then the answer
  int64_t n_cached = 0;         // tokens whose keys and values are in the pages
  std::vector<int32_t> pages;
  GenerationStats stats;
  Clock::time_point submitted = Clock::now();
  Clock::time_point first_step;
  Clock::time_point first_token;

  int64_t n_tokens() const { return static_cast<int64_t>(tokens.size()); }
};

// The rows of one step: for each sequence the next n of its tokens that are not in the cache yet.
struct StepRows {
  Sequence* sequence = nullptr;
  int64_t n_rows = 0;
  // Its last token is among them, so the next one can be chosen.
  bool completes() const { return sequence->n_cached + n_rows == sequence->n_tokens(); }
};

class Scheduler {
 public:
  struct Limits {
    int64_t max_sequences = 0;
    int64_t chunk_tokens = 0;  // rows of prompts per step
    int64_t n_pages = 0;
    int64_t page_len = 0;
  };
  explicit Scheduler(const Limits& limits) : limits_(limits), pages_(limits.n_pages) {}

  void add(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }

  // Admits whoever fits, then gives every running answer its token and the rest of the step to prompts,
  // oldest first.
  std::vector<StepRows> plan();

  // Takes a sequence out, waiting or running, and frees its pages; nullptr where the id is unknown.
  std::unique_ptr<Sequence> remove(Engine::RequestId id);

  bool idle() const { return waiting_.empty() && running_.empty(); }
  Engine::Load load() const;
  std::vector<Engine::RequestId> ids() const;  // of all, running first

 private:
  void admit();

  Limits limits_;
  PageAllocator pages_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in order of admission
};

}  // namespace owlet
