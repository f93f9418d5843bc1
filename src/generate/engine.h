// The engine: many requests, one model, one thread that steps, its own or its maker's. Knows token ids only.
//   step() is schedule → run → sample → deliver.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/thread_pool.h"
#include "generate/sampling_params.h"
#include "model/adapter.h"
#include "model/model.h"

namespace owlet {

struct GenerationRequest {
  std::vector<int32_t> prompt;      // at least one token
  int64_t max_new_tokens = 0;       // 0: up to the end of the context
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;    // any of them ends the answer and is not delivered
  int n_logprobs = -1;              // −1: none; else log-probabilities of the token and of this many best ones
  int n_prompt_logprobs = -1;       // the same of the prompt's tokens but the first, which nothing predicts
  std::string caller = {};          // who asks: callers get equal shares, however many requests each has
  std::string cache_scope = {};     // keys and values of a prompt's beginning are shared with requests of the same scope only
  std::shared_ptr<const RequestAdapter> adapter = {};  // made for the engine's model; null: none
};

enum class FinishReason { kStop, kLength, kCancelled };

struct GeneratedToken {
  int32_t id = 0;
  float logprob = 0;                                   // where asked for
  int64_t rank = 0;                                    // 1: the likeliest of all
  std::vector<std::pair<int32_t, float>> top_logprobs = {};
};

struct GenerationStats {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt: taken from what was known, not computed
  int64_t new_tokens = 0;
  int64_t preemptions = 0;    // how often others took its pages, so that it was computed again
  double queue_ms = 0;        // from submit to the first step
  double prompt_ms = 0;       // from the first step to the first token
  double decode_ms = 0;       // from the first token to the last
};

// Called on the engine's thread: be quick, never block. on_finish is the last call for a request, always made, once.
struct GenerationListener {
  std::function<void(const GeneratedToken&)> on_token;
  std::function<void(FinishReason, const GenerationStats&)> on_finish;
  // With n_prompt_logprobs: tokens of the prompt from the second on, each once, a step's at a time, before the first on_token.
  std::function<void(std::vector<GeneratedToken>)> on_prompt = {};
  // With n_logprobs: the stop id that ends the answer, before on_finish.
  std::function<void(const GeneratedToken&)> on_stop = {};
};

struct EngineOptions {
  int64_t max_sequences = 16;    // that run at once; others wait
  // That wait, of a caller who is alone: another is refused. Several callers share twice as many places: each may have as many waiting
  // as are still free (dynamic thresholds, Choudhury & Hahne 1998), so a newcomer finds some while there are more places than callers.
  int64_t max_queue = 256;
  int64_t chunk_tokens = 256;    // prompt tokens per step beside running answers
  int64_t context_length = 0;    // per sequence; 0: the model's
  int64_t kv_tokens = 0;         // that the pages of all sequences hold, one context at least; 0: a context for every sequence
  DType kv_dtype = DType::kF16;
  bool takes_memory = false;     // all of the KV cache's at the start, so that none can be missing later; else as it is used
  bool prefix_sharing = true;    // what prompts and answers left in the pages is used again
  ThreadPool* pool = nullptr;    // whose threads choose tokens, the one that the context computes on; null: the engine's own thread alone
  bool has_thread = true;        // of its own, which steps; else whoever made the engine calls step()
  bool speculation = true;       // where text repeats and it pays, several tokens of an answer a step; answers stay what they are
};

// Counted since the engine's start.
struct EngineTotals {
  int64_t prompt_tokens = 0;     // of requests that were started
  int64_t cached_tokens = 0;     // of these: found in pages
  int64_t generated_tokens = 0;
  int64_t drafted_tokens = 0;    // computed in the hope that they come next
  int64_t accepted_tokens = 0;   // of these: that came
  int64_t preemptions = 0;
};

class Engine {
 public:
  using RequestId = uint64_t;
  // Allocates the KV cache for kv_tokens and all else it needs, and starts the thread. `model` and the context outlive the engine.
  Engine(Context context, const Model& model, EngineOptions options = {});
  ~Engine();  // cancels what runs

  // Thread-safe. Errors: an empty prompt, an id outside the vocabulary, a prompt that does not fit in the context
  // (kTooLarge, naming both numbers), a full queue (kTooLarge too: try again after snapshot().expected_wait_s). Whoever must tell the
  // two apart compares the prompt with context_length() first. max_new_tokens beyond the context's end are cut to what fits. Requests
  // with one prompt (several answers to it) share its pages and compute it once.
  Result<RequestId> submit(GenerationRequest request, GenerationListener listener);
  // Thread-safe; the request ends with kCancelled within one step, prefill included. Unknown ids are ignored.
  void cancel(RequestId id);

  // Without a thread of its own: takes over what was submitted and cancelled and computes one step. False: there was nothing to do.
  bool step();

  int64_t context_length() const;
  struct Load {
    int64_t running = 0;
    int64_t waiting = 0;      // preempted ones too
    int64_t pages_used = 0;   // by sequences
    int64_t pages_kept = 0;   // for what they hold; they count as free
    int64_t pages_total = 0;
  };
  Load load() const;

  struct RequestView {
    RequestId id = 0;
    std::string caller;
    bool is_running = false;
    GenerationStats stats;  // so far
    double age_ms = 0;      // since submit
  };
  // All requests there are, as of the last step, and what was counted. Thread-safe, and never waits for a step.
  struct Snapshot {
    Load load;
    EngineTotals totals;
    double expected_wait_s = 0;  // until a request that comes now would start, judged by those that ended
    std::vector<RequestView> requests;
  };
  Snapshot snapshot() const;

  // For one caller that wants to wait: submits and returns all tokens. Never from a listener: it would wait for itself.
  Result<std::vector<int32_t>> generate(GenerationRequest request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
