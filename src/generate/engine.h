// The engine: many requests, one model, one thread that steps. Knows token ids only.
//   step() is schedule → run → sample → deliver.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "generate/sampling_params.h"
#include "model/model.h"

namespace owlet {

struct GenerationRequest {
  std::vector<int32_t> prompt;      // at least one token
  int64_t max_new_tokens = 0;       // 0: up to the end of the context
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;    // any of them ends the answer and is not delivered
  int n_logprobs = -1;              // −1: none; else log-probabilities of the token and of this many best ones
};

enum class FinishReason { kStop, kLength, kCancelled };

struct GeneratedToken {
  int32_t id = 0;
  float logprob = 0;                                   // where asked for
  std::vector<std::pair<int32_t, float>> top_logprobs;
};

struct GenerationStats {
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  double queue_ms = 0;    // from submit to the first step
  double prompt_ms = 0;   // from the first step to the first token
  double decode_ms = 0;   // from the first token to the last
};

// Called on the engine's thread: be quick, never block. on_finish is the last call for a request, always made, once.
struct GenerationListener {
  std::function<void(const GeneratedToken&)> on_token;
  std::function<void(FinishReason, const GenerationStats&)> on_finish;
};

struct EngineOptions {
  int64_t max_sequences = 16;    // that run at once; others wait
  int64_t max_queue = 256;       // that wait; more are refused
  int64_t chunk_tokens = 256;    // prompt tokens per step beside running answers
  int64_t context_length = 0;    // per sequence; 0: the model's
  DType kv_dtype = DType::kF16;
};

class Engine {
 public:
  using RequestId = uint64_t;
  // Allocates the KV cache for max_sequences × context_length and starts the thread. `model` and the context outlive the engine.
  Engine(Context context, const Model& model, EngineOptions options = {});
  ~Engine();  // cancels what runs

  // Thread-safe. Errors: an empty prompt, an id outside the vocabulary, a prompt that does not fit in the context
  // (kTooLarge, naming both numbers), a full queue (kTooLarge too: try again later). Whoever must tell the two apart compares the
  // prompt with context_length() first. max_new_tokens beyond the context's end are cut to what fits.
  Result<RequestId> submit(GenerationRequest request, GenerationListener listener);
  // Thread-safe; the request ends with kCancelled within one step, prefill included. Unknown ids are ignored.
  void cancel(RequestId id);

  int64_t context_length() const;
  struct Load {
    int64_t running = 0;
    int64_t waiting = 0;
    int64_t pages_used = 0;
    int64_t pages_total = 0;
  };
  Load load() const;

  // For one caller that wants to wait: submits and returns all tokens. Never from a listener: it would wait for itself.
  Result<std::vector<int32_t>> generate(GenerationRequest request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace owlet
