// The one YAML file of a training run. Every key is written once, with its words, in run_fields(); parsing, `--set`, the help
// and the printed form all read that table.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "model/config.h"
#include "train/config.h"

namespace owlet {

struct RunConfig {
  std::string out;                  // the run's folder
  std::string init;                 // a model to start from; empty: fresh weights
  std::string tokenizer;            // tokenizer.json or its folder; empty: the init model's
  std::vector<std::string> train;   // data files, "PATH" or "PATH@WEIGHT"
  std::vector<std::string> valid;
  double valid_share = 0;           // of the training files' lines, held out by their hash
  std::vector<std::string> ask;     // questions that are answered at each validation
  std::vector<std::string> choices; // files of multiple choice that are scored then
  int64_t choices_limit = 200;      // of each file's questions; 0: all
  ModelConfig model;                // shape of a fresh model
  TrainConfig training;
};

struct Field {
  std::string key;  // "train.lr"
  std::variant<int64_t*, uint64_t*, double*, bool*, std::string*, std::vector<std::string>*> value;
  std::string doc;
};

// Every key of the file, bound to `config`.
std::vector<Field> run_fields(RunConfig& config);

// Sets one key from text; unknown keys are refused with the nearest valid name, values with what was expected.
Status set_field(const std::vector<Field>& fields, std::string_view key, const std::string& value);

// Defaults, then the file, then each "key=value".
Result<RunConfig> load_run_config(const std::filesystem::path& path, const std::vector<std::string>& overrides);

// All keys with their defaults and a sentence each.
std::string describe_fields();

}  // namespace owlet
