#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <mutex>

#include "apps/bench_tokenizer.h"
#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/file.h"
#include "core/json.h"
#include "tokenizer/train.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

struct TokenizerTraining {
  std::vector<std::string> files;
  std::string out;
  int vocab_size = 8192;
  int64_t min_frequency = 2;
  int threads = 0;
  std::string special = "<pad>,<q_end>,<a_end>,<text_end>,<think_start>,<think_end>";
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Every text that a line of JSON holds: a document, or what was said in a chat.
void add_line(const Json& line, BpeTrainer& trainer, int thread) {
  if (line.contains("text") && line["text"].is_string()) return trainer.add_text(line["text"].get_ref<const std::string&>(), thread);
  if (!line.contains("messages") || !line["messages"].is_array()) return;
  for (const Json& message : line["messages"]) {
    for (const char* key : {"content", "thinking"}) {
      if (message.is_object() && message.contains(key) && message[key].is_string()) {
        trainer.add_text(message[key].get_ref<const std::string&>(), thread);
      }
    }
  }
}

// A file whose lines several threads read in turns: while one decompresses, the others work on what they took.
class SharedLines {
 public:
  explicit SharedLines(LineReader reader) : reader_(std::move(reader)) {}

  // Calls work(line, its number) for all lines of the file that no other thread takes. After an error the rest is left; the error of
  // the first line that has one is kept.
  template <class Work>
  void work_on(const Work& work) {
    std::vector<std::string> lines;
    for (int64_t first; (first = take(lines)) > 0;) {
      for (size_t i = 0; i < lines.size(); ++i) {
        const int64_t number = first + static_cast<int64_t>(i);
        if (Status status = work(lines[i], number); !status.ok()) {
          fail(number, std::move(status));
          break;
        }
      }
    }
  }
  Status status() { return std::move(status_); }

 private:
  static constexpr size_t kTakenBytes = size_t{1} << 19;

  // The number of the first line; 0 where there are no more.
  int64_t take(std::vector<std::string>& lines) {
    const std::lock_guard lock(mutex_);
    lines.clear();
    const int64_t first = n_taken_ + 1;
    for (size_t bytes = 0; bytes < kTakenBytes && status_.ok();) {
      auto more = reader_.next(lines.emplace_back());
      if (!more.ok()) status_ = std::move(more).error();
      if (!more.ok() || !*more) {
        lines.pop_back();
        break;
      }
      bytes += lines.back().size() + 1;
      ++n_taken_;
    }
    return lines.empty() ? 0 : first;
  }
  void fail(int64_t number, Status status) {
    const std::lock_guard lock(mutex_);
    if (failed_at_ > 0 && failed_at_ < number) return;
    failed_at_ = number;
    status_ = std::move(status);
  }

  std::mutex mutex_;
  LineReader reader_;
  int64_t n_taken_ = 0;
  int64_t failed_at_ = 0;
  Status status_;
};

Status add_file(const std::string& file, ThreadPool& pool, BpeTrainer& trainer) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  const bool json = file.find(".jsonl") != std::string::npos;
  SharedLines lines(std::move(reader));
  pool.run([&](int thread, int) {
    lines.work_on([&](std::string& line, int64_t number) -> Status {
      if (!json) return trainer.add_text(line += '\n', thread), Status();
      auto value = parse_json(line);
      if (!value.ok()) return std::move(value).error().in(fmt::format("{}:{}", file, number));
      return add_line(*value, trainer, thread), Status();
    });
  });
  return lines.status();
}

Status train(const TokenizerTraining& options) {
  ThreadPool pool(options.threads);
  OWLET_ASSIGN(BpeTrainer trainer, BpeTrainer::create({.vocab_size = options.vocab_size, .min_frequency = options.min_frequency,
                                                       .special_tokens = split(options.special, ','), .threads = pool.size()}));
  for (const std::string& file : options.files) OWLET_TRY(add_file(file, pool, trainer));
  OWLET_ASSIGN(const Tokenizer tokenizer, Tokenizer::from_spec(trainer.train()));
  OWLET_TRY(tokenizer.save(options.out));
  fmt::print("{}: {} tokens, {} merges\n", options.out, format_count(tokenizer.vocab_size()),
             format_count(static_cast<int64_t>(tokenizer.spec().merges.size())));
  return {};
}

// A folder or file of a tokenizer alone, or of a whole model.
Result<Tokenizer> load_tokenizer(const std::string& name) {
  OWLET_ASSIGN(const std::filesystem::path path, find_model(name));
  if (path.extension() != ".gguf") return Tokenizer::load(path);
  OWLET_ASSIGN(ChatModel chat, load_chat_model(path));
  return std::move(*chat.tokenizer);
}

struct EncodeCommand {
  CommonOptions common;
  std::string text;
  std::string lines;
  bool control = false;
};

// One text or list of ids for each line of JSON, in blocks that bound the memory.
Status for_each_block(const std::string& file, const std::function<Status(std::vector<Json> block)>& work) {
  constexpr size_t kBlockBytes = size_t{16} << 20;
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  std::vector<Json> block;
  std::string line;
  size_t bytes = 0;
  for (int64_t n = 1;; ++n) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return work(std::move(block));
    auto value = parse_json(line);
    if (!value.ok()) return std::move(value).error().in(fmt::format("{}:{}", file, n));
    block.push_back(std::move(value).value());
    bytes += line.size();
    if (bytes < kBlockBytes) continue;
    OWLET_TRY(work(std::exchange(block, {})));
    bytes = 0;
  }
}

Status encode_lines(const Tokenizer& tokenizer, const EncodeCommand& command) {
  ThreadPool pool(command.common.threads);
  return for_each_block(command.lines, [&](std::vector<Json> block) -> Status {
    std::vector<std::string> texts;
    for (Json& value : block) {
      const Json& text = value.is_object() && value.contains("text") ? value["text"] : value;
      if (!text.is_string()) return make_error(ErrorCode::kInvalidArgument, "{}: each line must be a string, or an object with a \"text\"", command.lines);
      texts.push_back(text.get<std::string>());
    }
    for (const auto& ids : tokenizer.encode_batch(texts, pool, {.parse_special = command.control})) fmt::print("[{}]\n", fmt::join(ids, ","));
    return {};
  });
}

Status encode(const EncodeCommand& command) {
  OWLET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(command.common.model));
  if (!command.lines.empty()) return encode_lines(tokenizer, command);
  std::string text = command.text;
  if (text.empty()) text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto ids = tokenizer.encode(text, {.parse_special = command.control});
  fmt::print("{}\n", command.common.json ? dump_json(Json(ids)) : fmt::format("{}", fmt::join(ids, " ")));
  return {};
}

Status decode(const std::string& model, std::vector<int32_t> ids, const std::string& lines) {
  OWLET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model));
  if (!lines.empty()) {
    return for_each_block(lines, [&](const std::vector<Json>& block) -> Status {
      for (const Json& value : block) {
        if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const Json& id) { return id.is_number_integer(); })) {
          return make_error(ErrorCode::kInvalidArgument, "{}: each line must be a list of ids", lines);
        }
        fmt::print("{}\n", dump_json(Json(unicode::replace_broken(tokenizer.decode(value.get<std::vector<int32_t>>(), true)))));
      }
      return {};
    });
  }
  if (ids.empty()) ids.assign(std::istream_iterator<int32_t>(std::cin), {});
  const std::string text = tokenizer.decode(ids, true);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  return {};
}

std::function<Status()> declare(CLI::App& app) {
  app.require_subcommand(1);
  auto chosen = std::make_shared<std::function<Status()>>();

  CLI::App* train_app = app.add_subcommand("train", "learn a byte-level BPE vocabulary from text");
  auto options = std::make_shared<TokenizerTraining>();
  train_app->add_option("files", options->files, "texts: .txt, or .jsonl with \"text\" or \"messages\"; .zst too")->required();
  train_app->add_option("-o,--out", options->out, "folder to write to")->required();
  train_app->add_option("--vocab-size", options->vocab_size, "tokens")->capture_default_str();
  train_app->add_option("--min-frequency", options->min_frequency, "least count of a pair that is merged")->capture_default_str();
  train_app->add_option("--threads", options->threads, "0: one per core");
  train_app->add_option("--special", options->special, "control tokens, by commas; they take the first ids")->capture_default_str();
  train_app->callback([=] { *chosen = [options] { return train(*options); }; });

  CLI::App* encode_app = app.add_subcommand("encode", "text to token ids");
  auto command = std::make_shared<EncodeCommand>();
  command->common.add_model(*encode_app);
  command->common.add_threads(*encode_app);
  command->common.add_json(*encode_app);
  encode_app->add_option("text", command->text, "default: standard input");
  encode_app->add_option("--lines", command->lines, "a text for each line of this file, a JSON string or {\"text\"}; ids come in lines too");
  encode_app->add_flag("--control", command->control, "names of control tokens in the text are control tokens");
  encode_app->callback([=] { *chosen = [=] { return encode(*command); }; });

  CLI::App* decode_app = app.add_subcommand("decode", "token ids to text");
  auto common = std::make_shared<CommonOptions>();
  auto ids = std::make_shared<std::vector<int32_t>>();
  auto lines = std::make_shared<std::string>();
  common->add_model(*decode_app);
  decode_app->add_option("ids", *ids, "default: standard input");
  decode_app->add_option("--lines", *lines, "a JSON list of ids for each line of this file; texts come as JSON strings");
  decode_app->callback([=] { *chosen = [=] { return decode(common->model, *ids, *lines); }; });

  CLI::App* bench_app = app.add_subcommand("bench", "megabytes a second of training and encoding, beside this machine's own limits");
  auto bench = std::make_shared<TokenizerBenchOptions>();
  auto bench_model = std::make_shared<std::string>();
  bench_app->add_option("file", bench->file, "texts: .txt, or .jsonl with \"text\"; .zst too")->required();
  bench_app->add_option("-m,--model", *bench_model, "whose tokenizer encodes; default: the one that is trained");
  bench_app->add_option("--vocab-size", bench->vocab_size, "tokens of the one that is trained")->capture_default_str();
  bench_app->add_option("--repeats", bench->repeats, "samples of each figure; the median counts")->check(CLI::Range(1, 1000))->capture_default_str();
  bench_app->add_option("--threads", bench->threads, "0: one per core");
  bench_app->callback([=] {
    *chosen = [=]() -> Status {
      if (bench_model->empty()) return bench_tokenizer(*bench, nullptr);
      OWLET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(*bench_model));
      return bench_tokenizer(*bench, &tokenizer);
    };
  });
  return [chosen] { return (*chosen)(); };
}

}  // namespace

Command tokenizer_command() {
  return {"tokenizer", "train a tokenizer, or see what one does",
          "  owlet tokenizer train corpus.jsonl.zst --vocab-size 8192 -o my-tokenizer\n"
          "  owlet tokenizer encode \"Hello, world\"\n"
          "  owlet tokenizer encode \"Hello\" | owlet tokenizer decode",
          declare};
}

}  // namespace owlet
