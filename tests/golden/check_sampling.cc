// Rules of sampling against transformers' logit processors, alone and in chains.
#include <algorithm>
#include <functional>
#include <map>

#include "core/file.h"
#include "core/json.h"
#include "generate/sampler.h"
#include "io/safetensors.h"
#include "report.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

using Row = std::vector<float>;

TokenIds ids_of(const Json& json) { return json.is_array() ? json.get<TokenIds>() : TokenIds{json.get<int32_t>()}; }

// A rule on the candidates, as one on a whole row of scores: what is dropped scores −infinity, and what stays its score from
// before; the temperature's are moved back to where transformers has them, since candidates are counted from the best.
void on_candidates(Row& row, const std::function<void(Candidates&)>& rule) {
  Candidates candidates;
  collect(row, candidates);
  rule(candidates);
  Row kept(row.size(), -INFINITY);
  for (const Candidate& c : candidates) kept[static_cast<size_t>(c.id)] = row[static_cast<size_t>(c.id)];
  row = std::move(kept);
}

void scale(Row& row, double temperature) {
  Candidates candidates;
  collect(row, candidates);
  const double best = static_cast<double>(best_score(candidates));
  scale_by_temperature(candidates, temperature);
  for (const Candidate& c : candidates) {
    row[static_cast<size_t>(c.id)] = static_cast<float>(static_cast<double>(c.score) + best / temperature);
  }
}

void repetition(Row& row, const TokenIds& history, double penalty) {
  TokenIds seen = history;
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  penalize_repetition(row, seen, penalty);
}

// One rule by its name in transformers; false where there is none of that name.
bool apply(const std::string& name, const Json& test, const TokenIds& history, Row& row) {
  const auto number = [&](const char* key) { return test.at(key).get<double>(); };
  const auto n_history = static_cast<int64_t>(history.size());
  const auto ends = [&] { return ids_of(test.at("eos_token_id")); };
  const std::map<std::string, std::function<void()>> rules = {
      {"temperature", [&] { scale(row, number("temperature")); }},
      {"top_k", [&] { on_candidates(row, [&](Candidates& c) { keep_top_k(c, test.at("top_k").get<int64_t>()); }); }},
      {"top_p", [&] { on_candidates(row, [&](Candidates& c) { keep_top_p(c, number("top_p")); }); }},
      {"top_h", [&] { on_candidates(row, [&](Candidates& c) { keep_top_h(c, number("top_h")); }); }},
      {"min_p", [&] { on_candidates(row, [&](Candidates& c) { keep_min_p(c, number("min_p")); }); }},
      {"typical_p", [&] { on_candidates(row, [&](Candidates& c) { keep_typical_p(c, number("typical_p")); }); }},
      {"epsilon_cutoff", [&] { on_candidates(row, [&](Candidates& c) { cut_epsilon(c, number("epsilon_cutoff")); }); }},
      {"eta_cutoff", [&] { on_candidates(row, [&](Candidates& c) { cut_eta(c, number("eta_cutoff")); }); }},
      {"repetition_penalty", [&] { repetition(row, history, number("repetition_penalty")); }},
      {"no_repeat_ngram_size", [&] { forbid_repeated_ngrams(row, history, test.at("no_repeat_ngram_size").get<int64_t>()); }},
      {"bad_words_ids", [&] { forbid_words(row, history, test.at("bad_words_ids").get<std::vector<TokenIds>>()); }},
      {"sequence_bias", [&] { add_sequence_bias(row, history, test.at("sequence_bias").get<std::vector<std::pair<TokenIds, float>>>()); }},
      {"min_new_tokens",
       [&] { if (n_history - test.at("prompt_length").get<int64_t>() < test.at("min_new_tokens").get<int64_t>()) forbid(row, ends()); }},
      {"suppress_tokens", [&] { forbid(row, ids_of(test.at("suppress_tokens"))); }},
      {"forced_eos_token_id",
       [&] { if (n_history == test.at("max_length").get<int64_t>() - 1) force(row, test.at("forced_eos_token_id").get<int32_t>()); }},
      {"exponential_decay_length_penalty",
       [&] {
         const int64_t start = test.at("start").get<int64_t>() + test.at("prompt_length").get<int64_t>();
         decay_length(row, ends(), n_history - start, number("factor"));
       }},
  };
  const auto rule = rules.find(name);
  if (rule == rules.end()) return false;
  rule->second();
  return true;
}

// Equal values, best first: which of several equal scores at a cut-off stay is a matter of the sort, not of the rule.
std::string difference(const Row& ours, std::span<const float> theirs, std::span<const float> logits) {
  Row a, b;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (std::isfinite(ours[i])) a.push_back(ours[i]);
    if (std::isfinite(theirs[i])) b.push_back(theirs[i]);
    const bool tied = std::count(logits.begin(), logits.end(), logits[i]) > 1;
    if (!tied && std::isfinite(ours[i]) != std::isfinite(theirs[i])) return fmt::format("token {} is kept by one only", i);
    if (std::isfinite(ours[i]) && std::isfinite(theirs[i]) && std::abs(ours[i] - theirs[i]) > 1e-5f * std::max(1.0f, std::abs(theirs[i]))) {
      return fmt::format("token {} scores {}, expected {}", i, ours[i], theirs[i]);
    }
  }
  if (a.size() != b.size()) return fmt::format("{} tokens are kept, expected {}", a.size(), b.size());
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::abs(a[i] - b[i]) > 1e-5f * std::max(1.0f, std::abs(b[i]))) return fmt::format("a score {}, expected {}", a[i], b[i]);
  }
  return {};
}

// Why a case differs; empty where it holds for every row.
std::string check_case(const Json& test, const Tensor& logits, const Tensor& history, const Tensor& expected) {
  const auto n = static_cast<size_t>(logits.shape()[0]), vocab = static_cast<size_t>(logits.shape()[1]);
  const auto length = static_cast<size_t>(history.shape()[1]);
  std::vector<std::string> order = {test.at("name").get<std::string>()};
  if (order[0] == "chain") order = test.at("order").get<std::vector<std::string>>();
  for (size_t r = 0; r < n; ++r) {
    const auto given = logits.span<float>().subspan(r * vocab, vocab);
    const auto said = history.span<int32_t>().subspan(r * length, length);
    Row row(given.begin(), given.end());
    for (const std::string& name : order) {
      if (!apply(name, test, TokenIds(said.begin(), said.end()), row)) return fmt::format("there is no rule '{}'", name);
    }
    const std::string why = difference(row, expected.span<float>().subspan(r * vocab, vocab), given);
    if (!why.empty()) return fmt::format("row {}: {}", r, why);
  }
  return {};
}

Status check_folder(const fs::path& dir, Report& report) {
  OWLET_ASSIGN(const std::string text, read_file(dir / "cases.json"));
  OWLET_ASSIGN(const Json json, parse_json(text));
  OWLET_ASSIGN(const Safetensors tensors, Safetensors::open(dir / "expected.safetensors"));
  OWLET_ASSIGN(const Tensor logits, tensors.tensor("logits"));
  OWLET_ASSIGN(const Tensor history, tensors.tensor("history"));
  for (const Json& test : json.at("cases")) {
    const auto index = test.at("index").get<int64_t>();
    OWLET_ASSIGN(const Tensor expected, tensors.tensor(fmt::format("out.{}", index)));
    const std::string why = check_case(test, logits, history, expected);
    report.check(why.empty(), dir / fmt::format("{:02} {}", index, test.at("name").get<std::string>()), why.empty() ? "equal for every row" : why);
  }
  return {};
}

}  // namespace

void check_sampling(const fs::path& root, Report& report) {
  const fs::path dir = root / "sampling";
  if (!fs::exists(dir)) return;
  if (const Status done = check_folder(dir, report); !done.ok()) report.fail(dir, done.error().to_string());
}

}  // namespace owlet::golden
