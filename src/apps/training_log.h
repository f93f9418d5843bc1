// What a run leaves behind to be looked at: RUN/log.jsonl, a line for each step and validation, and event files for TensorBoard.
#pragma once

#include <filesystem>

#include "io/tensorboard.h"
#include "train/trainer.h"

namespace owlet {

class TrainingLog {
 public:
  // Goes on with the run's log, if there is one. `peak_flops`: what shares of the machine's peak are of.
  static Result<TrainingLog> open(const std::filesystem::path& run, double peak_flops);

  // Failures to write are kept for the end: a full disk stops checkpoints, not the log.
  void add(const StepReport& report);
  void add(const ValidationReport& report);
  void add_answer(int64_t step, const std::string& question, const std::string& answer);
  void add_choices(int64_t step, const std::string& name, double accuracy);
  const Status& status() const { return status_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  TrainingLog(std::FILE* lines, EventFile events, double peak_flops) : lines_(lines), events_(std::move(events)), peak_flops_(peak_flops) {}
  void write_line(const Json& line);
  void write(const Json& line, int64_t step, std::span<const std::pair<std::string, double>> scalars);
  void keep(Status status);

  std::unique_ptr<std::FILE, Close> lines_;
  EventFile events_;
  double peak_flops_;
  Status status_;
};

}  // namespace owlet
