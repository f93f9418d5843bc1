#include "serve/api_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "serve/json_fields.h"

namespace owlet {
namespace {

constexpr size_t kMaxKeys = 10'000;
constexpr size_t kMinSecretBytes = 8;
constexpr int64_t kMaxLimit = 1'000'000'000'000;

Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), R"(a file of keys is {"keys": [{"id": "ada", "key": "…"}]})"};
}

Result<ApiKey> read_key(const Json& json, size_t i) {
  const std::string where = fmt::format("keys[{}]", i);
  if (!json.is_object()) return invalid(where + " must be an object");
  ApiKey key;
  JsonFields fields(json, where + ".");
  fields.text("id", key.id);
  fields.text("key", key.secret);
  fields.integer("requests_per_minute", 1, kMaxLimit, key.requests_per_minute);
  fields.integer("tokens_per_minute", 1, kMaxLimit, key.tokens_per_minute);
  fields.integer("concurrent", 1, kMaxLimit, key.concurrent);
  fields.refuse_unknown();
  if (fields.error()) return invalid(fields.error()->message);
  if (key.id.empty()) return invalid(where + ".id is missing");
  if (key.secret.size() < kMinSecretBytes) return invalid(fmt::format("{}.key needs at least {} characters", where, kMinSecretBytes));
  return key;
}

}  // namespace

Result<std::vector<ApiKey>> parse_api_keys(std::string_view json) {
  OWLET_ASSIGN(const Json document, parse_json(json));
  const auto list = document.is_object() ? document.find("keys") : document.end();
  const bool is_list = list != document.end() && document.size() == 1 && list->is_array();
  if (!is_list || list->empty() || list->size() > kMaxKeys) {
    return invalid(fmt::format("'keys' must be a list of 1 to {} keys, and nothing else beside it", kMaxKeys));
  }
  std::vector<ApiKey> keys;
  std::set<std::string> ids, secrets;
  for (const Json& entry : *list) {
    OWLET_ASSIGN(ApiKey key, read_key(entry, keys.size()));
    if (!ids.insert(key.id).second) return invalid(fmt::format("the id '{}' comes twice", key.id));
    if (!secrets.insert(key.secret).second) return invalid(fmt::format("'{}' has the key of another", key.id));
    keys.push_back(std::move(key));
  }
  return keys;
}

const ApiKey* find_key(const std::vector<ApiKey>& keys, std::string_view secret) {
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys) {
    if (constant_time_equal(secret, key.secret)) found = &key;
  }
  return found;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0u : 1u;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned>(static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]));
  }
  return difference == 0;
}

KeyUsage::Use& KeyUsage::fill(const ApiKey& key, Clock::time_point now) {
  const auto requests = static_cast<double>(key.requests_per_minute), tokens = static_cast<double>(key.tokens_per_minute);
  const auto [it, is_new] = use_of_.try_emplace(key.id, Use{.requests = requests, .tokens = tokens, .filled_at = now});
  Use& use = it->second;
  const double minutes = std::max(0.0, std::chrono::duration<double>(now - use.filled_at).count() / 60);
  use.requests = std::min(requests, use.requests + requests * minutes);
  use.tokens = std::min(tokens, use.tokens + tokens * minutes);
  use.filled_at = std::max(use.filled_at, now);
  return use;
}

std::optional<KeyUsage::Refusal> KeyUsage::begin(const ApiKey& key, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  Use& use = fill(key, now);
  const auto wait = [](double missing, int64_t per_minute) { return missing * 60 / static_cast<double>(per_minute); };
  if (key.concurrent > 0 && use.in_progress >= key.concurrent) {
    return Refusal{1, fmt::format("{} requests at once", key.concurrent)};
  }
  if (key.requests_per_minute > 0 && use.requests < 1) {
    return Refusal{wait(1 - use.requests, key.requests_per_minute), fmt::format("{} requests a minute", key.requests_per_minute)};
  }
  if (key.tokens_per_minute > 0 && use.tokens < 1) {
    return Refusal{wait(1 - use.tokens, key.tokens_per_minute), fmt::format("{} tokens a minute", key.tokens_per_minute)};
  }
  use.requests -= 1;
  ++use.in_progress;
  return std::nullopt;
}

void KeyUsage::spend_tokens(const ApiKey& key, int64_t n, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  fill(key, now).tokens -= static_cast<double>(n);
}

void KeyUsage::end(const ApiKey& key) {
  const std::lock_guard lock(mutex_);
  --use_of_[key.id].in_progress;
}

}  // namespace owlet
