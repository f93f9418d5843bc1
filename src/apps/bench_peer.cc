#include "apps/bench_peer.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

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

// What a command prints.
Result<std::string> output_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (!pipe) return no_figure(command, "cannot be run");
  std::string text;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  if (const int status = ::pclose(pipe); status != 0) {
    return no_figure(command, fmt::format("ended with status {}", WIFEXITED(status) ? WEXITSTATUS(status) : status));
  }
  return text;
}

}  // namespace

Result<double> run_peer(const std::string& program, const std::filesystem::path& model, const PeerTask& task) {
  std::string command = fmt::format("{} -m {} -t {} -p {} -n {} -fa 1 -r 1 -o json", quoted(program), quoted(model.string()), task.threads,
                                    task.prompt, task.answer);
  if (task.depth > 0) command += fmt::format(" -d {}", task.depth);
  OWLET_ASSIGN(const std::string text, output_of(command));
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

Result<double> run_train_peer(const std::string& program, const std::string& precision, int threads) {
  const std::string command = fmt::format("{} {} {}", quoted(program), precision, threads);
  OWLET_ASSIGN(const std::string text, output_of(command));
  const size_t end = text.find_last_not_of('\n'), begin = text.find_last_of('\n', end) + 1;
  const double figure = end == std::string::npos ? 0 : std::strtod(text.c_str() + begin, nullptr);
  if (!(figure > 0)) return no_figure(command, "printed no figure");
  return figure;
}

void print_peer_headings(size_t n) {
  for (size_t p = 0; p < n; ++p) fmt::print("{:>22}", fmt::format("peer {}, we × it", p + 1));
  fmt::print("\n");
}

void print_peers(double ours, std::span<const double> peers) {
  for (const double peer : peers) fmt::print("{:>22}", peer > 0 ? fmt::format("{:.0f}  × {:.2f}", peer, ours / peer) : "–");
  fmt::print("\n");
}

}  // namespace owlet
