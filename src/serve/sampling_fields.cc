#include "serve/sampling_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

namespace owlet {
namespace {

constexpr size_t kMaxBiases = 1024;
constexpr size_t kMaxTexts = 256;
constexpr size_t kMaxTextBytes = 1024;
constexpr int64_t kMaxTokens = 1'000'000;

void read_ids(JsonFields& fields, const std::string& name, TokenIds& ids) {
  if (fields.describes()) fields.describe(name, ids_schema());
  const Json* value = fields.find(name);
  if (!value) return;
  if (!value->is_array() || value->size() > kMaxIds || !std::all_of(value->begin(), value->end(), is_id)) {
    return fields.fail(name, fmt::format("must be an array of up to {} token ids", kMaxIds));
  }
  ids = value->get<TokenIds>();
}

void read_texts(JsonFields& fields, const std::string& name, std::vector<std::string>& texts) {
  if (fields.describes()) fields.describe(name, texts_schema(kMaxTexts, kMaxTextBytes));
  const Json* value = fields.find(name);
  if (!value) return;
  const auto is_text = [](const Json& text) {
    const std::string* s = text.get_ptr<const std::string*>();
    return s && !s->empty() && s->size() <= kMaxTextBytes;
  };
  if (!value->is_array() || value->size() > kMaxTexts || !std::all_of(value->begin(), value->end(), is_text)) {
    return fields.fail(name, fmt::format("must be an array of up to {} strings of 1 to {} bytes", kMaxTexts, kMaxTextBytes));
  }
  texts = value->get<std::vector<std::string>>();
}

void read_logit_bias(JsonFields& fields, SamplingParams& sampling) {
  if (fields.describes()) {
    fields.describe("logit_bias", {{"type", "object"},
                                   {"maxProperties", kMaxBiases},
                                   {"propertyNames", {{"pattern", "^(0|[1-9][0-9]{0,8})$"}}},
                                   {"additionalProperties", {{"type", "number"}, {"minimum", -100}, {"maximum", 100}}}});
  }
  const Json* biases = fields.find("logit_bias");
  if (!biases) return;
  if (!biases->is_object()) return fields.fail("logit_bias", "must be an object of token ids and numbers");
  if (biases->size() > kMaxBiases)
    return fields.fail("logit_bias", fmt::format("has more than {} entries", kMaxBiases));
  for (const auto& [key, value] : biases->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0) {
      return fields.fail("logit_bias", fmt::format("'{}' is not a token id", key));
    }
    if (!value.is_number() || !(std::abs(value.get<double>()) <= 100)) {
      return fields.fail("logit_bias",
                         fmt::format("the bias of token {} must be a number from -100 to 100", id));
    }
    sampling.logit_bias.emplace_back(id, value.get<float>());
  }
}

// transformers' form: [[[ids], bias], …].
void read_sequence_bias(JsonFields& fields, SamplingParams& s) {
  if (fields.describes()) {
    const Json bias = {{"type", "number"}, {"minimum", -1e6}, {"maximum", 1e6}};
    const Json pair = {{"type", "array"}, {"prefixItems", {ids_schema(kMaxTextBytes), bias}}, {"minItems", 2}, {"maxItems", 2}};
    fields.describe("sequence_bias", {{"type", "array"}, {"maxItems", kMaxBiases}, {"items", pair}});
  }
  const Json* value = fields.find("sequence_bias");
  if (!value) return;
  const auto fail = [&] {
    fields.fail("sequence_bias", fmt::format("must be an array of up to {} pairs of token ids and a number: [[[4, 7], -2.5]]", kMaxBiases));
  };
  if (!value->is_array() || value->size() > kMaxBiases) return fail();
  for (const Json& pair : *value) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_array() || pair[0].empty() || pair[0].size() > kMaxTextBytes ||
        !std::all_of(pair[0].begin(), pair[0].end(), is_id) || !pair[1].is_number() || !(std::abs(pair[1].get<double>()) <= 1e6)) {
      return fail();
    }
    s.sequence_bias.emplace_back(pair[0].get<TokenIds>(), pair[1].get<float>());
  }
}

void read_penalties(JsonFields& fields, SamplingRequest& request) {
  SamplingParams& s = request.params;
  fields.number("presence_penalty", -2, 2, s.presence_penalty);
  fields.number("frequency_penalty", -2, 2, s.frequency_penalty);
  fields.number("repetition_penalty", 0.01, 100, s.repetition_penalty);
  fields.number("repeat_penalty", 0.01, 100, s.repetition_penalty);
  fields.integer("repeat_last_n", -1, kMaxTokens, s.repetition_window);
  if (s.repetition_window == 0) s.repetition_penalty = 1.0;
  fields.integer("no_repeat_ngram_size", 0, kMaxTokens, s.no_repeat_ngram_size);
  fields.number("dry_multiplier", 0, 100, s.dry.multiplier);
  fields.number("dry_base", 1, 10, s.dry.base);
  fields.integer("dry_allowed_length", 0, kMaxTokens, s.dry.allowed_length);
  fields.integer("dry_penalty_last_n", -1, kMaxTokens, s.dry.window);
  request.dry_breakers = {"\n", ":", "\"", "*"};  // as llama.cpp's
  read_texts(fields, "dry_sequence_breakers", request.dry_breakers);
  read_logit_bias(fields, s);
  read_sequence_bias(fields, s);
}

void read_candidate_rules(JsonFields& fields, SamplingParams& s) {
  fields.number("top_p", 0, 1, s.top_p);
  fields.number("min_p", 0, 1, s.min_p);
  int64_t top_k = s.top_k;
  fields.integer("top_k", -1, INT32_MAX, top_k);  // −1 means off, as elsewhere
  s.top_k = static_cast<int>(std::max<int64_t>(0, top_k));
  fields.number("typical_p", 0, 1, s.typical_p);
  fields.number("top_n_sigma", -1, 100, s.top_n_sigma);
  fields.number("top_h", 0, 1, s.top_h);
  fields.number("epsilon_cutoff", 0, 1, s.epsilon_cutoff);
  fields.number("eta_cutoff", 0, 1, s.eta_cutoff);
  fields.number("xtc_probability", 0, 1, s.xtc_probability);
  fields.number("xtc_threshold", 0, 1, s.xtc_threshold);
  int64_t mirostat = s.mirostat_tau > 0 ? 2 : 0;
  fields.integer("mirostat", 0, 2, mirostat);
  if (mirostat == 1) fields.fail("mirostat", "version 1 is not supported: use 2");
  double tau = s.mirostat_tau > 0 ? s.mirostat_tau : 5.0;
  fields.number("mirostat_tau", 0.01, 100, tau);
  fields.number("mirostat_eta", 0, 1, s.mirostat_eta);
  s.mirostat_tau = mirostat == 2 ? tau : 0.0;
}

void read_ends(JsonFields& fields, SamplingRequest& request) {
  SamplingParams& s = request.params;
  fields.integer("min_tokens", 0, kMaxTokens, s.min_tokens);
  read_ids(fields, "stop_token_ids", request.stop_ids);
  read_ids(fields, "suppress_tokens", s.suppress_tokens);
  read_ids(fields, "allowed_token_ids", s.allowed_tokens);
  read_texts(fields, "bad_words", request.bad_words);
  fields.boolean("ignore_eos", request.ignore_eos);
  int64_t forced = -1;
  fields.integer("forced_eos_token_id", 0, INT32_MAX, forced);
  s.forced_last = static_cast<int32_t>(forced);
  if (fields.describes()) {
    const Json start = {{"type", "integer"}, {"minimum", 0}, {"maximum", INT32_MAX}};
    const Json factor = {{"type", "number"}, {"minimum", 0}, {"maximum", 100}};
    fields.describe("exponential_decay_length_penalty",
                    {{"type", "array"}, {"prefixItems", {start, factor}}, {"minItems", 2}, {"maxItems", 2}});
  }
  const Json* decay = fields.find("exponential_decay_length_penalty");
  if (!decay) return;
  if (!decay->is_array() || decay->size() != 2 || !is_id((*decay)[0]) || !(*decay)[1].is_number() ||
      !((*decay)[1] >= 0.0 && (*decay)[1] <= 100.0)) {
    return fields.fail("exponential_decay_length_penalty", "must be [start, factor] with a factor from 0 to 100");
  }
  s.decay_start = (*decay)[0].get<int64_t>();
  s.decay_factor = (*decay)[1].get<double>();
}

}  // namespace

Json ids_schema(size_t most) {
  const Json id = {{"type", "integer"}, {"minimum", 0}, {"maximum", INT32_MAX}};
  return {{"type", "array"}, {"items", id}, {"maxItems", most}};
}

Json texts_schema(size_t most, size_t max_bytes) {
  const Json text = {{"type", "string"}, {"minLength", 1}, {"maxLength", max_bytes}};
  return {{"type", "array"}, {"items", text}, {"maxItems", most}};
}

bool is_id(const Json& value) { return value.is_number_integer() && value >= 0 && value <= INT32_MAX; }

void read_sampling(JsonFields& fields, SamplingRequest& request) {
  fields.number("temperature", 0, 2, request.params.temperature);
  read_candidate_rules(fields, request.params);
  read_penalties(fields, request);
  read_ends(fields, request);
  std::random_device device;
  int64_t seed = static_cast<int64_t>((uint64_t{device()} << 32) | device());
  fields.integer("seed", INT64_MIN, INT64_MAX, seed);
  request.params.seed = static_cast<uint64_t>(seed);
}

}  // namespace owlet
