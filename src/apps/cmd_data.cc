// What a run trains on: how much there is, and packed rows with what is learnt in colour.
#include <fmt/color.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "apps/command.h"
#include "apps/training_data.h"
#include "apps/training_start.h"
#include "core/json.h"
#include "core/printable.h"

namespace owlet {
namespace {

struct DataOptions {
  std::string config;
  std::vector<std::string> set;
  int64_t rows = 4;
  bool json = false;
};

struct Loaded {
  RunConfig config;
  Start start;
  TrainingData data;
};

Result<Loaded> load(const DataOptions& options) {
  OWLET_ASSIGN(RunConfig config, load_run_config(options.config, options.set));
  OWLET_ASSIGN(Start start, load_start(config));
  const auto note = [](const std::string&) {};
  OWLET_ASSIGN(TrainingData data, load_training_data(config, start.tokenizer, start.chat_template ? &*start.chat_template : nullptr, note));
  return Loaded{std::move(config), std::move(start), std::move(data)};
}

struct Counts {
  int64_t samples = 0, tokens = 0, learnt = 0, longest = 0, cut = 0;
};

Counts count(const Corpus::Part& part, int64_t seq_len) {
  const SampleStore& samples = part.samples;
  Counts c{.samples = static_cast<int64_t>(samples.size()), .tokens = samples.n_tokens(), .learnt = samples.n_counted()};
  for (size_t s = 0; s < samples.size(); ++s) {
    const auto n = static_cast<int64_t>(samples[s].size());
    c.longest = std::max(c.longest, n);
    c.cut += n > seq_len;
  }
  return c;
}

Status stats(const DataOptions& options) {
  OWLET_ASSIGN(Loaded loaded, load(options));
  const TrainConfig& t = loaded.config.training;
  Json files = Json::array();
  if (!options.json) fmt::print("{:<32} {:>10} {:>10} {:>8} {:>9} {:>12} {:>8}\n", "", "samples", "tokens", "learnt", "longest", "fill a row", "an epoch");
  for (size_t i = 0; i < loaded.config.train.size() && i < loaded.data.train.parts.size(); ++i) {
    const Corpus::Part& part = loaded.data.train.parts[i];
    const Counts c = count(part, t.seq_len);
    files.push_back({{"file", loaded.config.train[i]}, {"samples", c.samples}, {"tokens", c.tokens}, {"learnt", c.learnt}, {"longest", c.longest},
                     {"full_rows", c.cut}, {"weight", part.weight}});
    if (options.json) continue;
    fmt::print("{:<32} {:>10} {:>10} {:>6.0f} % {:>9} {:>12} {:>7}×\n", loaded.config.train[i], format_count(c.samples), format_short(static_cast<double>(c.tokens)),
               100.0 * static_cast<double>(c.learnt) / static_cast<double>(std::max<int64_t>(1, c.tokens)), format_count(c.longest), format_count(c.cut), part.weight);
  }
  const int64_t held_out = loaded.data.valid.n_samples();
  OWLET_ASSIGN(BatchStream stream, BatchStream::create(std::move(loaded.data.train), t.batch_rows, t.seq_len, t.seed));
  const int64_t rows = stream.rows_per_epoch(), filled = stream.filled_tokens();
  const double share = static_cast<double>(filled) / static_cast<double>(rows * t.seq_len);
  const double epochs = static_cast<double>(t.steps * t.batch_rows * t.grad_accum_steps) / static_cast<double>(rows);
  if (options.json) {
    fmt::print("{}\n", dump_json(Json{{"files", files}, {"rows_per_epoch", rows}, {"filled", share}, {"epochs", epochs}, {"held_out_samples", held_out}}, 1));
  } else {
    fmt::print("\nan epoch: {} rows of {} tokens, {:.1f} % filled; the run sees {:.2f} epochs; {} samples are held out\n", format_count(rows),
               format_count(t.seq_len), 100 * share, epochs, format_count(held_out));
  }
  return {};
}

// One packed row: what is learnt in green on a terminal, in «» elsewhere; a bar where a sample ends.
std::string drawn_row(const Batch& batch, int64_t row, const Tokenizer& tokenizer, bool colour) {
  std::string out;
  bool learnt = false;
  const auto mark = [&](bool now) {
    if (now != learnt) out += colour ? (now ? "\033[32m" : "\033[0m") : (now ? "«" : "»");
    learnt = now;
  };
  for (int64_t i = row * batch.T; i < (row + 1) * batch.T; ++i) {
    const auto at = static_cast<size_t>(i);
    const bool begins = i == row * batch.T || batch.segments[at] != batch.segments[at - 1];
    if (begins) {
      const bool padding = std::all_of(batch.targets.begin() + i, batch.targets.begin() + (row + 1) * batch.T, [](int32_t t) { return t < 0; });
      mark(false);
      if (padding) break;
      if (i > row * batch.T) out += colour ? "\033[33m│\033[0m" : "│";
      out += printable(tokenizer.bytes_of(batch.tokens[at], true));
    }
    // The next token of the sample stands one behind, or was only foretold.
    const bool last = i + 1 == (row + 1) * batch.T || batch.segments[at + 1] != batch.segments[at];
    if (last && batch.targets[at] < 0) continue;
    mark(batch.targets[at] >= 0);
    out += printable(tokenizer.bytes_of(last ? batch.targets[at] : batch.tokens[at + 1], true));
  }
  mark(false);
  return out;
}

Status show(const DataOptions& options) {
  OWLET_ASSIGN(Loaded loaded, load(options));
  const TrainConfig& t = loaded.config.training;
  OWLET_ASSIGN(BatchStream stream, BatchStream::create(std::move(loaded.data.train), 1, t.seq_len, t.seed));
  const bool colour = ::isatty(STDOUT_FILENO) != 0;
  for (int64_t row = 0; row < options.rows; ++row) {
    OWLET_ASSIGN(const Batch batch, stream.next());
    fmt::print("row {}: {}\n\n", row + 1, drawn_row(batch, 0, loaded.start.tokenizer, colour));
  }
  return {};
}

}  // namespace

Command data_command() {
  return {"data", "look at what a run trains on",
          "  owlet data stats my-chats.yaml\n"
          "  owlet data show my-chats.yaml --rows 2      what is learnt is green, or stands in «» where there are no colours",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<DataOptions>();
            auto chosen = std::make_shared<std::function<Status()>>();
            app.require_subcommand(1);
            const auto add = [&](const char* name, const char* summary, Status (*what)(const DataOptions&)) {
              CLI::App* sub = app.add_subcommand(name, summary);
              sub->add_option("config", options->config, "YAML file of the run")->required();
              sub->add_option("--set", options->set, "KEY=VALUE, over the file")->allow_extra_args(false);
              sub->callback([=] { *chosen = [=] { return what(*options); }; });
              return sub;
            };
            add("stats", "samples, tokens, how much of them is learnt, and rows", stats)->add_flag("--json", options->json, "as JSON");
            add("show", "packed rows as text", show)->add_option("--rows", options->rows, "how many")->check(CLI::Range(1, 10000))->capture_default_str();
            return [chosen] { return (*chosen)(); };
          }};
}

}  // namespace owlet
