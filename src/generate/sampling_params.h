// How the next token is chosen. Names and meanings are those of transformers, OpenAI's API and llama.cpp.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/result.h"
#include "generate/logit_rules.h"

namespace owlet {

// Applied from top to bottom: rules on the scores of all tokens, temperature, rules on the list of candidates, draw.
struct SamplingParams {
  double temperature = 1.0;         // 0: the most likely token, always (the lowest id among equals)
  int top_k = 0;                    // 0: off
  double top_p = 1.0;               // keep the smallest set of tokens whose probability reaches top_p
  double min_p = 0.0;               // keep tokens of at least min_p times the best one's probability
  double repetition_penalty = 1.0;  // as in Hugging Face: prompt and answer
  double presence_penalty = 0.0;    // as in OpenAI's API: answer only
  double frequency_penalty = 0.0;
  std::vector<std::pair<int32_t, float>> logit_bias = {};
  uint64_t seed = 0;                // the draw for token i is a function of (seed, i): nothing else in the batch matters

  int64_t repetition_window = -1;   // tokens that the repetition penalty looks back at; −1: all
  DryParams dry = {};
  int64_t no_repeat_ngram_size = 0;
  std::vector<std::pair<TokenIds, float>> sequence_bias = {};
  std::vector<TokenIds> bad_words = {};
  TokenIds suppress_tokens = {};
  TokenIds allowed_tokens = {};     // empty: all
  int64_t min_tokens = 0;           // no stop id before
  int64_t decay_start = 0;          // stop ids gain from this token of the answer on, by decay_factor each
  double decay_factor = 1.0;
  int32_t forced_last = -1;         // the token that an answer cut by its length ends with; −1: none
  int32_t thought_start = -1;       // the tokens that stand around a thought; −1: none
  int32_t thought_end = -1;
  int64_t thinking_budget = -1;     // tokens of a thought, after which it is ended; −1: any number
  double top_n_sigma = 0.0;         // after temperature, before top_k; 0: off
  double top_h = 1.0;               // after top_p
  double typical_p = 1.0;           // after min_p
  double epsilon_cutoff = 0.0;
  double eta_cutoff = 0.0;
  double xtc_probability = 0.0;     // how often the top choices are left out; 0: never
  double xtc_threshold = 0.1;
  double mirostat_tau = 0.0;        // the surprise, in bits, that mirostat 2 aims at instead of the candidate rules; 0: off
  double mirostat_eta = 0.1;
};

// Refuses ids outside the vocabulary, naming the parameter.
Status check_ids(const SamplingParams& params, int64_t vocab_size);

}  // namespace owlet
