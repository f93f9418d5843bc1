#include "apps/bench_peer.h"

#include <sys/wait.h>

#include <cstdio>

#include "core/json.h"

namespace owlet {
namespace {

// As one word of a shell's command.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

Error no_figure(const std::string& command, std::string what) {
  return Error{ErrorCode::kUnsupported, fmt::format("{}: {}", command, what), "run it by hand to see what it says"};
}

}  // namespace

Result<double> run_peer(const std::string& program, const std::filesystem::path& model, const PeerTask& task) {
  std::string command = fmt::format("{} -m {} -t {} -p {} -n {} -fa 1 -r 1 -o json", quoted(program), quoted(model.string()), task.threads,
                                    task.prompt, task.answer);
  if (task.depth > 0) command += fmt::format(" -d {}", task.depth);
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (!pipe) return no_figure(command, "cannot be run");
  std::string text;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  if (const int status = ::pclose(pipe); status != 0) {
    return no_figure(command, fmt::format("ended with status {}", WIFEXITED(status) ? WEXITSTATUS(status) : status));
  }
  OWLET_ASSIGN(const Json runs, parse_json(text));
  if (runs.is_array()) {
    for (const Json& run : runs) {
      const auto number = [&run](const char* key) { return run.contains(key) && run[key].is_number() ? run[key].get<double>() : -1.0; };
      if (number("n_prompt") == static_cast<double>(task.prompt) && number("n_gen") == static_cast<double>(task.answer) && number("avg_ts") > 0) {
        return number("avg_ts");
      }
    }
  }
  return no_figure(command, "printed no figure");
}

}  // namespace owlet
