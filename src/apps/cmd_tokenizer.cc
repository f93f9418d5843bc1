#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <iterator>

#include "apps/command.h"
#include "apps/load_chat_model.h"
#include "apps/progress.h"
#include "core/file.h"
#include "core/json.h"
#include "tokenizer/train.h"

namespace owlet {
namespace {

struct TrainOptions {
  std::vector<std::string> files;
  std::string out;
  int vocab_size = 8192;
  int64_t min_frequency = 2;
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
void add_line(const Json& line, BpeTrainer& trainer) {
  if (line.contains("text") && line["text"].is_string()) return trainer.add_text(line["text"].get_ref<const std::string&>());
  if (!line.contains("messages") || !line["messages"].is_array()) return;
  for (const Json& message : line["messages"]) {
    for (const char* key : {"content", "thinking"}) {
      if (message.is_object() && message.contains(key) && message[key].is_string()) {
        trainer.add_text(message[key].get_ref<const std::string&>());
      }
    }
  }
}

Status train(const TrainOptions& options) {
  OWLET_ASSIGN(BpeTrainer trainer, BpeTrainer::create({.vocab_size = options.vocab_size, .min_frequency = options.min_frequency,
                                                       .special_tokens = split(options.special, ',')}));
  std::string line;
  for (const std::string& file : options.files) {
    OWLET_ASSIGN(LineReader reader, LineReader::open(file));
    const bool json = file.find(".jsonl") != std::string::npos;
    for (int64_t n = 1;; ++n) {
      OWLET_ASSIGN(const bool more, reader.next(line));
      if (!more) break;
      if (!json) {
        trainer.add_text(line + "\n");
        continue;
      }
      auto value = parse_json(line);
      if (!value.ok()) return std::move(value).error().in(fmt::format("{}:{}", file, n));
      add_line(*value, trainer);
    }
  }
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

Status encode(const std::string& model, std::string text, bool json) {
  OWLET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model));
  if (text.empty()) text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto ids = tokenizer.encode(text);
  fmt::print("{}\n", json ? dump_json(Json(ids)) : fmt::format("{}", fmt::join(ids, " ")));
  return {};
}

Status decode(const std::string& model, std::vector<int32_t> ids) {
  OWLET_ASSIGN(const Tokenizer tokenizer, load_tokenizer(model));
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
  auto options = std::make_shared<TrainOptions>();
  train_app->add_option("files", options->files, "texts: .txt, or .jsonl with \"text\" or \"messages\"; .zst too")->required();
  train_app->add_option("-o,--out", options->out, "folder to write to")->required();
  train_app->add_option("--vocab-size", options->vocab_size, "tokens")->capture_default_str();
  train_app->add_option("--min-frequency", options->min_frequency, "least count of a pair that is merged")->capture_default_str();
  train_app->add_option("--special", options->special, "control tokens, by commas; they take the first ids")->capture_default_str();
  train_app->callback([=] { *chosen = [options] { return train(*options); }; });

  CLI::App* encode_app = app.add_subcommand("encode", "text to token ids");
  auto common = std::make_shared<CommonOptions>();
  auto text = std::make_shared<std::string>();
  common->add_model(*encode_app);
  common->add_json(*encode_app);
  encode_app->add_option("text", *text, "default: standard input");
  encode_app->callback([=] { *chosen = [=] { return encode(common->model, *text, common->json); }; });

  CLI::App* decode_app = app.add_subcommand("decode", "token ids to text");
  auto ids = std::make_shared<std::vector<int32_t>>();
  common->add_model(*decode_app);
  decode_app->add_option("ids", *ids, "default: standard input");
  decode_app->callback([=] { *chosen = [=] { return decode(common->model, *ids); }; });
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
