// One request from its arrival to the last byte of its answer, as those see it who only watch: the access log, the metrics, the list
// of what runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "serve/api_keys.h"
#include "serve/http_server.h"
#include "serve/metrics.h"

namespace owlet {

class ExchangeLog;

// Thread-safe. Dies with the last who works on the request, and is logged then.
class Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  Exchange(std::shared_ptr<ExchangeLog> log, const HttpRequest& request, std::string_view route);
  ~Exchange();

  // The client's X-Request-Id, where it is one to pass on; else a new one.
  const std::string& id() const { return id_; }
  // Whose request it is; empty where no keys are asked for.
  std::string key_id() const { return key_ ? key_->id : std::string(); }

  // A key's request begins; an error where a limit is reached. The limits count until the exchange ends.
  std::optional<KeyUsage::Refusal> begin_use(const ApiKey& key);
  void respond(int status);
  void disconnect();

  // A name that is served, once it is known; before answers.
  void set_model(const std::string& id);

  // Answers are on their way: `interrupt` ends them from any thread with an error, when the server stops.
  void begin_answers(int64_t prompt_tokens, size_t n_answers, std::function<void()> interrupt);
  // A token of an answer, `since` seconds after the one before it; less than 0: the first.
  void add_token(double since);
  void end_answer(std::string_view finish_reason, const GenerationStats& stats);
  void interrupt();

  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }
  bool answers() const;
  // As a line of the log, or an entry of the list of what runs.
  Json to_json() const;
  const std::string& body() const { return body_; }  // where it is to be logged

 private:
  const std::shared_ptr<ExchangeLog> log_;
  const Clock::time_point began_ = Clock::now();
  const std::string id_, method_, path_, peer_;
  const std::string route_;
  const std::string body_;
  std::optional<ApiKey> key_;  // without its secret

  mutable std::mutex mutex_;
  std::string model_;  // set once, before there are answers
  int status_ = 0;
  bool disconnected_ = false;
  size_t n_answers_ = 0;
  int64_t prompt_tokens_ = 0;
  int64_t new_tokens_ = 0;
  std::optional<double> first_token_s_;
  std::vector<std::string> finish_reasons_;
  std::function<void()> interrupt_;
};

// All exchanges: what is alive, and what was. Lives as long as the last of them.
class ExchangeLog : public std::enable_shared_from_this<ExchangeLog> {
 public:
  // `write` gets each line when its exchange ends, from any thread; none: nothing is logged. `with_bodies`: requests in full.
  explicit ExchangeLog(std::function<void(const std::string& line)> write = {}, bool with_bodies = false)
      : write_(std::move(write)), with_bodies_(with_bodies) {}

  std::shared_ptr<Exchange> open(const HttpRequest& request, std::string_view route);
  // Those with answers on their way.
  std::vector<std::shared_ptr<Exchange>> answering() const;
  // Waits until there are none; false where the time is up before.
  bool wait_until_quiet(double seconds);

  Metrics metrics;
  KeyUsage usage;

 private:
  friend class Exchange;
  void close(Exchange& exchange);

  const std::function<void(const std::string&)> write_;
  const bool with_bodies_;
  mutable std::mutex mutex_;
  std::condition_variable closed_;
  std::map<Exchange*, std::weak_ptr<Exchange>> alive_;
};

}  // namespace owlet
