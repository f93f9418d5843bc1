// The program: picks a subcommand by its first word, or by the name it was called by (llm-chat, llm-serve, llm-finetune).
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "apps/command.h"
#include "core/log.h"

namespace owlet {
namespace {

constexpr const char* kVersion = "owlet " OWLET_VERSION;

std::vector<Command> all_commands() {
  return {serve_command(),    chat_command(),    generate_command(), tokenizer_command(), pretrain_command(), finetune_command(), data_command(), estimate_command(), plot_command(),
          quantize_command(), imatrix_command(),  convert_command(),  eval_command(),      bench_command(),    profile_command(),    doctor_command(),
          pull_command(),     list_command(),     show_command(),     rm_command(),        cp_command()};
}

// Help in the order that people read: what it is for, examples that work as typed, then the options.
class ExamplesFirst : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    const std::string& examples = app->get_footer();
    return (examples.empty() ? "" : "\nExamples:\n" + examples + "\n") + CLI::Formatter::make_usage(app, name);
  }
  std::string make_footer(const CLI::App*) const override { return ""; }
};

// llm-chat ARGS is owlet chat ARGS.
std::vector<std::string> arguments(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const std::string name = std::filesystem::path(argv[0]).filename().string();
  if (name.starts_with("llm-")) words.insert(words.begin(), name.substr(4));
  return words;
}

int run(int argc, char** argv) {
  log::init();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that has grown to its limit is an error like a full disk
  CLI::App app("Owlet: your own language model, from raw text to a chat page");
  app.set_version_flag("--version", kVersion);
  app.formatter(std::make_shared<ExamplesFirst>());
  app.footer("  owlet                                    serve the chat page with the bundled model\n"
             "  owlet chat                               talk in the terminal\n"
             "  owlet chat -m model.gguf                 the same with a model of yours");
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, std::function<Status()>>> choices;
  for (const Command& command : all_commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->footer(command.examples);
    choices.emplace_back(sub, command.declare(*sub));
  }
  std::vector<std::string> words = arguments(argc, argv);
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  for (const auto& [sub, body] : choices) {
    if (!sub->parsed()) continue;
    const Status status = body();
    if (status.ok()) return 0;
    std::fprintf(stderr, "owlet %s: %s\n", sub->get_name().c_str(), status.error().to_string().c_str());
    return 1;
  }
  return 2;
}

}  // namespace
}  // namespace owlet

int main(int argc, char** argv) { return owlet::run(argc, argv); }
