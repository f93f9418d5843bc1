#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/cores.h"
#include "core/json.h"
#include "core/memory.h"

namespace owlet {
namespace {

struct Findings {
  std::vector<std::string_view> isas;
  std::string backend;
  int cores = 0;
  int64_t memory_bytes = 0;
  int64_t free_bytes = 0;
  std::string model;
  std::string model_error;
};

Findings look(const CommonOptions& options) {
  Findings f{.isas = cpu_isas(), .backend = {}, .cores = usable_cores(), .model = {}, .model_error = {}};
  const MachineMemory memory = machine_memory();
  f.memory_bytes = memory.total;
  f.free_bytes = memory.available;
  auto machine = make_machine(options.threads);
  f.backend = machine.ok() ? std::string((*machine)->ops->name()) : machine.error().to_string();
  const auto chat = load_chat_model(options.model);
  if (chat.ok()) {
    const ModelConfig& c = chat->model->config;
    f.model = fmt::format("{}: {} parameters in {}, {}, context {}", chat->path.string(),
                          format_short(static_cast<double>(c.n_params())), chat->model->dtype_name(),
                          format_bytes(static_cast<double>(chat->model->bytes())), format_count(c.max_positions));
  } else {
    f.model_error = chat.error().to_string();
  }
  return f;
}

Status report(const CommonOptions& options) {
  const Findings f = look(options);
  if (options.json) {
    fmt::print("{}\n", dump_json({{"isas", f.isas}, {"backend", f.backend}, {"cores", f.cores}, {"memory_bytes", f.memory_bytes},
                                  {"free_bytes", f.free_bytes}, {"model", f.model}, {"model_error", f.model_error}}, 1));
    return {};
  }
  fmt::print("cores        {}\n", f.cores);
  fmt::print("instructions {}\n", fmt::join(f.isas, ", "));
  fmt::print("backend      {}\n", f.backend);
  fmt::print("memory       {}, {} free\n", format_bytes(static_cast<double>(f.memory_bytes)),
             format_bytes(static_cast<double>(f.free_bytes)));
  fmt::print("model        {}\n", f.model.empty() ? f.model_error : f.model);
  return {};
}

}  // namespace

Command doctor_command() {
  return {"doctor", "what was found on this machine: processor, memory, backends, models",
          "  owlet doctor\n"
          "  owlet doctor -m model.gguf\n"
          "  owlet doctor --json",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<CommonOptions>();
            options->add_model(app);
            options->add_threads(app);
            options->add_json(app);
            return [options] { return report(*options); };
          }};
}

}  // namespace owlet
