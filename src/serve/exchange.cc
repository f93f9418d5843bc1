#include "serve/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>

namespace owlet {
namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr size_t kMaxLoggedPath = 256;

bool is_good_id(std::string_view id) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), is_good);
}

std::string id_of(const HttpRequest& request) {
  if (const std::string_view id = request.header("x-request-id"); is_good_id(id)) return std::string(id);
  std::random_device device;
  return fmt::format("req-{:08x}{:08x}", device(), device());
}

// "2026-01-31T12:00:00.000Z"
std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  return fmt::format("{}.{:03}Z", std::string_view(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc)), ms);
}

}  // namespace

Exchange::Exchange(std::shared_ptr<ExchangeLog> log, const HttpRequest& request, std::string_view route)
    : log_(std::move(log)),
      id_(id_of(request)),
      method_(request.method.substr(0, 20)),
      path_(request.path.substr(0, kMaxLoggedPath)),
      peer_(request.peer),
      route_(route),
      body_(log_->with_bodies_ ? request.body : std::string()) {}

Exchange::~Exchange() {
  if (key_) log_->usage.end(*key_);
  log_->close(*this);
}

std::optional<KeyUsage::Refusal> Exchange::begin_use(const ApiKey& key) {
  const auto refusal = log_->usage.begin(key, Clock::now());
  if (refusal) return refusal;
  key_ = key;
  key_->secret.clear();
  return std::nullopt;
}

void Exchange::respond(int status) {
  {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }
  log_->metrics.count_response(route_, status);
}

void Exchange::disconnect() {
  const std::lock_guard lock(mutex_);
  disconnected_ = true;
}

void Exchange::set_model(const std::string& id) {
  const std::lock_guard lock(mutex_);
  model_ = id;
}

void Exchange::begin_answers(int64_t prompt_tokens, size_t n_answers, std::function<void()> interrupt) {
  {
    const std::lock_guard lock(mutex_);
    prompt_tokens_ = prompt_tokens;
    n_answers_ = n_answers;
    interrupt_ = std::move(interrupt);
  }
  log_->metrics.count_prompt_tokens(model_, prompt_tokens);
  if (key_) log_->usage.spend_tokens(*key_, prompt_tokens, Clock::now());
}

void Exchange::add_token(double since) {
  {
    const std::lock_guard lock(mutex_);
    ++new_tokens_;
    if (!first_token_s_) first_token_s_ = seconds();
  }
  log_->metrics.count_generated_tokens(model_, 1);
  log_->metrics.observe(model_, since < 0 ? Timing::kFirstToken : Timing::kInterToken, since < 0 ? seconds() : since);
  if (key_) log_->usage.spend_tokens(*key_, 1, Clock::now());
}

void Exchange::end_answer(std::string_view finish_reason, const GenerationStats& stats) {
  bool is_last = false;
  {
    const std::lock_guard lock(mutex_);
    finish_reasons_.emplace_back(finish_reason);
    is_last = finish_reasons_.size() == n_answers_;
  }
  Metrics& metrics = log_->metrics;
  metrics.count_answer(model_, finish_reason);
  if (is_last) metrics.observe(model_, Timing::kWhole, seconds());
  if (stats.new_tokens == 0) return;
  metrics.observe(model_, Timing::kQueue, stats.queue_ms / 1000);
  metrics.observe(model_, Timing::kPrefill, stats.prompt_ms / 1000);
  metrics.observe(model_, Timing::kDecode, stats.decode_ms / 1000);
}

void Exchange::interrupt() {
  std::function<void()> interrupt;
  {
    const std::lock_guard lock(mutex_);
    interrupt = interrupt_;
  }
  if (interrupt) interrupt();
}

bool Exchange::answers() const {
  const std::lock_guard lock(mutex_);
  return n_answers_ > 0;
}

Json Exchange::to_json() const {
  const std::lock_guard lock(mutex_);
  Json json = {{"id", id_}, {"peer", peer_}, {"key", key_ ? Json(key_->id) : Json()}, {"method", method_}, {"path", path_},
               {"status", status_}, {"seconds", seconds()}};
  if (disconnected_) json["disconnected"] = true;
  if (!model_.empty()) json["model"] = model_;
  if (n_answers_ == 0) return json;
  json["answers"] = n_answers_;
  json["prompt_tokens"] = prompt_tokens_;
  json["completion_tokens"] = new_tokens_;
  json["finish_reasons"] = finish_reasons_;
  if (first_token_s_) json["first_token_seconds"] = *first_token_s_;
  return json;
}

std::shared_ptr<Exchange> ExchangeLog::open(const HttpRequest& request, std::string_view route) {
  const auto exchange = std::make_shared<Exchange>(shared_from_this(), request, route);
  const std::lock_guard lock(mutex_);
  alive_.emplace(exchange.get(), exchange);
  return exchange;
}

std::vector<std::shared_ptr<Exchange>> ExchangeLog::answering() const {
  std::vector<std::shared_ptr<Exchange>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [_, weak] : alive_) {
      if (auto exchange = weak.lock()) all.push_back(std::move(exchange));
    }
  }
  // Outside the lock: what is let go here may be the last to hold it, and closes.
  std::erase_if(all, [](const auto& exchange) { return !exchange->answers(); });
  return all;
}

bool ExchangeLog::wait_until_quiet(double seconds) {
  const auto until = Exchange::Clock::now() + std::chrono::duration_cast<Exchange::Clock::duration>(std::chrono::duration<double>(seconds));
  for (;;) {
    if (answering().empty()) return true;
    std::unique_lock lock(mutex_);
    if (closed_.wait_until(lock, std::min(until, Exchange::Clock::now() + std::chrono::milliseconds(50))) == std::cv_status::timeout &&
        Exchange::Clock::now() >= until) {
      return false;
    }
  }
}

void ExchangeLog::close(Exchange& exchange) {
  if (write_) {
    Json line = exchange.to_json();
    line["time"] = utc_now();
    if (with_bodies_) line["body"] = exchange.body();
    write_(dump_json(line));
  }
  const std::lock_guard lock(mutex_);
  alive_.erase(&exchange);
  closed_.notify_all();
}

}  // namespace owlet
