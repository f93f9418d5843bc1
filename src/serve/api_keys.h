// Keys: who may ask, and how much. From a file of JSON:
//   {"keys": [{"id": "ada", "key": "sk-…", "requests_per_minute": 60, "tokens_per_minute": 100000, "concurrent": 4}, …]}
// Limits that are not given are none.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace owlet {

struct ApiKey {
  std::string id;      // in logs and metrics; never the secret
  std::string secret;  // what comes behind "Bearer "
  int64_t requests_per_minute = 0;  // 0: any number
  int64_t tokens_per_minute = 0;    // of prompts and answers
  int64_t concurrent = 0;           // requests in progress
};

// Errors: what is not this form, an id or a secret that comes twice, a secret shorter than 8 characters.
Result<std::vector<ApiKey>> parse_api_keys(std::string_view json);

// The key whose secret this is. Takes the same time whichever it is, and how much of it is right.
const ApiKey* find_key(const std::vector<ApiKey>& keys, std::string_view secret);

// Takes the same time wherever two texts of one length differ.
bool constant_time_equal(std::string_view a, std::string_view b);

// What each key has used of its limits: buckets that hold a minute's worth and fill steadily (the token bucket). Thread-safe.
class KeyUsage {
 public:
  using Clock = std::chrono::steady_clock;

  struct Refusal {
    double wait_s = 0;  // until it is worth another try
    std::string limit;  // "60 requests a minute"
  };
  // Begins a request, which end() ends; or says why not. Tokens may be overdrawn by what is in progress, and are paid back before
  // the next request begins.
  std::optional<Refusal> begin(const ApiKey& key, Clock::time_point now);
  void spend_tokens(const ApiKey& key, int64_t n, Clock::time_point now);
  void end(const ApiKey& key);

 private:
  struct Use {
    double requests = 0, tokens = 0;  // left in the buckets
    Clock::time_point filled_at;
    int64_t in_progress = 0;
  };
  Use& fill(const ApiKey& key, Clock::time_point now);

  std::mutex mutex_;
  std::map<std::string, Use> use_of_;  // by the key's id
};

}  // namespace owlet
