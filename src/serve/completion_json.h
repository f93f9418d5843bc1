// The JSON of answers: what the two endpoints call things.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "generate/engine.h"
#include "serve/answer_assembler.h"
#include "serve/api_request.h"

namespace owlet {

// One of a request's answers, as far as it has come; or, in a stream, what is new.
struct Choice {
  int index = 0;
  AnswerText text = {};
  std::vector<GeneratedToken> logprobs = {};  // of content tokens, where asked for
  bool echoes_prompt = false;                 // the first of `logprobs` begins the prompt: nothing predicts it
  int64_t logprobs_offset = 0;                // characters before the first of them
  std::string finish_reason = {};             // empty: not yet
  std::vector<GeneratedToken> prompt_logprobs = {};  // in vLLM's form; the first begins the prompt, too
};

struct Totals {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of these
  int64_t completion_tokens = 0;
  double prompt_ms = 0;
  double decode_ms = 0;  // from the first token to the last, the longest of all answers
  int64_t decode_intervals = 0;
};

// What is the same in every piece of one answer.
struct AnswerHead {
  Endpoint endpoint = Endpoint::kChat;
  std::string id;
  std::string model;
  int64_t created = 0;  // seconds since 1970
  bool logprobs = false;
};

// "chatcmpl-…" or "cmpl-…", not to be guessed.
std::string make_completion_id(Endpoint endpoint);

Json whole_answer(const AnswerHead& head, const Tokenizer& tokenizer, const std::vector<Choice>& choices,
                  const Totals& totals);
// A piece of a stream. `is_first` opens a chat's answer with its role.
Json answer_chunk(const AnswerHead& head, const Tokenizer& tokenizer, const Choice& news, bool is_first);
// The usage at the end of a stream, with no choices.
Json usage_chunk(const AnswerHead& head, const Totals& totals);
Json timings_json(const Totals& totals);

// Characters (not bytes) of a token's text.
int64_t n_characters(std::string_view utf8);

// "data: {…}\n\n"
std::string sse_event(const Json& json);
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

}  // namespace owlet
