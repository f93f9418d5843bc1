#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace owlet {
namespace {

// Upper bounds of buckets, in seconds: from one step of a small model to minutes of a large one, about 2.5-fold apart.
constexpr double kBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};

struct TimingName {
  std::string_view name;
  std::string_view help;
};
constexpr std::array<TimingName, kNumTimings> kTimings = {{
    {"owlet_time_to_first_token_seconds", "From a request's arrival to the first token of an answer."},
    {"owlet_inter_token_seconds", "Between two tokens of an answer."},
    {"owlet_request_seconds", "From a request's arrival to the end of its answers."},
    {"owlet_queue_seconds", "From a request's arrival in the engine to its first step."},
    {"owlet_prefill_seconds", "From the first step to the first token."},
    {"owlet_decode_seconds", "From the first token to the last."},
}};

using Out = std::back_insert_iterator<std::string>;

void head(Out out, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(out, "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

// As the value of a label.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string_view("\\n") : std::string_view(&c, 1);
  }
  return out;
}

// A metric with one value for each model: `value` of each entry of `all`, which are pairs of names and whatever is known of them.
template <class All, class Value>
void by_model(Out out, std::string_view name, std::string_view type, std::string_view help, const All& all, Value&& value) {
  head(out, name, type, help);
  for (const auto& [model, of_model] : all) fmt::format_to(out, "{}{{model=\"{}\"}} {}\n", name, escaped(model), value(of_model));
}

// What the engines say of themselves, at this moment.
void engines_text(Out out, const std::vector<std::pair<std::string, Engine::Snapshot>>& engines) {
  const auto gauge = [&](std::string_view name, std::string_view help, int64_t Engine::Load::*member) {
    by_model(out, name, "gauge", help, engines, [member](const Engine::Snapshot& now) { return now.load.*member; });
  };
  gauge("owlet_requests_running", "Answers that the engine works on.", &Engine::Load::running);
  gauge("owlet_requests_waiting", "Answers that wait for their turn.", &Engine::Load::waiting);
  gauge("owlet_kv_pages_used", "Pages of the KV cache in use.", &Engine::Load::pages_used);
  gauge("owlet_kv_pages_kept", "Pages kept for what they hold; free for who needs them.", &Engine::Load::pages_kept);
  gauge("owlet_kv_pages", "Pages of the KV cache.", &Engine::Load::pages_total);
  const auto counter = [&](std::string_view name, std::string_view help, int64_t EngineTotals::*member) {
    by_model(out, name, "counter", help, engines, [member](const Engine::Snapshot& now) { return now.totals.*member; });
  };
  counter("owlet_prefix_query_tokens_total", "Tokens of prompts that were looked for in pages.", &EngineTotals::prompt_tokens);
  counter("owlet_prefix_hit_tokens_total", "Of these, tokens that were found.", &EngineTotals::cached_tokens);
  counter("owlet_preemptions_total", "Answers that gave their pages up and were computed again.", &EngineTotals::preemptions);
  counter("owlet_drafted_tokens_total", "Tokens computed in the hope that they come next.", &EngineTotals::drafted_tokens);
  counter("owlet_accepted_tokens_total", "Of these, tokens that came.", &EngineTotals::accepted_tokens);
}

}  // namespace

void Metrics::observe(const std::string& model, Timing timing, double seconds) {
  const auto bucket = std::lower_bound(std::begin(kBounds), std::end(kBounds), seconds) - std::begin(kBounds);
  const std::lock_guard lock(mutex_);
  Histogram& histogram = models_[model].histograms[static_cast<size_t>(timing)];
  histogram.counts.resize(std::size(kBounds) + 1);
  ++histogram.counts[static_cast<size_t>(bucket)];
  histogram.sum += seconds;
}

void Metrics::count_prompt_tokens(const std::string& model, int64_t n) {
  const std::lock_guard lock(mutex_);
  models_[model].prompt_tokens += n;
}

void Metrics::count_generated_tokens(const std::string& model, int64_t n) {
  const std::lock_guard lock(mutex_);
  models_[model].generated_tokens += n;
}

void Metrics::count_answer(const std::string& model, std::string_view finish_reason) {
  const std::lock_guard lock(mutex_);
  ++models_[model].answers[std::string(finish_reason)];
}

void Metrics::count_response(std::string_view path, int status) {
  const std::lock_guard lock(mutex_);
  ++responses_[{std::string(path), status}];
}

std::string Metrics::text(const std::vector<std::pair<std::string, Engine::Snapshot>>& engines) const {
  std::string text;
  const Out out(text);
  engines_text(out, engines);
  const std::lock_guard lock(mutex_);
  by_model(out, "owlet_prompt_tokens_total", "counter", "Tokens of prompts.", models_, [](const OfModel& m) { return m.prompt_tokens; });
  by_model(out, "owlet_generated_tokens_total", "counter", "Tokens of answers.", models_, [](const OfModel& m) { return m.generated_tokens; });
  head(out, "owlet_answers_total", "counter", "Answers that have ended, by how.");
  for (const auto& [model, of_model] : models_) {
    for (const auto& [reason, n] : of_model.answers) {
      fmt::format_to(out, "owlet_answers_total{{model=\"{}\",finish_reason=\"{}\"}} {}\n", escaped(model), reason, n);
    }
  }
  head(out, "owlet_http_responses_total", "counter", "HTTP responses by route and status.");
  for (const auto& [key, n] : responses_) {
    fmt::format_to(out, "owlet_http_responses_total{{path=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, n);
  }
  for (size_t t = 0; t < kNumTimings; ++t) {
    head(out, kTimings[t].name, "histogram", kTimings[t].help);
    for (const auto& [model, of_model] : models_) append_histogram(out, kTimings[t].name, escaped(model), of_model.histograms[t]);
  }
  return text;
}

void Metrics::append_histogram(std::back_insert_iterator<std::string> out, std::string_view name, std::string_view model, const Histogram& histogram) {
  int64_t n = 0;
  for (size_t i = 0; i <= std::size(kBounds); ++i) {
    if (!histogram.counts.empty()) n += histogram.counts[i];
    const std::string bound = i < std::size(kBounds) ? fmt::format("{}", kBounds[i]) : "+Inf";
    fmt::format_to(out, "{}_bucket{{model=\"{}\",le=\"{}\"}} {}\n", name, model, bound, n);
  }
  fmt::format_to(out, "{0}_sum{{model=\"{1}\"}} {2}\n{0}_count{{model=\"{1}\"}} {3}\n", name, model, histogram.sum, n);
}

}  // namespace owlet
