// One live line for long work: redrawn in place on a terminal, one line every 30 seconds elsewhere.
#pragma once

#include <chrono>
#include <string>

namespace owlet {

class Progress {
 public:
  Progress();
  // Shows `text` with a bar, the share done and the time left appended. `fraction` in [0, 1].
  void update(const std::string& text, double fraction);
  // Prints a line that stays, above the live one.
  void note(const std::string& text);
  // Leaves the last live line standing.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool drawn_ = false;
  double first_fraction_ = -1;  // where this process began: a resumed run's rate counts from there
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_{};
};

// "1 h 12 m", "48 s".
std::string format_duration(double seconds);
// "1,240".
std::string format_count(int64_t n);
// "5.2k", "1.3 M".
std::string format_short(double n);
// "9.4 MB".
std::string format_bytes(double n);
inline std::string format_bytes(int64_t n) { return format_bytes(static_cast<double>(n)); }
// "0.41/1.20 GB".
std::string format_bytes_of(double n, double all);

}  // namespace owlet
