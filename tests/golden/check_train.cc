// Training against PyTorch: gradients, ten steps of AdamW, packed documents; and multiple choice against the harness.
#include <algorithm>

#include "core/file.h"
#include "core/json.h"
#include "eval/multiple_choice.h"
#include "io/safetensors.h"
#include "model/load.h"
#include "model/tape.h"
#include "report.h"
#include "train/loss.h"
#include "train/optimizer.h"

namespace owlet::golden {
namespace fs = std::filesystem;
namespace {

Result<Json> read_json(const fs::path& file) {
  OWLET_ASSIGN(const std::string text, read_file(file));
  return parse_json(text);
}

// The worst relative error over tensors named prefix + name.
double worst_error(const Weights& ours, const std::map<std::string, Tensor>& theirs, const std::string& prefix) {
  double worst = 0;
  ours.for_each([&](const std::string& name, const Tensor& tensor) {
    const auto it = theirs.find(prefix + name);
    worst = std::max(worst, it == theirs.end() ? INFINITY : relative_error(tensor.span<float>(), it->second.span<float>()));
  });
  return worst;
}

struct Step {
  double loss;
  double grad_norm;
};

// A model with what training it by hand takes.
struct Bench {
  Bench(Context c, Model& m, int64_t rows)
      : context(c), model(m), tape(c, m, rows), loss(c, m), parameters(m, [](const std::string&) { return true; }, false) {}

  // Mean loss over counted targets, with gradients.
  Step gradients_of(const PackedRows& rows, std::span<const int32_t> targets) {
    for (int64_t b = 0; b < parameters.n_buckets(); ++b) parameters.zero(b);
    const auto counted = static_cast<double>(std::count_if(targets.begin(), targets.end(), [](int32_t t) { return t >= 0; }));
    const TensorView hidden = tape.forward(rows);
    const LossSum sum = loss.forward_backward(hidden, targets, 1 / counted, parameters.gradients());
    tape.backward(rows, hidden, parameters.gradients());
    return {sum.nats / counted, gradient_norm(context.ops, parameters)};
  }

  Context context;
  Model& model;
  Tape tape;
  OutputLoss loss;
  Parameters parameters;
};

Status check_adamw(const fs::path& dir, Context context, Report& report) {
  OWLET_ASSIGN(Model loaded, load_model(dir));
  OWLET_ASSIGN(Model model, to_float32(loaded));
  OWLET_ASSIGN(const Json run, read_json(dir / "run.json"));
  OWLET_ASSIGN(const auto batches, read_safetensors(dir / "batches.safetensors"));
  const Tensor& tokens = batches.at("tokens");
  const Tensor& targets = batches.at("targets");
  const int64_t n_steps = tokens.shape()[0], seq_len = tokens.shape()[2];
  const auto n = static_cast<size_t>(tokens.shape()[1] * seq_len);
  TrainConfig config;
  config.lr = 1;  // run.json gives each step's rate
  config.beta1 = run["betas"][0].get<double>();
  config.beta2 = run["betas"][1].get<double>();
  config.eps = run["eps"].get<double>();
  config.weight_decay = run["weight_decay"].get<double>();
  const double clip = run["clip_norm"].get<double>();
  Bench bench(context, model, static_cast<int64_t>(n));
  Optimizer optimizer(context, bench.parameters, config);
  double loss_error = 0, norm_error = 0;
  for (int64_t s = 0; s < n_steps; ++s) {
    const auto i = static_cast<size_t>(s);
    const Rows rows(tokens.span<int32_t>().subspan(i * n, n), seq_len);
    const Step step = bench.gradients_of({rows.tokens, rows.positions, rows.first_row}, targets.span<int32_t>().subspan(i * n, n));
    if (s == 0 && fs::exists(dir / "gradients-step0.safetensors")) {
      OWLET_ASSIGN(const auto expected, read_safetensors(dir / "gradients-step0.safetensors"));
      const double error = worst_error(bench.parameters.gradients(), expected, "");
      report.check(error <= kTolerance, dir / "gradients-step0.safetensors", fmt::format("gradients {:.1e}", error));
    }
    const double loss = run["loss_float64"][i].get<double>(), norm = run["grad_norm_float64"][i].get<double>();
    loss_error = std::max(loss_error, std::abs(step.loss - loss) / loss);
    norm_error = std::max(norm_error, std::abs(step.grad_norm - norm) / norm);
    optimizer.step_all({s + 1, run["lr"][i].get<double>(), std::min(1.0, clip / (step.grad_norm + 1e-6))});
  }
  report.check(loss_error <= 1e-5 && norm_error <= kTolerance, dir / "run.json",
               fmt::format("losses {:.1e}, gradient norms {:.1e}", loss_error, norm_error));
  OWLET_ASSIGN(const auto after, read_safetensors(dir / "after-10-steps.safetensors"));
  const double error = worst_error(model.weights, after, "");
  report.check(error <= kTolerance, dir / "after-10-steps.safetensors", fmt::format("weights {:.1e}", error));
  return {};
}

// Documents packed in one row; the model is train/adamw's.
Status check_packed(const fs::path& dir, Context context, Report& report) {
  const fs::path file = dir / "expected.safetensors";
  OWLET_ASSIGN(Model loaded, load_model(dir.parent_path() / "adamw"));
  OWLET_ASSIGN(Model model, to_float32(loaded));
  OWLET_ASSIGN(const auto expected, read_safetensors(file));
  for (const char* name : {"tokens", "targets", "position", "loss"}) {
    if (!expected.contains(name)) return corrupt("{} lacks '{}'", file.string(), name);
  }
  const auto tokens = expected.at("tokens").span<int32_t>();
  const auto positions = expected.at("position").span<int32_t>();
  std::vector<int32_t> first_row;
  for (size_t i = 0; i < tokens.size(); ++i) first_row.push_back(static_cast<int32_t>(i) - positions[i]);
  Bench bench(context, model, static_cast<int64_t>(tokens.size()));
  const Step step = bench.gradients_of({tokens, positions, first_row}, expected.at("targets").span<int32_t>());
  const double loss = static_cast<double>(expected.at("loss").span<float>()[0]);
  const double loss_error = std::abs(step.loss - loss) / loss;
  const double error = worst_error(bench.parameters.gradients(), expected, "gradient.");
  report.check(loss_error <= 1e-5 && error <= kTolerance, file, fmt::format("loss {:.1e}, gradients {:.1e}", loss_error, error));
  return {};
}

Status check_schedules(const fs::path& file, Report& report) {
  OWLET_ASSIGN(const Json schedules, read_json(file));
  for (const auto& [name, expected] : schedules.items()) {
    if (!expected.is_object() || !expected.contains("multiplier")) continue;
    TrainConfig config;
    config.schedule = name.starts_with("constant") ? "constant" : name;
    config.min_lr_ratio = expected.value("min_lr_ratio", 0.0);
    config.warmup_steps = expected.value("num_warmup_steps", int64_t{0});
    config.steps = expected.value("num_training_steps", int64_t{1});
    if (name == "wsd") {
      const auto decay = expected.value("num_decay_steps", int64_t{0});
      config.decay_fraction = static_cast<double>(decay) / static_cast<double>(config.steps);
    }
    double worst = 0;
    const Json& multiplier = expected["multiplier"];
    for (size_t i = 0; i < multiplier.size(); ++i) {
      worst = std::max(worst, std::abs(lr_multiplier(config, static_cast<int64_t>(i)) - multiplier[i].get<double>()));
    }
    report.check(worst <= 1e-6, file, fmt::format("{} {:.1e}", name, worst));
  }
  return {};
}

Status check_choices_file(const fs::path& file, const fs::path& model_dir, Context context, Report& report) {
  OWLET_ASSIGN(const Json expected, read_json(file));
  OWLET_ASSIGN(Model loaded, load_model(model_dir));
  OWLET_ASSIGN(Model model, to_float32(loaded));
  std::vector<ChoiceQuestion> questions;
  for (const Json& q : expected["questions"]) {
    ChoiceQuestion question{.choices = {}, .gold = q["gold"].get<size_t>()};
    for (size_t i = 0; i < q["choices"].size(); ++i) {
      question.choices.push_back({q["context"].get<std::vector<int32_t>>(), q["choices"][i].get<std::vector<int32_t>>(),
                                  q["choice_characters"][i].get<int64_t>()});
    }
    questions.push_back(std::move(question));
  }
  Scorer scorer(context, model, model.config.max_positions);
  OWLET_ASSIGN(const auto scores, score_choices(scorer, questions));
  double worst = 0;
  bool same = true;
  for (size_t i = 0; i < scores.size(); ++i) {
    const Json& q = expected["questions"][i];
    for (size_t c = 0; c < scores[i].logprobs.size(); ++c) {
      const double theirs = q["scores"][c]["logprob"].get<double>();
      worst = std::max(worst, std::abs(scores[i].logprobs[c] - theirs) / std::abs(theirs));
      same = same && scores[i].greedy[c] == q["scores"][c]["greedy"].get<bool>();
    }
    same = same && scores[i].best == q["acc_choice"].get<size_t>() && scores[i].best_norm == q["acc_norm_choice"].get<size_t>();
  }
  const ChoiceReport summary = summarize(questions, scores);
  const auto equal = [&](const char* key, double ours) { return std::abs(expected[key].get<double>() - ours) < 1e-9; };
  same = same && equal("acc", summary.acc.value) && equal("acc_stderr", summary.acc.stderr_) &&
         equal("acc_norm", summary.acc_norm.value) && equal("acc_norm_stderr", summary.acc_norm.stderr_);
  report.check(worst <= kTolerance && same, file,
               fmt::format("log-probabilities {:.1e}, choices and scores {}", worst, same ? "equal" : "DIFFER"));
  return {};
}

}  // namespace

void check_train(const fs::path& root, Context context, Report& report) {
  const auto run = [&](const fs::path& path, const auto& check) {
    if (!fs::exists(path)) return;
    const Status status = check();
    if (!status.ok()) report.fail(path, status.error().to_string());
  };
  const fs::path dir = root / "train";
  run(dir / "adamw", [&] { return check_adamw(dir / "adamw", context, report); });
  run(dir / "packed", [&] { return check_packed(dir / "packed", context, report); });
  run(dir / "schedules.json", [&] { return check_schedules(dir / "schedules.json", report); });
}

void check_choices(const fs::path& root, Context context, Report& report) {
  for (const fs::path& file : entries(root / "choices")) {
    const Status status = check_choices_file(file, root / "hf" / "llama2", context, report);
    if (!status.ok()) report.fail(file, status.error().to_string());
  }
}

}  // namespace owlet::golden
