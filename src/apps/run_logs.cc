#include "apps/run_logs.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <vector>

#include "core/file.h"

namespace owlet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostAnswers = 24;
constexpr size_t kMostPoints = 400;                    // of a curve that is shown
constexpr size_t kRecentSteps = 20;                    // which speed and time left are taken from
constexpr size_t kMostLineBytes = 1 << 20;             // longer lines are none of ours
constexpr uint64_t kMostLogBytes = uint64_t{1} << 28;  // beyond them a log is not read on
constexpr size_t kMostRuns = 1000;

std::optional<double> number(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::string text(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A step's number, where it is one that can be counted.
std::optional<int64_t> count(const Json& line, const char* key) {
  const auto value = number(line, key);
  return value && *value >= 0 && *value < 1e15 ? std::optional(static_cast<int64_t>(*value)) : std::nullopt;
}

// The mean of every few neighbours, so that no more than kMostPoints are left.
Json loss_curve(const std::map<int64_t, RunHistory::Step>& steps) {
  Json points = Json::array();
  const size_t width = (steps.size() + kMostPoints - 1) / kMostPoints;
  double sum = 0;
  size_t n = 0, left = steps.size();
  for (const auto& [number, step] : steps) {
    sum += step.loss;
    --left;
    if (++n < width && left > 0) continue;
    points.push_back({number, sum / static_cast<double>(n)});
    sum = 0;
    n = 0;
  }
  return points;
}

void add_speed(const RunHistory& history, Json& out) {
  double tokens = 0, seconds = 0, n = 0;
  for (auto it = history.steps.rbegin(); it != history.steps.rend() && n < kRecentSteps; ++it, ++n) {
    tokens += it->second.tokens;
    seconds += it->second.seconds;
  }
  if (n == 0 || seconds <= 0) return;
  out["tokens_per_second"] = tokens / seconds;
  const int64_t left = history.planned_steps - history.steps.rbegin()->first;
  if (history.planned_steps > 0 && left >= 0) out["seconds_left"] = static_cast<double>(left) * seconds / n;
}

double idle_seconds(const fs::path& log) {
  std::error_code code;
  const auto written = fs::last_write_time(log, code);
  if (code) return 0;
  return std::max(0.0, std::chrono::duration<double>(fs::file_time_type::clock::now() - written).count());
}

}  // namespace

void RunHistory::add(std::string_view line) {
  const auto json = parse_json(line);
  if (!json.ok() || !json->is_object()) return;
  const auto step = count(*json, "step");
  if (!step) return;
  if (const auto loss = number(*json, "loss")) {
    steps[*step] = {*loss, number(*json, "tokens").value_or(0), number(*json, "seconds").value_or(0)};
    planned_steps = count(*json, "steps").value_or(planned_steps);
  }
  if (const auto loss = number(*json, "valid_loss")) validations[*step] = {*loss, number(*json, "valid_bpb").value_or(0)};
  const std::string question = text(*json, "question"), quiz = text(*json, "choices");
  if (const auto accuracy = number(*json, "accuracy"); accuracy && !quiz.empty()) choices[quiz][*step] = *accuracy;
  if (question.empty()) return;
  std::erase_if(answers, [&](const Answer& answer) { return answer.step == *step && answer.question == question; });
  answers.push_back({*step, question, text(*json, "answer")});
  if (answers.size() > kMostAnswers) answers.pop_front();
}

Result<RunHistory> read_run(const fs::path& run) {
  OWLET_ASSIGN(LineReader lines, LineReader::open(run / "log.jsonl"));
  RunHistory history;
  std::string line;
  for (;;) {
    OWLET_ASSIGN(const bool more, lines.next(line));
    if (!more) return history;
    history.add(line);
  }
}

std::map<std::string, fs::path> RunLogs::find() const {
  std::map<std::string, fs::path> logs;
  std::error_code code;
  const auto add = [&](const fs::path& run) {
    std::error_code wrong;
    if (fs::is_regular_file(run / "log.jsonl", wrong)) logs[(run.filename().empty() ? run.parent_path() : run).filename().string()] = run / "log.jsonl";
  };
  add(folder_);
  for (fs::directory_iterator it(folder_, code), end; !code && it != end && logs.size() < kMostRuns; it.increment(code)) add(it->path());
  return logs;
}

Json RunLogs::list() const {
  std::vector<std::pair<double, std::string>> runs;
  for (const auto& [name, log] : find()) runs.emplace_back(idle_seconds(log), name);
  std::sort(runs.begin(), runs.end());
  Json list = Json::array();
  for (const auto& [idle, name] : runs) list.push_back({{"name", name}, {"idle_seconds", idle}});
  return {{"runs", std::move(list)}};
}

// Reads what was added since; a log that has become shorter is another one.
void RunLogs::follow(const fs::path& log, Followed& run) {
  std::error_code code;
  const uint64_t size = fs::file_size(log, code);
  if (code) return;
  if (size < run.n_read) run = {};
  std::ifstream in(log, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(run.n_read));
  std::string piece(64 << 10, '\0');
  while (run.n_read < std::min(size, kMostLogBytes)) {
    in.read(piece.data(), static_cast<std::streamsize>(std::min<uint64_t>(piece.size(), size - run.n_read)));
    const auto n = static_cast<size_t>(in.gcount());
    if (n == 0) return;
    run.n_read += n;
    std::string_view bytes(piece.data(), n);
    for (size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      run.rest.append(bytes.substr(0, end));
      if (run.rest.size() <= kMostLineBytes) run.history.add(run.rest);
      run.rest.clear();
      bytes.remove_prefix(end + 1);
    }
    if (run.rest.size() <= kMostLineBytes) run.rest.append(bytes);
  }
}

std::optional<Json> RunLogs::describe(const std::string& name) {
  const auto logs = find();
  const auto found = logs.find(name);
  if (found == logs.end()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  Followed& run = followed_[name];
  follow(found->second, run);
  const RunHistory& history = run.history;
  double tokens = 0;
  for (const auto& [number, step] : history.steps) tokens += step.tokens;
  Json out = {{"name", name}, {"step", history.steps.empty() ? 0 : history.steps.rbegin()->first}, {"tokens", tokens},
              {"idle_seconds", idle_seconds(found->second)}, {"loss", loss_curve(history.steps)}};
  if (history.planned_steps > 0) out["steps"] = history.planned_steps;
  if (!history.steps.empty()) out["step_seconds"] = history.steps.rbegin()->second.seconds;
  add_speed(history, out);
  Json validations = Json::array(), choices = Json::object(), answers = Json::array();
  for (const auto& [step, v] : history.validations) validations.push_back({{"step", step}, {"loss", v.loss}, {"bits_per_byte", v.bits_per_byte}});
  for (const auto& [quiz, shares] : history.choices) choices[quiz] = {{"step", shares.rbegin()->first}, {"accuracy", shares.rbegin()->second}};
  for (const auto& [step, question, answer] : history.answers) answers.push_back({{"step", step}, {"question", question}, {"answer", answer}});
  out.update({{"validations", std::move(validations)}, {"choices", std::move(choices)}, {"answers", std::move(answers)}});
  return out;
}

}  // namespace owlet
