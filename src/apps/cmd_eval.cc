#include <fmt/format.h>

#include <cstdio>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/file.h"
#include "eval/bits_per_byte.h"
#include "eval/multiple_choice.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

struct EvalOptions {
  CommonOptions common;
  std::vector<std::string> files;
  int64_t limit = 0;
  int64_t context = 512;
};

// What was measured on one file.
struct FileReport {
  std::string file;
  std::optional<BitsPerByte> bits_per_byte;
  std::optional<ChoiceReport> choices;
};

bool is_question(const Json& line) { return line.contains("choices") || line.contains("continuation"); }

Error at(const fs::path& file, int64_t line, Error error) {
  return std::move(error).in(fmt::format("{}:{}", file.string(), line));
}

// Reads up to `limit` items of a JSONL or text file; every line of a .jsonl is a document, or a question.
Result<FileReport> evaluate_file(const fs::path& file, const EvalOptions& options, Scorer& scorer, const Tokenizer& tokenizer) {
  FileReport report{.file = file.string(), .bits_per_byte = {}, .choices = {}};
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  const bool json = file.string().find(".jsonl") != std::string::npos;
  std::vector<ChoiceQuestion> questions;
  BitsPerByte bits;
  std::string line, whole;
  int64_t n = 0;
  while (options.limit == 0 || n < options.limit) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) break;
    if (!json) {
      whole += line + "\n";
      continue;
    }
    if (line.empty()) continue;
    ++n;
    auto parsed = parse_json(line);
    if (!parsed.ok()) return at(file, n, std::move(parsed).error());
    if (is_question(*parsed)) {
      auto question = tokenize_question(*parsed, tokenizer);
      if (!question.ok()) return at(file, n, std::move(question).error());
      questions.push_back(std::move(question).value());
    } else {
      auto text = get_string(*parsed, "text");
      if (!text.ok()) return at(file, n, std::move(text).error());
      OWLET_TRY(add_document(scorer, tokenizer, *text, bits));
    }
  }
  if (!json) OWLET_TRY(add_document(scorer, tokenizer, whole, bits));
  if (!questions.empty()) {
    OWLET_ASSIGN(const auto scores, score_choices(scorer, questions));
    report.choices = summarize(questions, scores);
  }
  if (bits.bytes > 0) report.bits_per_byte = bits;
  return report;
}

Json to_json(const FileReport& report) {
  Json json = {{"file", report.file}};
  if (report.bits_per_byte) {
    json["bits_per_byte"] = report.bits_per_byte->value();
    json["bytes"] = report.bits_per_byte->bytes;
    json["tokens"] = report.bits_per_byte->tokens;
  }
  if (report.choices) {
    const ChoiceReport& c = *report.choices;
    json["n"] = c.n;
    json["acc"] = c.acc.value;
    json["acc_stderr"] = c.acc.stderr_;
    json["acc_norm"] = c.acc_norm.value;
    json["acc_norm_stderr"] = c.acc_norm.stderr_;
  }
  return json;
}

void print(const FileReport& report) {
  const std::string name = fs::path(report.file).filename().string();
  if (report.bits_per_byte) {
    const BitsPerByte& b = *report.bits_per_byte;
    fmt::print("{:<32} {:.4f} bits per byte   {} bytes, {} tokens\n", name, b.value(), format_count(b.bytes),
               format_count(b.tokens));
  }
  if (report.choices) {
    const ChoiceReport& c = *report.choices;
    fmt::print("{:<32} acc {:.4f} ± {:.4f}   acc_norm {:.4f} ± {:.4f}   {} questions\n", name, c.acc.value, c.acc.stderr_,
               c.acc_norm.value, c.acc_norm.stderr_, format_count(c.n));
  }
}

Status run(const EvalOptions& options) {
  OWLET_ASSIGN(const auto machine, make_machine(options.common.threads));
  OWLET_ASSIGN(ChatModel chat, load_chat_model(options.common.model));
  OWLET_TRY(quantize_in_memory(options.common.quantize, chat, machine->pool));
  Scorer scorer(machine->context(), *chat.model, options.context);
  Json results = Json::array();
  for (const std::string& file : options.files) {
    OWLET_ASSIGN(const FileReport report, evaluate_file(file, options, scorer, *chat.tokenizer));
    if (options.common.json) {
      results.push_back(to_json(report));
    } else {
      print(report);
    }
  }
  if (options.common.json) fmt::print("{}\n", dump_json({{"model", chat.id}, {"results", results}}, 1));
  return {};
}

}  // namespace

Command eval_command() {
  return {"eval", "measure a model on text and on multiple-choice questions",
          "  owlet eval held-out.txt                       bits per byte of a text\n"
          "  owlet eval arc_easy.jsonl.zst --limit 500     multiple choice, with standard errors\n"
          "  owlet eval -m model.gguf a.jsonl b.txt --json",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<EvalOptions>();
            options->common.add_model(app);
            options->common.add_quantize(app);
            options->common.add_threads(app);
            options->common.add_json(app);
            app.add_option("files", options->files,
                           "texts (.txt, or .jsonl with \"text\") and questions (.jsonl with \"query\", \"choices\", \"gold\"); "
                           ".zst too")
                ->required();
            app.add_option("--limit", options->limit, "lines of each file; 0: all")->check(CLI::NonNegativeNumber);
            app.add_option("--context", options->context, "tokens of context")->check(CLI::Range(2, 1 << 20));
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
