// One prompt, or a file of prompts answered many at a time.
#include <fmt/format.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "apps/progress.h"
#include "apps/talker.h"
#include "core/file.h"
#include "core/json.h"
#include "serve/answer_assembler.h"

namespace owlet {
namespace {

constexpr int64_t kInFlight = 64;

struct GenerateOptions {
  CommonOptions common;
  std::string prompt;
  std::string file;
  std::string out;
  int64_t max_tokens = 256;
  std::optional<double> temperature;
  bool raw = false;
};

struct Prompt {
  std::string id;
  std::string text;
};

struct Answer {
  AnswerText text;
  FinishReason reason = FinishReason::kStop;
  GenerationStats stats;
};

// Lines of text, or JSON with "prompt" and perhaps "id"; a line's number is its id otherwise.
Result<std::vector<Prompt>> read_prompts(const std::string& file) {
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  const bool json = file.find(".jsonl") != std::string::npos;
  std::vector<Prompt> prompts;
  std::string line;
  for (int64_t n = 1;; ++n) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more) return prompts;
    if (line.empty()) continue;
    Prompt prompt{fmt::format("{}", n), line};
    if (json) {
      auto value = parse_json(line);
      if (!value.ok()) return std::move(value).error().in(fmt::format("{}:{}", file, n));
      auto text = get_string(*value, value->contains("question") ? "question" : "prompt");
      if (!text.ok()) return std::move(text).error().in(fmt::format("{}:{}", file, n));
      prompt.text = *text;
      if (value->contains("id")) prompt.id = (*value)["id"].is_string() ? (*value)["id"].get<std::string>() : dump_json((*value)["id"]);
    }
    prompts.push_back(std::move(prompt));
  }
}

// Ids that an output file holds already; a last line that was cut short does not count.
std::set<std::string> finished_ids(const std::string& file) {
  std::set<std::string> ids;
  auto reader = LineReader::open(file);
  std::string line;
  while (reader.ok()) {
    const auto more = reader->next(line);
    if (!more.ok() || !*more) break;
    const auto value = parse_json(line);
    if (value.ok() && value->contains("id") && (*value)["id"].is_string()) ids.insert((*value)["id"].get<std::string>());
  }
  return ids;
}

class Generator {
 public:
  Generator(Talker& talker, const GenerateOptions& options) : talker_(talker), options_(options) {}

  // Starts an answer; `done` is called on the engine's thread.
  Status start(const std::string& text, std::function<void(const AnswerText&)> on_text, std::function<void(Answer)> done) {
    std::vector<int32_t> prompt;
    if (options_.raw) {
      prompt = talker_.chat.tokenizer->encode(text);
    } else {
      OWLET_ASSIGN(prompt, talker_.encode({{"user", text, ""}}));
    }
    const ThoughtMarks marks = thought_marks_of(*talker_.chat.tokenizer);
    struct State {
      AnswerAssembler assembler;
      Answer answer;
    };
    auto state = std::make_shared<State>(
        State{AnswerAssembler(*talker_.chat.tokenizer,
                              {.split_thoughts = !options_.raw,
                               .starts_in_thought = ends_in_thought(*talker_.chat.tokenizer, marks, prompt),
                               .marks = marks}),
              {}});
    const auto take = [state, on_text](const AnswerText& text) {
      state->answer.text.thinking += text.thinking;
      state->answer.text.content += text.content;
      if (on_text && !text.empty()) on_text(text);
    };
    GenerationRequest request{.prompt = std::move(prompt), .max_new_tokens = options_.max_tokens, .sampling = talker_.chat.defaults,
                              .stop_ids = talker_.chat.stop_ids};
    if (options_.temperature) request.sampling.temperature = *options_.temperature;
    request.sampling.seed = options_.common.seed;
    const auto submitted = talker_.engine->submit(
        std::move(request), {.on_token = [state, take](const GeneratedToken& token) { take(state->assembler.push(token.id)); },
                             .on_finish = [state, take, done](FinishReason reason, const GenerationStats& stats) {
                               take(state->assembler.finish());
                               state->answer.reason = reason;
                               state->answer.stats = stats;
                               done(std::move(state->answer));
                             }});
    return submitted.status();
  }

 private:
  Talker& talker_;
  const GenerateOptions& options_;
};

Status answer_one(Talker& talker, const GenerateOptions& options) {
  std::mutex mutex;
  std::condition_variable finished;
  bool done = false;
  Generator generator(talker, options);
  OWLET_TRY(generator.start(
      options.prompt,
      [](const AnswerText& text) {
        fmt::print("{}", text.content);
        std::fflush(stdout);
      },
      [&](Answer) {
        const std::lock_guard lock(mutex);
        done = true;
        finished.notify_one();
      }));
  std::unique_lock lock(mutex);
  finished.wait(lock, [&] { return done; });
  fmt::print("\n");
  return {};
}

Json to_json(const Prompt& prompt, const Answer& answer) {
  Json json = {{"id", prompt.id}, {"prompt", prompt.text}, {"answer", answer.text.content},
               {"finish_reason", answer.reason == FinishReason::kLength ? "length" : "stop"}, {"tokens", answer.stats.new_tokens}};
  if (!answer.text.thinking.empty()) json["thinking"] = answer.text.thinking;
  return json;
}

Status answer_file(Talker& talker, const GenerateOptions& options) {
  OWLET_ASSIGN(const auto prompts, read_prompts(options.file));
  const auto finished = finished_ids(options.out);
  std::FILE* out = std::fopen(options.out.c_str(), "a");
  if (!out) return make_error(ErrorCode::kIo, "cannot write {}", options.out);
  std::mutex mutex;
  std::condition_variable changed;
  int64_t in_flight = 0, done = 0, tokens = 0;
  Status failed;
  Progress progress;
  Generator generator(talker, options);
  const auto total = static_cast<int64_t>(prompts.size());
  for (const Prompt& prompt : prompts) {
    std::unique_lock lock(mutex);
    if (finished.contains(prompt.id)) {
      ++done;
      continue;
    }
    changed.wait(lock, [&] { return in_flight < kInFlight; });
    ++in_flight;
    lock.unlock();
    const Status status = generator.start(prompt.text, {}, [&, prompt](Answer answer) {
      const std::lock_guard guard(mutex);
      fmt::print(out, "{}\n", dump_json(to_json(prompt, answer)));
      std::fflush(out);
      --in_flight;
      ++done;
      tokens += answer.stats.new_tokens;
      progress.update(fmt::format("generate  {}/{} prompts  {} tokens", format_count(done), format_count(total),
                                  format_short(static_cast<double>(tokens))),
                      static_cast<double>(done) / static_cast<double>(total));
      changed.notify_one();
    });
    if (!status.ok()) {
      lock.lock();
      --in_flight;
      failed = Error(status.error()).in("prompt " + prompt.id);
      break;
    }
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return in_flight == 0; });
  std::fclose(out);
  progress.finish();
  return failed;
}

Status run(const GenerateOptions& options) {
  if (options.prompt.empty() == options.file.empty()) {
    return Error{ErrorCode::kInvalidArgument, "name a prompt with -p, or a file of prompts with --file", ""};
  }
  if (!options.file.empty() && options.out.empty()) {
    return Error{ErrorCode::kInvalidArgument, "--file needs --out", "for example --out answers.jsonl"};
  }
  OWLET_ASSIGN(Talker talker, make_talker(options.common));
  return options.file.empty() ? answer_one(talker, options) : answer_file(talker, options);
}

}  // namespace

Command generate_command() {
  return {"generate", "answer one prompt, or a file of them",
          "  owlet generate -p \"What is the capital of Peru?\"\n"
          "  owlet generate --file prompts.jsonl --out answers.jsonl    {\"id\", \"prompt\"}; goes on where it stopped\n"
          "  owlet generate --raw -p \"Once upon a time\" --max-tokens 60   plain completion",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<GenerateOptions>();
            CommonOptions& c = options->common;
            c.add_model(app);
            c.add_rope_scaling(app);
            c.add_adapters(app);
            c.add_quantize(app);
            c.add_threads(app);
            c.add_seed(app);
            app.add_option("-p,--prompt", options->prompt, "a question");
            app.add_option("--file", options->file, "prompts: a line each, or JSONL with \"prompt\" and perhaps \"id\"");
            app.add_option("--out", options->out, "JSONL of answers; prompts that it holds already are not asked again");
            app.add_option("--max-tokens", options->max_tokens, "longest answer")->check(CLI::PositiveNumber)->capture_default_str();
            app.add_option("--temperature", options->temperature, "0: always the likeliest token; default: the model's")
                ->check(CLI::Range(0.0, 5.0));
            app.add_flag("--raw", options->raw, "complete the text as it is, without the chat form");
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
