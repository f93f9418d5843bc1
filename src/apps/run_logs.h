// Training runs as their logs tell them: RUN/log.jsonl, to which a run adds a line for each step (apps/training_log.h). Only read.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/result.h"

namespace owlet {

// What a log says. What a resumed run did again counts as it was done last.
struct RunHistory {
  struct Step {
    double loss = 0;     // nats a token
    double tokens = 0;   // in this step
    double seconds = 0;  // it took
  };
  struct Validation {
    double loss = 0;  // nats a token
    double bits_per_byte = 0;
  };
  struct Answer {
    int64_t step = 0;
    std::string question, answer;
  };
  std::map<int64_t, Step> steps;
  std::map<int64_t, Validation> validations;
  std::map<std::string, std::map<int64_t, double>> choices;  // by the name of the questions: share that was right, by step
  std::deque<Answer> answers;                                // the newest, in order
  int64_t planned_steps = 0;                                 // of the whole run; 0: the log does not say

  // One line of a log; what is none (a kill may have cut it off) is passed over.
  void add(std::string_view line);
};

// All of a run's log so far. Errors: kNotFound.
Result<RunHistory> read_run(const std::filesystem::path& run);

// The runs in a folder, for those who watch them while they go on: of a log only what is new is read. Thread-safe.
class RunLogs {
 public:
  // `folder` holds folders of runs, or is one.
  explicit RunLogs(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // {"runs": [{"name", "idle_seconds"}]}, the one that was written last first.
  Json list() const;
  // One of them: where it stands, its speed and the time that is left, curves of some hundred points, what was asked; null: there is none
  // of that name.
  std::optional<Json> describe(const std::string& name);

 private:
  struct Followed {
    uint64_t n_read = 0;  // bytes
    std::string rest;     // of a line that is not whole yet
    RunHistory history;
  };
  std::map<std::string, std::filesystem::path> find() const;
  static void follow(const std::filesystem::path& log, Followed& run);

  const std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, Followed> followed_;
};

}  // namespace owlet
