// Good clients beside many bad ones: soak URL PID [SECONDS] [SLOW]. The server at URL (http://127.0.0.1:PORT, process PID) answers eight
// good clients alone, then beside SLOW (default 200) clients that are slow or silent, then twice beside clients that leave at random
// moments, too. Every good answer must be the one that a client alone gets; afterwards nothing must run, and memory must not have grown.
// Ends with "N passed, N failed". soak URL PID SECONDS SLOW beside measures instead what slow and silent clients cost the good ones: alone and
// beside them by turns, so that whatever else the machine does meets both.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/json.h"
#include "core/random.h"
#include "client.h"

namespace owlet {
namespace {

using std::chrono::milliseconds;

constexpr int kGood = 8;
constexpr int kLeavers = 24;
constexpr int64_t kMostGrowthKb = 8 << 10;  // of what a storm leaves behind, beyond what the one before it left

std::string chat(int64_t max_tokens, bool greedy) {
  Json body = {{"messages", {{{"role", "user"}, {"content", "What is the capital of Peru?"}}}}, {"max_tokens", max_tokens}, {"stream", true}};
  if (greedy) body["temperature"] = 0;
  if (!greedy) body["ignore_eos"] = true;
  return http("POST", "/v1/chat/completions", body.dump());
}

// Whole text of a stream's events, or nothing where it did not come to its end.
struct Answer {
  std::string text;
  double first_ms = 0;
  double whole_ms = 0;
  bool whole = false;
};

Answer ask(uint16_t port) {
  Answer answer;
  Connection connection(port);
  const auto began = Clock::now();
  if (!connection.send(chat(32, true))) return answer;
  std::string received;
  while (connection.ok() && ms_since(began) < 60'000) {
    received += connection.receive(1000);
    // The first event opens the answer, the second brings a token.
    const size_t opening = received.find("data: ");
    if (answer.first_ms == 0 && opening != std::string::npos && received.find("data: ", opening + 1) != std::string::npos) {
      answer.first_ms = ms_since(began);
    }
  }
  answer.whole_ms = ms_since(began);
  for (size_t at = received.find("data: "); at != std::string::npos; at = received.find("data: ", at + 1)) {
    const std::string line = received.substr(at + 6, received.find('\n', at) - at - 6);
    if (line == "[DONE]") answer.whole = true;
    const auto event = parse_json(line);
    if (!event || !event->contains("choices") || (*event)["choices"].empty()) continue;
    const Json& delta = (*event)["choices"][0]["delta"];
    answer.text += delta.value("reasoning_content", "") + delta.value("content", "");
  }
  return answer;
}

// The value of a metric, of all models together; less than 0 where there is none.
double metric(uint16_t port, const std::string& name) {
  const std::string text = get(port, "/metrics");
  double sum = -1;
  for (size_t at = text.find("\n" + name + "{"); at != std::string::npos; at = text.find("\n" + name + "{", at + 1)) {
    sum = std::max(sum, 0.0) + std::strtod(text.c_str() + text.find("} ", at) + 2, nullptr);
  }
  return sum;
}

int64_t resident_kb(int pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoll(line.c_str() + 6, nullptr, 10);
  }
  return -1;
}

class Soak {
 public:
  Soak(uint16_t port, int pid, double seconds, int n_slow)
      : port_(port), pid_(pid), seconds_(seconds), n_slow_(n_slow), expected_(ask(port).text) {}

  int run() {
    check(!expected_.empty(), "a client alone is answered", expected_.substr(0, 60));
    phase("alone", seconds_ / 5, {.slow = false, .storm = false});
    phase("beside the slow and silent", seconds_ / 5, {.slow = true, .storm = false});
    phase("first storm", seconds_ / 10 * 3, {.slow = true, .storm = true});
    check_quiet();
    const int64_t after_first = resident_kb(pid_);
    phase("second storm", seconds_ / 10 * 3, {.slow = true, .storm = true});
    check_quiet();
    const int64_t after_second = resident_kb(pid_);
    if (after_first > 0) {
      check(after_second - after_first <= kMostGrowthKb, "memory is flat", fmt::format("{} kB, then {} kB", after_first, after_second));
    }
    fmt::print("{} passed, {} failed\n", passed_, failed_);
    return failed_ != 0;
  }

  // What slow and silent clients cost the good ones: a measurement, of which only the answers can be wrong.
  int measure_beside() {
    constexpr int kWindows = 8;  // of each kind
    struct Times {
      std::vector<double> first_ms, whole_ms;
      double processor_ms = 0;
      double per_answer() const { return processor_ms / static_cast<double>(std::max<size_t>(1, whole_ms.size())); }
    };
    Times alone, beside;
    for (int i = 0; i < 2 * kWindows; ++i) {
      const bool is_beside = (i + i / 2) % 2 == 1;  // ABBA
      Times& times = is_beside ? beside : alone;
      const double began = processor_ms(pid_);
      phase(is_beside ? "beside" : "alone", seconds_ / (2 * kWindows), {.slow = is_beside, .storm = false});
      times.processor_ms += processor_ms(pid_) - began;
      times.first_ms.insert(times.first_ms.end(), first_ms_.begin(), first_ms_.end());
      times.whole_ms.insert(times.whole_ms.end(), whole_ms_.begin(), whole_ms_.end());
    }
    const auto print = [](std::string_view what, const std::vector<double>& a, const std::vector<double>& b) {
      for (const double share : {0.5, 0.99}) {
        fmt::print("{:<12} p{:<3.0f} alone {:>7.1f} ms, beside {:>7.1f} ms: {:+.1f} %\n", what, 100 * share, at(a, share), at(b, share),
                   100 * (at(b, share) / at(a, share) - 1));
      }
    };
    print("first token", alone.first_ms, beside.first_ms);
    print("whole answer", alone.whole_ms, beside.whole_ms);
    fmt::print("{:<17} alone {:>7.2f} ms, beside {:>7.2f} ms: {:+.1f} %\n", "processor, each", alone.per_answer(), beside.per_answer(),
               100 * (beside.per_answer() / alone.per_answer() - 1));
    fmt::print("{} passed, {} failed\n", passed_, failed_);
    return failed_ != 0;
  }

 private:
  static double at(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0.0 : values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  }

  void check(bool holds, std::string_view name, const std::string& text = {}) {
    (holds ? passed_ : failed_) += 1;
    fmt::print("{} {:<44} {}\n", holds ? "ok  " : "FAIL", name, text);
    std::fflush(stdout);
  }

  struct Others {
    bool slow = false;   // clients that say nothing or little
    bool storm = false;  // clients that leave, and that ask for much and read little
  };

  // Good clients for so long, beside others.
  void phase(const std::string& name, double seconds, Others others) {
    stop_ = false;
    n_good_ = n_wrong_ = n_left_ = 0;
    first_ms_.clear();
    whole_ms_.clear();
    std::vector<std::thread> threads;
    for (int i = 0; i < kGood; ++i) threads.emplace_back([this] { be_good(); });
    for (int i = 0; others.storm && i < kLeavers; ++i) threads.emplace_back([this, i] { leave(static_cast<uint64_t>(i)); });
    if (others.slow) threads.emplace_back([this, others] { be_slow(others.storm); });
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
    check(n_good_ > 0 && n_wrong_ == 0, name + ": every good answer is right",
          fmt::format("{} answers, {} wrong, {} clients left; first token p50 {:.0f} ms, p99 {:.0f} ms", n_good_, n_wrong_, n_left_,
                      at(first_ms_, 0.5), at(first_ms_, 0.99)));
  }

  void check_quiet() {
    const auto began = Clock::now();
    const auto is_quiet = [this] { return metric(port_, "owlet_requests_running") == 0 && metric(port_, "owlet_requests_waiting") == 0; };
    bool quiet = is_quiet();
    while (!quiet && ms_since(began) < 30'000) {
      std::this_thread::sleep_for(milliseconds(5));
      quiet = is_quiet();
    }
    const double pages = metric(port_, "owlet_kv_pages_used");
    check(quiet && pages == 0, "nothing runs, and no page is held", fmt::format("after {:.0f} ms; {} pages", ms_since(began), pages));
  }

  void be_good() {
    while (!stop_) {
      const Answer answer = ask(port_);
      const std::lock_guard lock(mutex_);
      n_good_ += 1;
      n_wrong_ += answer.whole && answer.text == expected_ ? 0 : 1;
      first_ms_.push_back(answer.first_ms);
      whole_ms_.push_back(answer.whole_ms);
    }
  }

  // Leaves in the middle of the request, of the prompt, or of the answer; politely or not.
  void leave(uint64_t seed) {
    Random random{seed, /*stream=*/7};
    while (!stop_) {
      Connection connection(port_);
      const std::string request = chat(400, false);
      const bool is_whole = random.below(4) != 0;
      connection.send(std::string_view(request).substr(0, is_whole ? request.size() : static_cast<size_t>(random.below(request.size()))));
      const auto leaves_at = Clock::now() + milliseconds(random.below(300));
      while (connection.ok() && Clock::now() < leaves_at) connection.receive(20);
      connection.close(/*reset=*/random.below(2) == 0);
      n_left_ += 1;
    }
  }

  // One thread holds them all, and comes to each once a second: of three, one says nothing, one sends a byte, and one reads a byte of an
  // answer, where there are readers: up to a hundred, for they make work.
  void be_slow(bool readers) {
    std::vector<std::unique_ptr<Connection>> connections(static_cast<size_t>(n_slow_));
    std::vector<size_t> n_sent(connections.size());
    const std::string request = chat(200, false);
    constexpr size_t kTurns = 20;
    for (size_t turn = 0; !stop_; turn = (turn + 1) % kTurns) {
      for (size_t i = turn; i < connections.size() && !stop_; i += kTurns) {
        auto& connection = connections[i];
        if (!connection || !connection->ok()) {
          connection = std::make_unique<Connection>(port_);
          n_sent[i] = 0;
          if (readers && i % 3 == 2 && i < 300) connection->send(request);
        }
        if (i % 3 == 1 && n_sent[i] < request.size()) connection->send(std::string_view(request).substr(n_sent[i]++, 1));
        connection->receive(0, i % 3 == 2 ? 1 : 4096);
      }
      std::this_thread::sleep_for(milliseconds(1000 / kTurns));
    }
  }

  const uint16_t port_;
  const int pid_;
  const double seconds_;
  const int n_slow_;
  const std::string expected_;
  int passed_ = 0;
  int failed_ = 0;

  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> n_left_ = 0;
  std::mutex mutex_;
  int64_t n_good_ = 0;
  int64_t n_wrong_ = 0;
  std::vector<double> first_ms_;
  std::vector<double> whole_ms_;
};

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: soak URL PID [SECONDS [SLOW [beside]]]\n");
    return 2;
  }
  owlet::Soak soak(owlet::port_of(argv[1]), std::atoi(argv[2]), argc > 3 ? std::atof(argv[3]) : 20, argc > 4 ? std::atoi(argv[4]) : 200);
  return argc > 5 && std::string_view(argv[5]) == "beside" ? soak.measure_beside() : soak.run();
}
