// list, rm and cp: the models that are kept.
#include <fmt/format.h>

#include <algorithm>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "apps/store.h"
#include "core/json.h"
#include "core/printable.h"
#include "model/load.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

// "3 minutes ago".
std::string format_age(fs::file_time_type then) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(fs::file_time_type::clock::now() - then).count();
  struct Unit {
    const char* name;
    int64_t seconds;
  };
  for (const Unit unit : {Unit{"year", 31557600}, {"month", 2629800}, {"week", 604800}, {"day", 86400}, {"hour", 3600}, {"minute", 60}}) {
    const int64_t n = seconds / unit.seconds;
    if (n > 0) return fmt::format("{} {}{} ago", n, unit.name, n == 1 ? "" : "s");
  }
  return "just now";
}

// A row of the list: what its files' headers say.
struct Row {
  std::string name, parameters = "–", type = "–", size, changed;
};

Row describe(const StoredModel& kept) {
  Row row{.name = printable_line(kept.name, 200), .size = format_bytes(static_cast<double>(kept.bytes)), .changed = format_age(kept.changed)};
  if (kept.bytes_to_come > 0) {
    row.type = "part";
    row.size = format_bytes_of(static_cast<double>(kept.bytes), static_cast<double>(kept.bytes + kept.bytes_to_come));
  } else if (const auto model = load_model(kept.path); model.ok()) {
    row.parameters = format_short(static_cast<double>(model->config.n_params()));
    row.type = model->dtype_name();
  }
  return row;
}

Status list(bool json) {
  const Store store = Store::open();
  const std::vector<StoredModel> models = store.list();
  std::vector<Row> rows;
  std::transform(models.begin(), models.end(), std::back_inserter(rows), describe);
  if (json) {
    Json list = Json::array();
    for (size_t i = 0; i < rows.size(); ++i) {
      list.push_back({{"name", models[i].name}, {"path", models[i].path.string()}, {"bytes", models[i].bytes},
                      {"bytes_to_come", models[i].bytes_to_come}, {"type", rows[i].type}, {"parameters", rows[i].parameters}});
    }
    fmt::print("{}\n", dump_json(list, 1));
    return {};
  }
  if (rows.empty()) {
    fmt::print("No models yet. `owlet pull ORG/NAME` fetches one to {}.\n", store.root().string());
    return {};
  }
  size_t width = 20;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  fmt::print("{:<{}}  {:>10}  {:<7}  {:>12}  {}\n", "NAME", width, "PARAMETERS", "TYPE", "SIZE", "CHANGED");
  for (const Row& row : rows) {
    fmt::print("{:<{}}  {:>10}  {:<7}  {:>12}  {}\n", row.name, width, row.parameters, row.type, row.size, row.changed);
  }
  return {};
}

Status remove_all(const std::vector<std::string>& names) {
  const Store store = Store::open();
  for (const std::string& name : names) {
    OWLET_ASSIGN(const int64_t freed, store.remove(name));
    fmt::print("{} removed, {}\n", name, format_bytes(static_cast<double>(freed)));
  }
  return {};
}

Status copy(const std::string& from, const std::string& to) {
  OWLET_ASSIGN(const fs::path path, find_model(from));
  OWLET_TRY(Store::open().copy(path, to));
  fmt::print("{} is {} now too\n", from, to);
  return {};
}

}  // namespace

Command list_command() {
  return {"list", "the models that are kept",
          "  owlet list\n"
          "  owlet list --json\n"
          "  OWLET_HOME=/data/owlet owlet list       those kept elsewhere",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<CommonOptions>();
            options->add_json(app);
            return [options] { return list(options->json); };
          }};
}

Command rm_command() {
  return {"rm", "remove models that are kept",
          "  owlet rm bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M     one GGUF\n"
          "  owlet rm bartowski/SmolLM2-135M-Instruct-GGUF            all that is kept under that name\n"
          "  owlet rm mine yours",
          [](CLI::App& app) -> std::function<Status()> {
            auto names = std::make_shared<std::vector<std::string>>();
            app.add_option("names", *names, "as `owlet list` shows them")->required();
            return [names] { return remove_all(*names); };
          }};
}

Command cp_command() {
  return {"cp", "keep a model under another name",
          "  owlet cp HuggingFaceTB/SmolLM2-135M-Instruct small    a short name; takes no room of its own\n"
          "  owlet cp bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M smaller\n"
          "  owlet cp runs/your/step-00001000 mine                 a model of yours",
          [](CLI::App& app) -> std::function<Status()> {
            auto names = std::make_shared<std::pair<std::string, std::string>>();
            app.add_option("from", names->first, "a name that `owlet list` shows, a GGUF file or a folder")->required();
            app.add_option("to", names->second, "NAME or ORG/NAME")->required();
            return [names] { return copy(names->first, names->second); };
          }};
}

}  // namespace owlet
