#include "generate/sampling_params.h"

#include <string_view>

namespace owlet {

Status check_ids(const SamplingParams& p, int64_t vocab_size) {
  Status status;
  const auto check = [&](std::string_view name, int32_t id) {
    if (!status.ok() || (id >= 0 && id < vocab_size)) return;
    status = make_error(ErrorCode::kInvalidArgument, "{}: token id {} is outside the vocabulary of {}", name, id, vocab_size);
  };
  for (const auto& [id, bias] : p.logit_bias) check("logit_bias", id);
  for (const auto& [sequence, bias] : p.sequence_bias) {
    for (const int32_t id : sequence) check("sequence_bias", id);
  }
  for (const TokenIds& word : p.bad_words) {
    for (const int32_t id : word) check("bad_words", id);
  }
  for (const int32_t id : p.suppress_tokens) check("suppress_tokens", id);
  for (const int32_t id : p.allowed_tokens) check("allowed_token_ids", id);
  if (p.forced_last != -1) check("forced_eos_token_id", p.forced_last);
  if (p.thinking_budget >= 0) check("thinking_budget", p.thought_end);
  return status;
}

}  // namespace owlet
