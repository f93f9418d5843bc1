#include "apps/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace owlet {
namespace {

constexpr int kBarCells = 8;

// Eighths of a cell, so that even a slow bar is seen to move.
std::string draw_bar(double fraction) {
  static constexpr const char* kEighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
  const int eighths = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kBarCells * 8);
  std::string bar = "▕";
  for (int cell = 0; cell < kBarCells; ++cell) bar += kEighths[std::clamp(eighths - 8 * cell, 0, 8)];
  return bar + "▏";
}

}  // namespace

std::string format_duration(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} m {} s", s / 60, s % 60);
  return fmt::format("{} h {} m", s / 3600, s % 3600 / 60);
}

std::string format_count(int64_t n) {
  std::string digits = fmt::format("{}", n);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3) {
    digits.insert(static_cast<size_t>(i), ",");
  }
  return digits;
}

std::string format_short(double n) {
  if (n >= 1e9) return fmt::format("{:.2f} G", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} M", n / 1e6);
  if (n >= 1e3) return fmt::format("{:.1f}k", n / 1e3);
  return fmt::format("{:.0f}", n);
}

std::string format_bytes(double n) {
  if (n >= 1e9) return fmt::format("{:.2f} GB", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} MB", n / 1e6);
  return fmt::format("{:.0f} kB", n / 1e3);
}

std::string format_bytes_of(double n, double all) {
  if (all >= 1e9) return fmt::format("{:.2f}/{:.2f} GB", n / 1e9, all / 1e9);
  if (all >= 1e6) return fmt::format("{:.1f}/{:.1f} MB", n / 1e6, all / 1e6);
  return fmt::format("{:.0f}/{:.0f} kB", n / 1e3, all / 1e3);
}

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) != 0) {}

void Progress::update(const std::string& text, double fraction) {
  const auto now = Clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30000);
  if (first_fraction_ < 0) {
    first_fraction_ = fraction;
    start_ = now;
  }
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (!terminal_ && seconds < 1) return;  // quick work leaves no lines in a log
  if (fraction < 1 && last_ != Clock::time_point{} && now - last_ < pause) return;
  last_ = now;
  const double done = fraction - first_fraction_;
  std::string left;
  if (done > 0 && seconds > 1) left = format_duration(seconds / done * (1 - fraction)) + " left";
  const std::string line = fmt::format("{}  {} {:.0f} %  {}", text, draw_bar(fraction), 100 * fraction, left);
  std::fprintf(stderr, terminal_ ? "\r%s\033[K" : "%s\n", line.c_str());
  std::fflush(stderr);
  drawn_ = terminal_;
}

void Progress::note(const std::string& text) {
  std::fprintf(stderr, "%s%s\n", drawn_ ? "\r\033[K" : "", text.c_str());
  drawn_ = false;
}

void Progress::finish() {
  if (drawn_) std::fputc('\n', stderr);
  drawn_ = false;
}

}  // namespace owlet
