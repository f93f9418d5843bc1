// One line a file: `ok`, `FAIL` with the figure, `skip` with why.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/tensor.h"
#include "kernels/backend.h"
#include "model/model.h"

namespace owlet::golden {

constexpr double kTolerance = 1e-4;  // of what is computed in float32

class Report {
 public:
  explicit Report(std::filesystem::path root) : root_(std::move(root)) {}
  void ok(const std::filesystem::path& file, const std::string& what) { line("ok  ", passed_, file, what); }
  void fail(const std::filesystem::path& file, const std::string& what) { line("FAIL", failed_, file, what); }
  void skip(const std::filesystem::path& file, const std::string& why) { line("skip", skipped_, file, why); }
  void check(bool holds, const std::filesystem::path& file, const std::string& what) {
    holds ? ok(file, what) : fail(file, what);
  }
  int passed() const { return passed_; }
  int failed() const { return failed_; }
  int skipped() const { return skipped_; }

 private:
  void line(const char* word, int& count, const std::filesystem::path& file, const std::string& text) {
    ++count;
    fmt::print("{} {:<52} {}\n", word, file.lexically_relative(root_).string(), text);
    std::fflush(stdout);
  }
  std::filesystem::path root_;
  int passed_ = 0, failed_ = 0, skipped_ = 0;
};

// max |ours − theirs| / max |theirs|.
inline double relative_error(std::span<const float> ours, std::span<const float> theirs) {
  if (ours.size() != theirs.size()) return INFINITY;
  double difference = 0, largest = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double d = std::abs(static_cast<double>(ours[i]) - theirs[i]);
    difference = std::isnan(d) ? INFINITY : std::max(difference, d);
    largest = std::max(largest, std::abs(static_cast<double>(theirs[i])));
  }
  return largest > 0 ? difference / largest : difference;
}

// |ours − theirs| / |theirs|, both as Euclidean norms.
inline double relative_rms(std::span<const float> ours, std::span<const float> theirs) {
  if (ours.size() != theirs.size()) return INFINITY;
  double difference = 0, total = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double d = static_cast<double>(ours[i]) - theirs[i];
    difference += d * d;
    total += static_cast<double>(theirs[i]) * theirs[i];
  }
  return std::isnan(difference) ? INFINITY : std::sqrt(difference / total);
}

// Rows of full sequences, one document each, as training sees them.
struct Rows {
  Rows(std::span<const int32_t> tokens, int64_t seq_len);
  std::vector<int32_t> tokens, positions, first_row;
  std::vector<int32_t> next_tokens;  // shifted targets, −100 at the end of each row
};

// Logits of every token of `rows`, float32 throughout: [N, V].
std::vector<float> all_logits(Context context, const Model& model, const Rows& rows);

// The model's own greedy continuation, one token at a time through the pages of its cache.
std::vector<int32_t> greedy(Context context, const Model& model, std::vector<int32_t> tokens, size_t n_new);

// Each looks at everything of its kind below the root.
void check_hf(const std::filesystem::path& root, Context context, Report& report);
void check_gguf(const std::filesystem::path& root, Context context, Report& report);
void check_train(const std::filesystem::path& root, Context context, Report& report);
void check_muon(const std::filesystem::path& root, Context context, Report& report);
void check_choices(const std::filesystem::path& root, Context context, Report& report);
void check_tokenizers(const std::filesystem::path& root, Report& report);
void check_vocabularies(const std::filesystem::path& root, Report& report);
void check_templates(const std::filesystem::path& root, Report& report);
void check_homemade(const std::filesystem::path& root, Context context, Report& report);
void check_bitsandbytes(const std::filesystem::path& root, Context context, Report& report);
void check_peft(const std::filesystem::path& root, Context context, Report& report);
void check_sampling(const std::filesystem::path& root, Report& report);

// Sorted entries of a folder; none where it is absent.
inline std::vector<std::filesystem::path> entries(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> found;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(dir, code)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace owlet::golden
