// Numbers of a running server in Prometheus' text format (version 0.0.4): counters and histograms kept here, of each model or adapter
// that was asked for, and gauges read from the engines of the loaded models when somebody asks. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "generate/engine.h"

namespace owlet {

// What is timed of each answer, in seconds.
enum class Timing { kFirstToken, kInterToken, kWhole, kQueue, kPrefill, kDecode };
inline constexpr size_t kNumTimings = 6;

class Metrics {
 public:
  // `model` is a name that is served, never what a client made up.
  void observe(const std::string& model, Timing timing, double seconds);
  void count_prompt_tokens(const std::string& model, int64_t n);
  void count_generated_tokens(const std::string& model, int64_t n);
  void count_answer(const std::string& model, std::string_view finish_reason);  // "stop", "length" or "cancelled"
  void count_response(std::string_view path, int status);  // `path` is a route, or "other": never what a client made up

  std::string text(const std::vector<std::pair<std::string, Engine::Snapshot>>& engines) const;

 private:
  struct Histogram {
    std::vector<int64_t> counts;  // per bucket, the last beyond all bounds
    double sum = 0;
  };
  static void append_histogram(std::back_insert_iterator<std::string> out, std::string_view name, std::string_view model,
                               const Histogram& histogram);
  struct OfModel {
    std::array<Histogram, kNumTimings> histograms;
    int64_t prompt_tokens = 0;
    int64_t generated_tokens = 0;
    std::map<std::string, int64_t, std::less<>> answers;
  };
  mutable std::mutex mutex_;
  std::map<std::string, OfModel> models_;
  std::map<std::pair<std::string, int>, int64_t> responses_;
};

}  // namespace owlet
