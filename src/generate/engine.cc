#include "generate/engine.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "generate/scheduler.h"

namespace owlet {
namespace {

double ms_between(Sequence::Clock::time_point from, Sequence::Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

int64_t pages_for(int64_t n_tokens) { return (n_tokens + KvCache::kPageLen - 1) / KvCache::kPageLen; }

EngineOptions resolved(EngineOptions options, const ModelConfig& config) {
  options.max_sequences = std::max<int64_t>(1, options.max_sequences);
  options.max_queue = std::max<int64_t>(1, options.max_queue);
  options.chunk_tokens = std::max<int64_t>(1, options.chunk_tokens);
  if (options.context_length <= 0) options.context_length = config.max_positions;
  options.context_length = std::min(options.context_length, config.max_positions);
  return options;
}

// The rows of a plan, laid end to end; the last row of each sequence that completes is an output.
RaggedBatch batch_of(const std::vector<StepRows>& plan) {
  RaggedBatch batch;
  for (const StepRows& rows : plan) {
    const Sequence& s = *rows.sequence;
    const int64_t begin = static_cast<int64_t>(batch.tokens_N.size());
    for (int64_t i = 0; i < rows.n_rows; ++i) {
      batch.tokens_N.push_back(s.tokens[static_cast<size_t>(s.n_cached + i)]);
      batch.positions_N.push_back(static_cast<int32_t>(s.n_cached + i));
    }
    const int64_t end = begin + rows.n_rows;
    batch.sequences.push_back({begin, end, s.n_cached, s.pages});
    batch.reach.push_back(s.max_tokens);
    if (rows.completes()) batch.output_rows.push_back(static_cast<int32_t>(end - 1));
  }
  return batch;
}

}  // namespace

// The engine's thread owns everything but the mailbox, which is behind the mutex.
struct Engine::Impl {
  Impl(Context context, const Model& model, EngineOptions opts)
      : options(resolved(opts, model.config)),
        vocab_size(model.config.vocab_size),
        runner(context, model, options.max_sequences + options.chunk_tokens),
        cache(model.config, options.max_sequences * pages_for(options.context_length), options.kv_dtype),
        scheduler({.max_sequences = options.max_sequences,
                   .chunk_tokens = options.chunk_tokens,
                   .n_pages = cache.n_pages(),
                   .page_len = KvCache::kPageLen}),
        load(scheduler.load()),
        thread([this] { work(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_one();
    thread.join();
  }

  void work();
  bool collect_mail();
  void step();
  void choose_next(Sequence& sequence, std::span<const float> logits_V);
  void finish(RequestId id, FinishReason reason);
  void publish_load();

  const EngineOptions options;
  const int64_t vocab_size;
  Runner runner;
  KvCache cache;
  Scheduler scheduler;
  Sampler::Scratch scratch;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::unique_ptr<Sequence>> submitted;
  std::vector<RequestId> cancelled;
  Load load;  // what was submitted counts as waiting
  RequestId last_id = 0;
  bool stop = false;

  std::thread thread;  // last: it uses all of the above
};

void Engine::Impl::work() {
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
  const std::vector<StepRows> plan = scheduler.plan();
  publish_load();
  if (plan.empty()) return;

  const RaggedBatch batch = batch_of(plan);
  const TensorView logits_RV = runner.forward(batch, cache);

  int64_t row = 0;
  for (const StepRows& rows : plan) {
    const bool completes = rows.completes();
    rows.sequence->n_cached += rows.n_rows;
    if (!completes) continue;
    const float* logits_V = logits_RV.f32() + row++ * vocab_size;
    choose_next(*rows.sequence, {logits_V, static_cast<size_t>(vocab_size)});
  }
}

// Samples a token, delivers it, and ends the sequence where it ends. `sequence` may be gone afterwards.
void Engine::Impl::choose_next(Sequence& sequence, std::span<const float> logits_V) {
  const auto now = Sequence::Clock::now();
  GenerationStats& stats = sequence.stats;
  const bool is_first = sequence.n_tokens() == stats.prompt_tokens;
  if (is_first) {
    sequence.first_token = now;
    stats.queue_ms = ms_between(sequence.submitted, sequence.first_step);
    stats.prompt_ms = ms_between(sequence.first_step, now);
  }
  stats.decode_ms = ms_between(sequence.first_token, now);

  GeneratedToken token;
  token.id = sequence.sampler.next(logits_V, sequence.tokens, scratch);
  const std::vector<int32_t>& stops = sequence.request.stop_ids;
  if (std::find(stops.begin(), stops.end(), token.id) != stops.end())
    return finish(sequence.id, FinishReason::kStop);

  if (sequence.request.n_logprobs >= 0) {
    Logprobs logprobs = log_probabilities(logits_V, token.id, sequence.request.n_logprobs);
    token.logprob = logprobs.of_token;
    token.top_logprobs = std::move(logprobs.best);
  }
  sequence.tokens.push_back(token.id);
  ++stats.new_tokens;
  if (sequence.listener.on_token) sequence.listener.on_token(token);
  if (sequence.n_tokens() >= sequence.max_tokens) finish(sequence.id, FinishReason::kLength);
}

void Engine::Impl::finish(RequestId id, FinishReason reason) {
  const std::unique_ptr<Sequence> sequence = scheduler.remove(id);
  if (!sequence) return;
  publish_load();
  if (sequence->listener.on_finish) sequence->listener.on_finish(reason, sequence->stats);
}

void Engine::Impl::publish_load() {
  const std::lock_guard lock(mutex);
  load = scheduler.load();
  load.waiting += static_cast<int64_t>(submitted.size());
}

Engine::Engine(Context context, const Model& model, EngineOptions options)
    : impl_(std::make_unique<Impl>(context, model, options)) {}
Engine::~Engine() = default;

Result<Engine::RequestId> Engine::submit(GenerationRequest request, GenerationListener listener) {
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  if (n_prompt == 0)
    return make_error(ErrorCode::kInvalidArgument, "the prompt is empty: at least one token is needed");
  if (n_prompt >= context_length()) {
    return make_error(ErrorCode::kTooLarge,
                      "the prompt has {} tokens, but the context holds {} with at least one of the answer",
                      n_prompt, context_length());
  }
  const auto outside = [this](int32_t id) { return id < 0 || id >= impl_->vocab_size; };
  for (const int32_t id : request.prompt) {
    if (outside(id)) {
      return make_error(ErrorCode::kInvalidArgument, "token id {} is outside the vocabulary of {}", id,
                        impl_->vocab_size);
    }
  }
  for (const int32_t id : request.stop_ids) {
    if (outside(id)) {
      return make_error(ErrorCode::kInvalidArgument, "stop token id {} is outside the vocabulary of {}", id, impl_->vocab_size);
    }
  }
  OWLET_TRY(check_ids(request.sampling, impl_->vocab_size));
  const int64_t room = context_length() - n_prompt;
  const int64_t n_new = request.max_new_tokens > 0 ? std::min(request.max_new_tokens, room) : room;

  RequestId id = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->load.waiting >= impl_->options.max_queue) {
      return Error{ErrorCode::kTooLarge,
                   fmt::format("the queue is full: {} requests are waiting", impl_->load.waiting),
                   "try again in a moment"};
    }
    id = ++impl_->last_id;
    impl_->submitted.push_back(
        std::make_unique<Sequence>(id, std::move(request), std::move(listener), n_prompt + n_new));
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

int64_t Engine::context_length() const { return impl_->options.context_length; }

Engine::Load Engine::load() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->load;
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
  if (answer->finished.get_future().get() == FinishReason::kCancelled) {
    return make_error(ErrorCode::kCancelled, "the engine stopped before the answer was complete");
  }
  return answer->tokens;
}

}  // namespace owlet
