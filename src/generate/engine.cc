#include "generate/engine.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "generate/scheduler.h"

namespace owlet {
namespace {

// Fewer are gone through sooner than other threads wake up.
constexpr int64_t kLogitsWorthThreads = 4096;

// To whole pages.
int64_t round_up(int64_t n_tokens) { return (n_tokens + KvCache::kPageLen - 1) / KvCache::kPageLen * KvCache::kPageLen; }

EngineOptions resolved(EngineOptions options, const ModelConfig& config) {
  options.max_sequences = std::max<int64_t>(1, options.max_sequences);
  options.max_queue = std::max<int64_t>(1, options.max_queue);
  options.chunk_tokens = std::max<int64_t>(1, options.chunk_tokens);
  if (options.context_length <= 0) options.context_length = config.max_positions;
  options.context_length = std::min(options.context_length, config.max_positions);
  if (options.kv_tokens <= 0) options.kv_tokens = options.max_sequences * round_up(options.context_length);
  options.kv_tokens = round_up(std::max(options.kv_tokens, options.context_length));
  return options;
}

uint64_t id_of(const std::shared_ptr<const RequestAdapter>& adapter) { return adapter ? adapter->id : 0; }

// Rows of one adapter stand together, so that they are computed together.
void sort_by_adapter(std::vector<StepRows>& rows) {
  std::sort(rows.begin(), rows.end(), [](const StepRows& a, const StepRows& b) {
    const auto key = [](const Sequence& s) { return std::pair(id_of(s.request.adapter), s.rank); };
    return key(*a.sequence) < key(*b.sequence);
  });
}

// The rows of a plan, laid end to end. Logits are wanted of those that a token is chosen from, drafted ones too, and of a prompt's where its
// log-probabilities are.
RaggedBatch batch_of(const std::vector<StepRows>& plan) {
  RaggedBatch batch;
  for (const StepRows& rows : plan) {
    const Sequence& s = *rows.sequence;
    const int64_t begin = static_cast<int64_t>(batch.tokens_N.size());
    const auto add = [&](int32_t token) {
      batch.positions_N.push_back(static_cast<int32_t>(s.n_cached + static_cast<int64_t>(batch.tokens_N.size()) - begin));
      batch.tokens_N.push_back(token);
    };
    for (int64_t i = 0; i < rows.n_rows; ++i) add(s.tokens[static_cast<size_t>(s.n_cached + i)]);
    for (int64_t i = 0; i < rows.n_draft; ++i) add(s.draft[static_cast<size_t>(i)]);
    const int64_t end = begin + rows.n_rows + rows.n_draft;
    batch.sequences.push_back({begin, end, s.n_cached, s.pages});
    batch.reach.push_back(s.max_tokens);
    batch.adapters.push_back(s.request.adapter ? &s.request.adapter->parts : nullptr);
    for (int64_t i = begin + rows.first_output(); i < end; ++i) batch.output_rows.push_back(static_cast<int32_t>(i));
  }
  return batch;
}

GeneratedToken scored_token(std::span<const float> logits_V, int32_t id, int n_best) {
  Logprobs logprobs = log_probabilities(logits_V, id, n_best);
  return {.id = id, .logprob = logprobs.of_token, .rank = logprobs.rank, .top_logprobs = std::move(logprobs.best)};
}

// What follows a sequence in a step.
struct Choice {
  Sequence* sequence = nullptr;
  std::span<const float> logits_RV;     // of its last token, then of its drafted ones
  std::vector<GeneratedToken> tokens;   // chosen: one, and one more for each drafted token that came true
};

// How long requests run, and so how long one that comes now would wait. Recent ones count most.
class WaitEstimate {
 public:
  void ended(double run_s) {
    mean_run_s_ += (n_ended_ == 0 ? 1.0 : 0.1) * (run_s - mean_run_s_);
    ++n_ended_;
  }
  double expected_wait_s(int64_t n_waiting, int64_t max_sequences) const {
    return mean_run_s_ * static_cast<double>(n_waiting + 1) / static_cast<double>(max_sequences);
  }

 private:
  double mean_run_s_ = 1;  // until one has ended
  int64_t n_ended_ = 0;
};

}  // namespace

// The engine's thread owns everything but the mailbox and what is seen from outside, which are behind the mutex.
struct Engine::Impl {
  Impl(Context context, const Model& model, EngineOptions opts)
      : options(resolved(opts, model.config)),
        config(model.config),
        runner(context, model, options.max_sequences + options.chunk_tokens),
        cache(model.config, options.kv_tokens / KvCache::kPageLen, options.kv_dtype),
        scheduler({.max_sequences = options.max_sequences,
                   .chunk_tokens = options.chunk_tokens,
                   .n_pages = cache.n_pages(),
                   .page_len = KvCache::kPageLen,
                   .prefix_sharing = options.prefix_sharing,
                   .speculation = options.speculation}),
        scratch(static_cast<size_t>(options.pool ? options.pool->size() : 1)),
        load(scheduler.load()),
        thread(options.has_thread ? std::thread([this] { work(); }) : std::thread()) {
    if (!options.has_thread && options.takes_memory) cache.touch();
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_one();
    options.has_thread ? thread.join() : work();
  }

  Status check(const GenerationRequest& request) const;
  Status check_queue(const std::string& caller) const;
  std::string scope_of(const GenerationRequest& request, int64_t max_tokens) const;

  void work();
  bool collect_mail();
  void step();
  void score_prompt(Sequence& sequence, int64_t position, std::span<const float> logits_RV);
  void choose(std::vector<Choice>& choices);
  void choose(Choice& choice, Sampler::Scratch& its_scratch) const;
  void deliver(const Choice& choice);
  void finish(RequestId id, FinishReason reason);
  void publish();

  const EngineOptions options;
  const ModelConfig& config;
  Runner runner;
  KvCache cache;
  Scheduler scheduler;
  std::vector<Sampler::Scratch> scratch;  // of each thread that chooses tokens

  struct Seen {
    Sequence::Clock::time_point submitted;
    RequestView view;
  };
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::unique_ptr<Sequence>> submitted;
  std::vector<RequestId> cancelled;
  Load load;  // what was submitted counts as waiting
  EngineTotals totals;
  WaitEstimate wait;
  std::map<RequestId, Seen> requests;  // all that have not ended
  RequestId last_id = 0;
  bool stop = false;

  std::thread thread;  // last: it uses all of the above
};

void Engine::Impl::work() {
  if (options.has_thread && options.takes_memory) cache.touch();
  while (collect_mail()) step();
  for (const RequestId id : scheduler.ids()) finish(id, FinishReason::kCancelled);
}

// Sleeps until there is something to do; then takes over what was submitted and ends what was cancelled.
bool Engine::Impl::collect_mail() {
  std::vector<RequestId> ended;
  bool go_on = true;
  {
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return stop || !submitted.empty() || !cancelled.empty() || !scheduler.idle(); });
    for (auto& sequence : submitted) scheduler.add(std::move(sequence));
    submitted.clear();
    ended.swap(cancelled);
    go_on = !stop;
  }
  for (const RequestId id : ended) finish(id, FinishReason::kCancelled);
  return go_on;
}

void Engine::Impl::step() {
  const auto begin = Sequence::Clock::now();
  StepPlan plan = scheduler.plan(begin);
  publish();
  if (plan.rows.empty()) return;
  sort_by_adapter(plan.rows);

  for (const auto& [from, to] : plan.copies) cache.copy_page(from, to);
  const RaggedBatch batch = batch_of(plan.rows);
  const auto V = static_cast<size_t>(config.vocab_size);
  const TensorView logits = runner.forward(batch, cache);
  std::span<const float> logits_RV(logits.f32(), static_cast<size_t>(logits.numel()));
  const bool has_prompts = std::any_of(plan.rows.begin(), plan.rows.end(), [](const StepRows& rows) { return rows.sequence->n_left() > 1; });
  std::vector<Choice> choices;
  for (const StepRows& rows : plan.rows) {
    Sequence& s = *rows.sequence;
    const bool completes = rows.completes();
    const auto n_outputs = static_cast<size_t>(rows.n_rows - rows.first_output());
    score_prompt(s, s.n_cached + rows.first_output(), logits_RV.first(n_outputs * V));
    scheduler.computed(s, rows.n_rows);
    logits_RV = logits_RV.subspan((n_outputs - completes) * V);
    if (!completes) continue;
    const size_t n_choices = 1 + static_cast<size_t>(rows.n_draft);
    choices.push_back({&s, logits_RV.first(n_choices * V), {}});
    logits_RV = logits_RV.subspan(n_choices * V);
  }
  choose(choices);
  for (Choice& choice : choices) deliver(choice);
  if (!has_prompts) {
    scheduler.measured(static_cast<int64_t>(batch.tokens_N.size()), std::chrono::duration<double>(Sequence::Clock::now() - begin).count());
  }
}

// Tells the log-probabilities of the prompt's tokens that rows from `position` on predict, where they are asked for.
void Engine::Impl::score_prompt(Sequence& sequence, int64_t position, std::span<const float> logits_RV) {
  if (sequence.request.n_prompt_logprobs < 0) return;
  std::vector<GeneratedToken> scored;
  for (; !logits_RV.empty() && position + 1 < sequence.stats.prompt_tokens; ++position) {
    const auto logits_V = logits_RV.first(static_cast<size_t>(config.vocab_size));
    logits_RV = logits_RV.subspan(logits_V.size());
    if (position + 1 < sequence.n_scored) continue;  // computed again
    scored.push_back(scored_token(logits_V, sequence.tokens[static_cast<size_t>(position + 1)], sequence.request.n_prompt_logprobs));
    ++sequence.n_scored;
  }
  if (!scored.empty() && sequence.listener.on_prompt) sequence.listener.on_prompt(std::move(scored));
}

// Sequences choose independently of each other, on all threads there are.
void Engine::Impl::choose(std::vector<Choice>& choices) {
  const auto work = [&](int thread, int n_threads) {
    for (size_t i = static_cast<size_t>(thread); i < choices.size(); i += static_cast<size_t>(n_threads)) {
      choose(choices[i], scratch[static_cast<size_t>(thread)]);
    }
  };
  const bool is_little = static_cast<int64_t>(choices.size()) * config.vocab_size < kLogitsWorthThreads;
  if (scratch.size() == 1 || choices.size() < 2 || is_little) return work(0, 1);
  options.pool->run(work);
}

// The token after the sequence's last one, and as long as its draft comes true also those after the drafted ones.
void Engine::Impl::choose(Choice& choice, Sampler::Scratch& its_scratch) const {
  Sequence& s = *choice.sequence;
  const size_t n_tokens = s.tokens.size();
  const auto V = static_cast<size_t>(config.vocab_size);
  for (bool goes_on = true; goes_on;) {
    const size_t i = choice.tokens.size();
    const auto logits_V = choice.logits_RV.subspan(i * V, V);
    const int32_t id = s.sampler.next(logits_V, s.tokens, its_scratch);
    choice.tokens.push_back(s.request.n_logprobs < 0 ? GeneratedToken{.id = id} : scored_token(logits_V, id, s.request.n_logprobs));
    goes_on = i < s.draft.size() && id == s.draft[i] && !s.stops_at(id);
    s.tokens.push_back(id);
  }
  s.tokens.resize(n_tokens);
}

// Delivers what was chosen, and ends the sequence where it ends; it may be gone afterwards.
void Engine::Impl::deliver(const Choice& choice) {
  Sequence& s = *choice.sequence;
  const size_t n_accepted = choice.tokens.size() - 1;
  if (!s.draft.empty()) scheduler.drafted(s, static_cast<int64_t>(s.draft.size()), static_cast<int64_t>(n_accepted));
  for (size_t i = 0; i <= n_accepted; ++i) {
    const GeneratedToken& token = choice.tokens[i];
    if (s.stops_at(token.id)) {
      if (s.request.n_logprobs >= 0 && s.listener.on_stop) s.listener.on_stop(token);
      return finish(s.id, FinishReason::kStop);
    }
    scheduler.append(s, token.id, Sequence::Clock::now());
    if (s.listener.on_token) s.listener.on_token(token);
    if (i < n_accepted) scheduler.computed(s, 1);
  }
  if (s.n_tokens() >= s.max_tokens) finish(s.id, FinishReason::kLength);
}

void Engine::Impl::finish(RequestId id, FinishReason reason) {
  const std::unique_ptr<Sequence> sequence = scheduler.remove(id);
  if (!sequence) return;
  const auto now = Sequence::Clock::now();
  {
    const std::lock_guard lock(mutex);
    requests.erase(id);
    if (sequence->rank > 0) wait.ended(std::chrono::duration<double>(now - sequence->first_step).count());
  }
  publish();
  if (sequence->listener.on_finish) sequence->listener.on_finish(reason, sequence->stats_at(now));
}

void Engine::Impl::publish() {
  const auto now = Sequence::Clock::now();
  const std::lock_guard lock(mutex);
  load = scheduler.load();
  load.waiting += static_cast<int64_t>(submitted.size());
  totals = scheduler.totals();
  const auto show = [&](const std::deque<std::unique_ptr<Sequence>>& sequences, bool are_running) {
    for (const auto& sequence : sequences) {
      RequestView& view = requests.at(sequence->id).view;
      view.is_running = are_running;
      view.stats = sequence->stats_at(now);
    }
  };
  show(scheduler.running(), true);
  show(scheduler.preempted(), false);
}

// What the engine can run at all.
Status Engine::Impl::check(const GenerationRequest& request) const {
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  if (n_prompt == 0)
    return make_error(ErrorCode::kInvalidArgument, "the prompt is empty: at least one token is needed");
  if (n_prompt >= options.context_length) {
    return make_error(ErrorCode::kTooLarge,
                      "the prompt has {} tokens, but the context holds {} with at least one of the answer",
                      n_prompt, options.context_length);
  }
  const auto outside = [this](int32_t id) { return id < 0 || id >= config.vocab_size; };
  for (const int32_t id : request.prompt) {
    if (outside(id)) {
      return make_error(ErrorCode::kInvalidArgument, "token id {} is outside the vocabulary of {}", id,
                        config.vocab_size);
    }
  }
  for (const int32_t id : request.stop_ids) {
    if (outside(id)) {
      return make_error(ErrorCode::kInvalidArgument, "stop token id {} is outside the vocabulary of {}", id, config.vocab_size);
    }
  }
  return check_ids(request.sampling, config.vocab_size);
}

// Under the mutex.
Status Engine::Impl::check_queue(const std::string& caller) const {
  int64_t n_waiting = 0;
  for (const auto& [id, seen] : requests) n_waiting += !seen.view.is_running && seen.view.caller == caller;
  if (n_waiting < 2 * options.max_queue - load.waiting) return {};
  return Error{ErrorCode::kTooLarge,
               fmt::format("the queue is full: {} requests are waiting, {} of them by the same caller", load.waiting, n_waiting),
               "try again in a moment"};
}

// Keys and values are the same function of a text's tokens only where rotations and weights are the same.
std::string Engine::Impl::scope_of(const GenerationRequest& request, int64_t max_tokens) const {
  return fmt::format("{} {} {}", config.rope.kind_of_reach(max_tokens), id_of(request.adapter), request.cache_scope);
}

Engine::Engine(Context context, const Model& model, EngineOptions options)
    : impl_(std::make_unique<Impl>(context, model, options)) {}
Engine::~Engine() = default;

Result<Engine::RequestId> Engine::submit(GenerationRequest request, GenerationListener listener) {
  OWLET_TRY(impl_->check(request));
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  const int64_t room = context_length() - n_prompt;
  const int64_t max_tokens = n_prompt + (request.max_new_tokens > 0 ? std::min(request.max_new_tokens, room) : room);
  request.cache_scope = impl_->scope_of(request, max_tokens);
  auto sequence = std::make_unique<Sequence>(std::move(request), std::move(listener), max_tokens);

  RequestId id = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    OWLET_TRY(impl_->check_queue(sequence->request.caller));
    id = ++impl_->last_id;
    sequence->id = id;
    impl_->requests[id] = {sequence->submitted, {.id = id, .caller = sequence->request.caller, .stats = sequence->stats}};
    impl_->submitted.push_back(std::move(sequence));
    ++impl_->load.waiting;
  }
  impl_->wake.notify_one();
  return id;
}

void Engine::cancel(RequestId id) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->cancelled.push_back(id);
  }
  impl_->wake.notify_one();
}

bool Engine::step() {
  OWLET_CHECK(!impl_->options.has_thread, "the engine's own thread steps");
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->submitted.empty() && impl_->cancelled.empty() && impl_->scheduler.idle()) return false;
  }
  impl_->collect_mail();
  impl_->step();
  return true;
}

int64_t Engine::context_length() const { return impl_->options.context_length; }

Engine::Load Engine::load() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->load;
}

Engine::Snapshot Engine::snapshot() const {
  const auto now = Sequence::Clock::now();
  const std::lock_guard lock(impl_->mutex);
  Snapshot snapshot;
  snapshot.load = impl_->load;
  snapshot.totals = impl_->totals;
  snapshot.expected_wait_s = impl_->wait.expected_wait_s(impl_->load.waiting, impl_->options.max_sequences);
  for (const auto& [id, seen] : impl_->requests) {
    RequestView& view = snapshot.requests.emplace_back(seen.view);
    view.age_ms = std::chrono::duration<double, std::milli>(now - seen.submitted).count();
  }
  return snapshot;
}

Result<std::vector<int32_t>> Engine::generate(GenerationRequest request) {
  // The listener's closures are the last to let go, after on_finish: they share what they write to.
  struct Answer {
    std::vector<int32_t> tokens;
    std::promise<FinishReason> finished;
  };
  const auto answer = std::make_shared<Answer>();
  OWLET_TRY(submit(std::move(request),
                   {.on_token = [answer](const GeneratedToken& token) { answer->tokens.push_back(token.id); },
                    .on_finish = [answer](FinishReason reason,
                                          const GenerationStats&) { answer->finished.set_value(reason); }})
                .status());
  while (!impl_->options.has_thread && step()) {}
  if (answer->finished.get_future().get() == FinishReason::kCancelled) {
    return make_error(ErrorCode::kCancelled, "the engine stopped before the answer was complete");
  }
  return answer->tokens;
}

}  // namespace owlet
