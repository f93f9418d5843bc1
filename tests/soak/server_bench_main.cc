// How fast servers answer many clients, measured by the same client in turn: server_bench VOCABULARY ROUNDS NAME=URL[@PID]….
// Every server must speak OpenAI's /v1/completions with prompts of token ids, and honour ignore_eos. Two things are measured, ROUNDS times
// each; of a server whose process is known also the processor time, which says more where the machine has other work:
//   16 clients at once, each with a prompt of 100 tokens of its own and 64 new tokens: tokens/s in all, and the time to the first token
//   a text of 2,000 tokens, then the same text with 20 more: the time to the second one's first token
// A first token is the first event with text: bytes that are no whole character yet are held back by every server.
#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "client.h"
#include "core/json.h"
#include "core/random.h"

namespace owlet {
namespace {

constexpr int kClients = 16;
constexpr int64_t kPromptTokens = 100;
constexpr int64_t kNewTokens = 64;
constexpr int64_t kHistoryTokens = 2000;
constexpr int64_t kTurnTokens = 20;
constexpr double kMostMs = 900'000;

struct Server {
  std::string name;
  uint16_t port = 0;
  int pid = 0;                            // 0: not known
  std::vector<double> tokens_per_s = {};  // of each round
  std::vector<double> first_ms = {};      // of each client of each round
  std::vector<double> turn_ms = {};       // of each round's second turn
  std::vector<double> processor_s = {};   // of each round's many clients
  int n_failed = 0;
};

struct Timed {
  double first_ms = 0;
  bool is_whole = false;
};

// Ids that no control token has, in most vocabularies.
Json random_ids(Random& random, int64_t n, int64_t vocabulary) {
  Json ids = Json::array();
  for (int64_t i = 0; i < n; ++i) ids.push_back(1000 + static_cast<int64_t>(random.below(static_cast<uint64_t>(vocabulary - 1000))));
  return ids;
}

bool has_text(std::string_view event) {
  const auto json = parse_json(event);
  if (!json.ok() || !json->contains("choices") || (*json)["choices"].empty()) return false;
  return !(*json)["choices"][0].value("text", "").empty();
}

Timed complete(uint16_t port, const Json& ids, int64_t n_new) {
  Timed timed;
  const Json body = {{"prompt", ids}, {"max_tokens", n_new}, {"temperature", 0}, {"ignore_eos", true}, {"stream", true}};
  const auto began = Clock::now();
  Connection connection(port);
  connection.send(http("POST", "/v1/completions", body.dump()));
  std::string received;
  size_t read = 0;  // whole lines are read so far
  while (connection.ok() && !timed.is_whole && ms_since(began) < kMostMs) {
    received += connection.receive(1000);
    for (size_t end = received.find('\n', read); end != std::string::npos; end = received.find('\n', read)) {
      const std::string_view line = std::string_view(received).substr(read, end - read);
      read = end + 1;
      if (!line.starts_with("data: ")) continue;
      if (line.starts_with("data: [DONE]")) timed.is_whole = true;
      if (timed.first_ms == 0 && has_text(line.substr(6))) timed.first_ms = ms_since(began);
    }
  }
  return timed;
}

void many_clients(Server& server, Random& random, int64_t vocabulary) {
  std::vector<Json> prompts;
  for (int i = 0; i < kClients; ++i) prompts.push_back(random_ids(random, kPromptTokens, vocabulary));
  std::vector<Timed> timed(kClients);
  std::vector<std::thread> clients;
  const auto began = Clock::now();
  const double processor_began = processor_ms(server.pid);
  for (size_t i = 0; i < kClients; ++i) clients.emplace_back([&, i] { timed[i] = complete(server.port, prompts[i], kNewTokens); });
  for (std::thread& client : clients) client.join();
  server.tokens_per_s.push_back(kClients * kNewTokens * 1000.0 / ms_since(began));
  if (server.pid > 0) server.processor_s.push_back((processor_ms(server.pid) - processor_began) / 1000);
  for (const Timed& t : timed) {
    server.n_failed += !t.is_whole;
    server.first_ms.push_back(t.first_ms);
  }
}

void second_turn(Server& server, Random& random, int64_t vocabulary) {
  Json ids = random_ids(random, kHistoryTokens, vocabulary);
  server.n_failed += !complete(server.port, ids, kNewTokens).is_whole;
  for (const Json& id : random_ids(random, kTurnTokens, vocabulary)) ids.push_back(id);
  const Timed turn = complete(server.port, ids, kNewTokens);
  server.n_failed += !turn.is_whole;
  server.turn_ms.push_back(turn.first_ms);
}

double at(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

int run(int64_t vocabulary, int n_rounds, std::vector<Server> servers) {
  for (int round = 0; round < n_rounds; ++round) {
    for (Server& server : servers) {
      Random random{static_cast<uint64_t>(round), /*stream=*/16};
      many_clients(server, random, vocabulary);
      second_turn(server, random, vocabulary);
      fmt::print("{:<16} {:>7.1f} tokens/s   second turn {:>7.0f} ms\n", server.name, server.tokens_per_s.back(), server.turn_ms.back());
      std::fflush(stdout);
    }
  }
  fmt::print("\n{} clients, {} tokens in, {} out; then {} more tokens behind {}; {} rounds in turn\n", kClients, kPromptTokens, kNewTokens,
             kTurnTokens, kHistoryTokens, n_rounds);
  fmt::print("{:<16} {:>12} {:>14} {:>14} {:>16} {:>13} {:>8}\n", "", "tokens/s", "first p50, ms", "first p95, ms", "second turn, ms", "processor, s", "failed");
  for (const Server& s : servers) {
    fmt::print("{:<16} {:>12.1f} {:>14.0f} {:>14.0f} {:>16.0f} {:>13.1f} {:>8}\n", s.name, at(s.tokens_per_s, 0.5), at(s.first_ms, 0.5),
               at(s.first_ms, 0.95), at(s.turn_ms, 0.5), s.processor_s.empty() ? 0.0 : at(s.processor_s, 0.5), s.n_failed);
  }
  return std::any_of(servers.begin(), servers.end(), [](const Server& s) { return s.n_failed > 0; });
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) {
  std::vector<owlet::Server> servers;
  for (int i = 3; i < argc; ++i) {
    const std::string given = argv[i];
    const size_t at = given.find('@');
    servers.push_back({given.substr(0, given.find('=')), owlet::port_of(given), at == std::string::npos ? 0 : std::atoi(given.c_str() + at + 1)});
  }
  const int64_t vocabulary = argc > 1 ? std::atoll(argv[1]) : 0;
  if (servers.empty() || vocabulary < 2000) {
    fmt::print(stderr, "usage: server_bench VOCABULARY ROUNDS NAME=URL[@PID]…; a vocabulary of 2,000 at least\n");
    return 2;
  }
  return owlet::run(vocabulary, std::atoi(argv[2]), std::move(servers));
}
