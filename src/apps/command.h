// A subcommand of the program: its name, what it says of itself, and what it does. main.cc lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/result.h"

namespace owlet {

// Options that mean the same everywhere; a command adds those it understands.
struct CommonOptions {
  std::string model;          // -m: a path or a name of the store; empty: the bundled model
  std::string host = "127.0.0.1";
  int port = 8080;
  int threads = 0;            // 0: one per core
  uint64_t seed = 0;
  std::string rope_scaling;   // "yarn:4"; empty: as the model has it
  std::vector<std::string> adapters;  // PEFT folders, "DIR" or "DIR:SCALE"
  std::string quantize;       // "q8_0": float weights in blocks, in memory; empty: as they are
  bool json = false;

  void add_model(CLI::App& app);
  void add_rope_scaling(CLI::App& app);
  void add_adapters(CLI::App& app);
  void add_quantize(CLI::App& app);
  void add_threads(CLI::App& app);
  void add_seed(CLI::App& app);
  void add_json(CLI::App& app);
};

// Declares a command's options on `app` and gives back what runs when it was chosen. `examples` are shown first in its help.
struct Command {
  std::string name;
  std::string summary;
  std::string examples;
  std::function<std::function<Status()>(CLI::App& app)> declare;
};

Command serve_command();
Command chat_command();
Command generate_command();
Command tokenizer_command();
Command pretrain_command();
Command finetune_command();
Command data_command();
Command estimate_command();
Command plot_command();
Command quantize_command();
Command convert_command();
Command imatrix_command();
Command eval_command();
Command bench_command();
Command profile_command();
Command doctor_command();
Command pull_command();
Command list_command();
Command show_command();
Command rm_command();
Command cp_command();

}  // namespace owlet
