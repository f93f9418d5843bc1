// The part of a request that says how tokens are chosen: OpenAI's names, and those of vLLM, llama.cpp and transformers beyond.
#pragma once

#include <string>
#include <vector>

#include "generate/sampling_params.h"
#include "serve/json_fields.h"

namespace owlet {

inline constexpr size_t kMaxIds = 65536;

struct SamplingRequest {
  SamplingParams params = {};
  std::vector<int32_t> stop_ids = {};           // beside the model's own
  bool ignore_eos = false;                      // the model's own are not drawn at all
  std::vector<std::string> bad_words = {};      // texts, which only a tokenizer turns into ids
  std::vector<std::string> dry_breakers = {};
};

// How lists are described and held against their limits, here and elsewhere.
Json ids_schema(size_t most = kMaxIds);
Json texts_schema(size_t most, size_t max_bytes);
bool is_id(const Json& value);

// What is absent stays as it is in `request`, but a seed, which is drawn at random.
void read_sampling(JsonFields& fields, SamplingRequest& request);

}  // namespace owlet
