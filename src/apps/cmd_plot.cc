// Runs as curves.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "apps/command.h"
#include "apps/line_chart.h"
#include "apps/run_logs.h"
#include "core/file.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr double kLongestMean = 20;  // in steps: a curve is smoothed over a twentieth of the run, and no more than that

struct PlotOptions {
  std::vector<std::string> runs;
  std::string out = "loss.svg";
};

// A run's losses by step.
struct History {
  std::map<double, double> train, valid;
};

Result<History> read_history(const fs::path& run) {
  OWLET_ASSIGN(const RunHistory log, read_run(run));
  History history;
  for (const auto& [step, taken] : log.steps) history.train[static_cast<double>(step)] = taken.loss;
  for (const auto& [step, seen] : log.validations) history.valid[static_cast<double>(step)] = seen.loss;
  return history;
}

std::vector<Point> smoothed(const std::map<double, double>& points) {
  std::vector<Point> out;
  const double fresh = 1 / std::clamp(static_cast<double>(points.size()) / 20, 1.0, kLongestMean);  // share of the newest in an exponential mean
  double mean = 0, weight = 0;
  for (const auto& [x, y] : points) {
    mean = (1 - fresh) * mean + fresh * y;
    weight = (1 - fresh) * weight + fresh;
    out.emplace_back(x, mean / weight);
  }
  return out;
}

Status run(const PlotOptions& options) {
  OWLET_ASSIGN(const auto draw, drawing_format(options.out));
  std::vector<Curve> curves;
  for (size_t i = 0; i < options.runs.size(); ++i) {
    const fs::path run(options.runs[i]);
    OWLET_ASSIGN(const History history, read_history(run));
    const std::string name = (run.filename().empty() ? run.parent_path() : run).filename().string();
    curves.push_back({name, {history.train.begin(), history.train.end()}, true, 2 * i});
    curves.push_back({name + ", training", smoothed(history.train), false, 2 * i});
    if (!history.valid.empty()) curves.push_back({name + ", held out", {history.valid.begin(), history.valid.end()}, false, 2 * i + 1});
  }
  OWLET_TRY(write_file(options.out, draw(line_chart("loss", "step", "nats a token", curves))));
  fmt::print("{}\n", options.out);
  return {};
}

}  // namespace

Command plot_command() {
  return {"plot", "draw the losses of training runs as an SVG or a PNG",
          "  owlet plot runs/first runs/second -o loss.svg\n"
          "  owlet plot runs/first -o loss.png",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<PlotOptions>();
            app.add_option("runs", options->runs, "folders of runs")->required();
            app.add_option("-o,--out", options->out, "the file: .svg or .png")->capture_default_str();
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
