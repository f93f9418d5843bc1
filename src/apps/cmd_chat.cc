// The chat in the terminal.
#include <fmt/format.h>
#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <clocale>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <future>
#include <iostream>
#include <mutex>

#include "apps/progress.h"
#include "apps/talker.h"
#include "core/printable.h"
#include "serve/answer_assembler.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

constexpr const char* kHelp =
    "/help             this\n"
    "/set              what is set: temperature, top_p, top_k, max_tokens, seed, system\n"
    "/set NAME VALUE   change it\n"
    "/clear            forget the conversation\n"
    "/quit             leave (Ctrl-D too)\n"
    "\"\"\"               begins and ends a message of several lines\n"
    "Ctrl-C            stops the answer; again at the prompt, leaves\n";

std::atomic<bool> interrupted{false};
extern "C" void note_interrupt(int) { interrupted = true; }

// Colours and a prompt for people; neither for pipes.
struct Style {
  bool colour = false;
  std::string dim(std::string_view text) const { return colour ? fmt::format("\033[2m{}\033[0m", text) : std::string(text); }
};

// Lines with editing and history on a terminal, plain ones from a pipe.
class LineInput {
 public:
  explicit LineInput(bool terminal) : terminal_(terminal) {
    if (!terminal) return;
    // The line editor decodes keys and its prompt by the locale; without one for UTF-8 it takes ASCII alone.
    std::setlocale(LC_CTYPE, "");
    if (!is_utf8()) std::setlocale(LC_CTYPE, "C.UTF-8");
    edit_ = el_init("owlet", stdin, stdout, stderr);
    history_ = history_init();
    history(history_, &event_, H_SETSIZE, 1000);
    if (const char* home = std::getenv("HOME")) file_ = (fs::path(home) / ".owlet_history").string();
    if (!file_.empty()) history(history_, &event_, H_LOAD, file_.c_str());
    el_set(edit_, EL_PROMPT, prompt);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_HIST, history, history_);
    el_set(edit_, EL_SIGNAL, 0);
    el_source(edit_, nullptr);
  }
  ~LineInput() {
    if (!terminal_) return;
    if (!file_.empty()) history(history_, &event_, H_SAVE, file_.c_str());
    history_end(history_);
    el_end(edit_);
  }
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;

  // False at the end of the input, and on Ctrl-C.
  bool next(std::string& line) {
    if (!terminal_) return static_cast<bool>(std::getline(std::cin, line));
    int n = 0;
    const char* text = el_gets(edit_, &n);
    if (!text || n <= 0 || interrupted) return false;
    line.assign(text, static_cast<size_t>(n));
    while (!line.empty() && line.back() == '\n') line.pop_back();
    if (!line.empty()) history(history_, &event_, H_ENTER, line.c_str());
    return true;
  }

 private:
  static bool is_utf8() { return std::string_view(nl_langinfo(CODESET)) == "UTF-8"; }
  static const char* prompt(EditLine*) { return is_utf8() ? "› " : "> "; }
  bool terminal_;
  EditLine* edit_ = nullptr;
  History* history_ = nullptr;
  HistEvent event_{};
  std::string file_;
};

// Bold marks become bold, and a bar stands before code; everything else goes through as it comes.
class Markdown {
 public:
  explicit Markdown(bool colour) : colour_(colour) {}
  std::string push(std::string_view text) {
    if (!colour_) return std::string(text);
    std::string out;
    for (char c : printable(text)) {
      if (c == '\n') {
        out += line_end();
      } else {
        line_ += c;
      }
    }
    // A line is shown as it grows, unless it may be about to change how it looks.
    if (line_.find_first_of("*`") == std::string::npos) {
      out += (shown_ == 0 && in_code_ && !line_.empty() ? "\033[2m│\033[0m " : "") + line_.substr(shown_);
      shown_ = line_.size();
    }
    return out;
  }
  std::string finish() { return colour_ ? render(line_.substr(std::exchange(shown_, line_.size()))) : ""; }

 private:
  std::string line_end() {
    std::string out;
    if (line_.starts_with("```")) {
      in_code_ = !in_code_;
    } else {
      out = (in_code_ && shown_ == 0 ? "\033[2m│\033[0m " : "") + render(line_.substr(shown_)) + "\n";
    }
    line_.clear();
    shown_ = 0;
    return out;
  }
  std::string render(std::string text) const {
    for (bool open = true; !in_code_; open = !open) {
      const size_t at = text.find("**");
      if (at == std::string::npos) break;
      text.replace(at, 2, open ? "\033[1m" : "\033[22m");
    }
    return text;
  }
  bool colour_;
  bool in_code_ = false;
  std::string line_;
  size_t shown_ = 0;
};

class Conversation {
 public:
  Conversation(Talker& talker, const CommonOptions& options, Style style)
      : talker_(talker), style_(style), sampling_(talker.chat.defaults) {
    sampling_.seed = options.seed;
  }

  // Carries out "/…"; false to leave.
  bool command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    if (name == "/quit" || name == "/exit" || name == "/bye") return false;
    if (name == "/help" || name == "/?") {
      fmt::print("{}", kHelp);
    } else if (name == "/clear") {
      messages_.clear();
      fmt::print("{}\n", style_.dim("forgotten"));
    } else if (name == "/set") {
      set(space == std::string::npos ? "" : line.substr(space + 1));
    } else {
      fmt::print("{} is not a command; /help lists them\n", name);
    }
    return true;
  }

  // Says the answer as it comes.
  Status say(const std::string& text) {
    std::vector<ChatMessage> all;
    if (!system_.empty()) all.push_back({"system", system_, ""});
    all.insert(all.end(), messages_.begin(), messages_.end());
    all.push_back({"user", text, ""});
    OWLET_ASSIGN(const auto prompt, talker_.encode(all));
    OWLET_ASSIGN(const std::string answer, stream(prompt));
    messages_.push_back({"user", text, ""});
    messages_.push_back({"assistant", answer, ""});
    ++sampling_.seed;
    return {};
  }

 private:
  void set(const std::string& assignment) {
    const size_t space = assignment.find(' ');
    const std::string name = assignment.substr(0, space);
    const std::string value = space == std::string::npos ? "" : assignment.substr(space + 1);
    if (name.empty()) {
      fmt::print("temperature {:g}\ntop_p {:g}\ntop_k {}\nmax_tokens {}\nseed {}\nsystem {}\n", sampling_.temperature, sampling_.top_p,
                 sampling_.top_k, max_tokens_, sampling_.seed, system_.empty() ? "–" : system_);
      return;
    }
    if (name == "system") {
      system_ = value;
      return;
    }
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    const bool valid = !value.empty() && *end == '\0' && number >= 0 && number <= 1e9;
    if (valid && name == "temperature" && number <= 5) {
      sampling_.temperature = number;
    } else if (valid && name == "top_p" && number > 0 && number <= 1) {
      sampling_.top_p = number;
    } else if (valid && name == "top_k") {
      sampling_.top_k = static_cast<int>(number);
    } else if (valid && name == "max_tokens" && number >= 1) {
      max_tokens_ = static_cast<int64_t>(number);
    } else if (valid && name == "seed") {
      sampling_.seed = static_cast<uint64_t>(number);
    } else {
      fmt::print("'{}' cannot be set to '{}'; /set alone shows what there is\n", name, value);
    }
  }

  Result<std::string> stream(const std::vector<int32_t>& prompt) {
    const Tokenizer& tokenizer = *talker_.chat.tokenizer;
    const ThoughtMarks marks = thought_marks_of(tokenizer);
    AnswerAssembler assembler(tokenizer, {.starts_in_thought = ends_in_thought(tokenizer, marks, prompt), .marks = marks});
    Markdown markdown(style_.colour);
    std::string answer;
    bool thinking = false;
    const auto show = [&](const AnswerText& text) {
      if (!text.thinking.empty() && style_.colour) fmt::print("{}", style_.dim(printable(text.thinking)));
      thinking = thinking || !text.thinking.empty();
      if (!text.content.empty()) {
        if (std::exchange(thinking, false) && style_.colour) fmt::print("\n");
        fmt::print("{}", markdown.push(text.content));
        answer += text.content;
      }
      std::fflush(stdout);
    };
    std::mutex mutex;
    std::condition_variable finished;
    std::optional<GenerationStats> stats;
    interrupted = false;
    GenerationRequest request{.prompt = prompt, .max_new_tokens = max_tokens_, .sampling = sampling_, .stop_ids = talker_.chat.stop_ids};
    OWLET_ASSIGN(const auto id, talker_.engine->submit(
        std::move(request), {.on_token = [&](const GeneratedToken& token) { show(assembler.push(token.id)); },
                             .on_finish = [&](FinishReason, const GenerationStats& s) {
                               const std::lock_guard lock(mutex);
                               stats = s;
                               finished.notify_one();
                             }}));
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, std::chrono::milliseconds(20), [&] { return stats.has_value(); })) {
      if (interrupted) talker_.engine->cancel(id);
    }
    show(assembler.finish());
    fmt::print("{}\n", markdown.finish());
    if (style_.colour) {
      const double rate = stats->decode_ms > 0 ? 1000.0 * static_cast<double>(stats->new_tokens - 1) / stats->decode_ms : 0;
      fmt::print("{}\n", style_.dim(fmt::format("{:.0f} tokens/s · {} tokens · first token {:.0f} ms{}", rate, stats->new_tokens,
                                                stats->prompt_ms, interrupted ? " · stopped" : "")));
    }
    interrupted = false;
    return answer;
  }

  Talker& talker_;
  Style style_;
  SamplingParams sampling_;
  int64_t max_tokens_ = 0;  // 0: to the end of the context
  std::string system_;
  std::vector<ChatMessage> messages_;
};

Status run(const CommonOptions& options) {
  OWLET_ASSIGN(Talker talker, make_talker(options, {.context = 0, .sequences = 1}));
  const bool terminal = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  std::future<void> settling;  // while somebody types
  if (terminal) settling = std::async(std::launch::async, [&talker] { talker.settle(); });
  const Style style{terminal};
  if (terminal) fmt::print("{}\n", style.dim(talker.headline() + "  /help"));
  struct sigaction action {};
  action.sa_handler = note_interrupt;  // without SA_RESTART: a read at the prompt ends
  sigaction(SIGINT, &action, nullptr);
  LineInput input(terminal);
  Conversation conversation(talker, options, style);
  std::string line;
  while (input.next(line)) {
    if (line == "\"\"\"") {
      std::string whole, part;
      while (input.next(part) && part != "\"\"\"") whole += part + "\n";
      line = whole;
    }
    if (line.find_first_not_of(" \t\n") == std::string::npos) continue;
    if (line[0] == '/') {
      if (!conversation.command(line)) break;
      continue;
    }
    if (settling.valid()) settling.get();
    const Status status = conversation.say(line);
    if (!status.ok()) fmt::print(stderr, "{}\n", status.error().to_string());
  }
  if (terminal) fmt::print("\n");
  return {};
}

}  // namespace

Command chat_command() {
  return {"chat", "talk to a model in the terminal",
          "  owlet chat\n"
          "  owlet chat -m my-model/\n"
          "  echo \"What is the capital of Peru?\" | owlet chat",
          [](CLI::App& app) -> std::function<Status()> {
            auto options = std::make_shared<CommonOptions>();
            options->add_model(app);
            options->add_rope_scaling(app);
            options->add_adapters(app);
            options->add_quantize(app);
            options->add_threads(app);
            options->add_seed(app);
            return [options] { return run(*options); };
          }};
}

}  // namespace owlet
