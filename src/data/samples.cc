#include "data/samples.h"

#include <algorithm>

#include "core/file.h"
#include "core/random.h"
#include "core/thread_pool.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

struct ChatTurn {
  std::string question;
  std::string thought;
  std::string answer;
};

// Messages in pairs; a system message is said at the head of the first question.
std::vector<ChatTurn> turns_of(const std::vector<ChatMessage>& messages) {
  std::vector<ChatTurn> turns;
  std::string question;
  for (const ChatMessage& message : messages) {
    if (message.role == "assistant") {
      turns.push_back({std::exchange(question, {}), message.thinking, message.content});
    } else {
      question += (question.empty() ? "" : "\n") + message.content;
    }
  }
  return turns;
}

// Ids that grow by texts and control tokens.
class Builder {
 public:
  explicit Builder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  void text(std::string_view text, bool counted) {
    for (int32_t id : tokenizer_.encode(text, {.add_special = false})) token(id, counted);
  }
  void token(int32_t id, bool counted) {
    sample_.ids.push_back(id);
    sample_.counted.push_back(counted ? 1 : 0);
  }
  Sample take(size_t max_tokens) {
    if (sample_.ids.size() > max_tokens) {
      sample_.ids.resize(max_tokens);
      sample_.counted.resize(max_tokens);
    }
    return std::move(sample_);
  }

 private:
  const Tokenizer& tokenizer_;
  Sample sample_;
};

Sample sample_of(const std::vector<ChatTurn>& turns, size_t last, const Tokenizer& tokenizer, const ChatTokens& tokens,
                 bool learn_to_think, size_t max_tokens) {
  Builder builder(tokenizer);
  for (size_t i = 0; i <= last; ++i) {
    const bool counted = i == last;
    builder.text(turns[i].question, false);
    builder.token(tokens.q_end, false);
    if (counted && !turns[i].thought.empty()) {
      builder.token(tokens.think_start, learn_to_think);
      builder.text(turns[i].thought, true);
      builder.token(tokens.think_end, true);
    }
    builder.text(turns[i].answer, counted);
    builder.token(tokens.a_end, counted);
  }
  return builder.take(max_tokens);
}

}  // namespace

Result<ChatTokens> ChatTokens::find(const Tokenizer& tokenizer) {
  ChatTokens tokens;
  const std::pair<const char*, int32_t*> names[] = {{"<q_end>", &tokens.q_end},
                                                    {"<a_end>", &tokens.a_end},
                                                    {"<think_start>", &tokens.think_start},
                                                    {"<think_end>", &tokens.think_end}};
  for (const auto& [name, id] : names) {
    *id = tokenizer.id_of(name);
    if (*id < 0) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("the tokenizer has no token '{}'", name),
                   "train it with --special <q_end>,<a_end>,<think_start>,<think_end>"};
    }
  }
  return tokens;
}

std::vector<Sample> chat_samples(const Example& chat, const Tokenizer& tokenizer, const ChatTokens& tokens, size_t max_tokens) {
  const std::vector<ChatTurn> turns = turns_of(chat.messages);
  std::vector<Sample> samples;
  for (size_t i = 0; i < turns.size(); ++i) {
    samples.push_back(sample_of(turns, i, tokenizer, tokens, chat.kind != Example::Kind::kHomemade, max_tokens));
  }
  return samples;
}

Result<std::vector<Sample>> template_samples(const std::vector<ChatMessage>& messages, const Tokenizer& tokenizer,
                                             const ChatTemplate& chat_template, size_t max_tokens) {
  std::vector<Sample> samples;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    const std::vector<ChatMessage> before(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(i)),
        whole(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    OWLET_ASSIGN(const auto prompt, encode_chat(tokenizer, chat_template, before, true));
    OWLET_ASSIGN(auto ids, encode_chat(tokenizer, chat_template, whole, false));
    // What the template writes differently once there is an answer belongs to it.
    const auto given = std::mismatch(prompt.begin(), prompt.end(), ids.begin(), ids.end()).second - ids.begin();
    Sample sample{std::move(ids), {}};
    sample.counted.assign(sample.ids.size(), 1);
    std::fill_n(sample.counted.begin(), given, uint8_t{0});
    if (sample.ids.size() > max_tokens) {
      sample.ids.resize(max_tokens);
      sample.counted.resize(max_tokens);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

namespace {

// Some text of a document, in samples that overlap by one token. `begins`: the document begins with it; `end` follows it where it is not
// negative.
std::vector<Sample> piece_samples(std::string_view text, const Tokenizer& tokenizer, bool begins, int32_t end, size_t max_tokens) {
  std::vector<int32_t> ids = tokenizer.encode(text, {.add_special = begins});
  if (end >= 0) ids.push_back(end);
  std::vector<Sample> samples;
  for (size_t begin = 0; begin + 1 < ids.size(); begin += max_tokens - 1) {
    const size_t stop = std::min(ids.size(), begin + max_tokens);
    Sample sample{{ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.begin() + static_cast<std::ptrdiff_t>(stop)}, {}};
    sample.counted.assign(sample.ids.size(), 1);
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace

std::vector<Sample> text_samples(std::string_view text, const Tokenizer& tokenizer, int32_t end, size_t max_tokens) {
  return piece_samples(text, tokenizer, true, end, max_tokens);
}

namespace {

// A text whose end is learnt, ended by `end`.
Sample completion_sample(const Example& example, const Tokenizer& tokenizer, int32_t end, size_t max_tokens) {
  Builder builder(tokenizer);
  for (const int32_t id : tokenizer.encode(example.text)) builder.token(id, false);
  builder.text(example.completion, true);
  if (end >= 0) builder.token(end, true);
  return builder.take(max_tokens);
}

// The samples of one line of JSON.
Result<std::vector<Sample>> line_samples(std::string_view line, const Tokenizer& tokenizer, int32_t end, const LoadOptions& options) {
  if (line.empty()) return std::vector<Sample>();
  if (options.held_out > 0 && is_held_out(line, options.held_out) != options.take_held_out) return std::vector<Sample>();
  OWLET_ASSIGN(const Json value, parse_json(line));
  OWLET_ASSIGN(const Example example, read_example(value));
  if (example.kind == Example::Kind::kText) return text_samples(example.text, tokenizer, end, options.max_tokens);
  if (example.kind == Example::Kind::kCompletion) return std::vector{completion_sample(example, tokenizer, end, options.max_tokens)};
  const auto tokens = ChatTokens::find(tokenizer);
  if (tokens.ok()) return chat_samples(example, tokenizer, *tokens, options.max_tokens);
  if (!options.chat_template) return tokens.error();
  return template_samples(example.messages, tokenizer, *options.chat_template, options.max_tokens);
}

}  // namespace

bool is_held_out(std::string_view line, double share) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a, mixed once more: its high bits alone are poor
  for (const char c : line) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  return Random{.seed = hash}.uniform() < share;
}

namespace {

// What one thread works on: a line of JSON, or some lines of a document.
struct Piece {
  std::string text;
  bool begins = true;  // the document begins, and ends, with it
  bool ends = true;
};

class PieceReader {
 public:
  PieceReader(LineReader reader, bool json) : reader_(std::move(reader)), json_(json) {}

  // The next pieces that are worked on at once, by all threads; none at the end.
  Result<std::vector<Piece>> next() {
    constexpr size_t kBlockBytes = size_t{16} << 20, kPieceBytes = size_t{1} << 20;
    std::vector<Piece> pieces;
    std::string line;
    for (size_t bytes = 0; bytes < kBlockBytes && !done_;) {
      OWLET_ASSIGN(const bool more, reader_.next(line));
      done_ = !more;
      bytes += line.size();
      if (json_ && more) pieces.push_back({std::move(line)});
      if (json_) continue;
      if (done_ || document_.size() >= kPieceBytes) pieces.push_back({std::exchange(document_, {}), std::exchange(begins_, false), done_});
      if (more) document_ += line + "\n";
    }
    return pieces;
  }

 private:
  LineReader reader_;
  bool json_, begins_ = true, done_ = false;
  std::string document_;  // lines that are not yet a piece
};

}  // namespace

Result<SampleStore> load_samples(const fs::path& file, const Tokenizer& tokenizer, const LoadOptions& options) {
  OWLET_ASSIGN(LineReader lines, LineReader::open(file));
  OWLET_ASSIGN(SampleWriter kept, SampleWriter::create());
  const bool json = file.string().find(".jsonl") != std::string::npos;
  const int32_t end = tokenizer.id_of("<text_end>") >= 0 ? tokenizer.id_of("<text_end>") : tokenizer.eos();
  PieceReader reader(std::move(lines), json);
  ThreadPool pool;
  for (int64_t first = 1;;) {
    OWLET_ASSIGN(const std::vector<Piece> pieces, reader.next());
    if (pieces.empty()) return std::move(kept).finish();
    std::vector<Result<std::vector<Sample>>> made(pieces.size(), std::vector<Sample>());
    pool.parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t stop) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(stop); ++i) {
        if (json) made[i] = line_samples(pieces[i].text, tokenizer, end, options);
        else made[i] = piece_samples(pieces[i].text, tokenizer, pieces[i].begins, pieces[i].ends ? end : -1, options.max_tokens);
      }
    });
    for (auto& samples : made) {
      if (!samples.ok()) return std::move(samples).error().in(fmt::format("{}:{}", file.string(), first + (&samples - made.data())));
      for (const Sample& sample : *samples) OWLET_TRY(kept.add(sample));
    }
    first += static_cast<int64_t>(pieces.size());
  }
}

}  // namespace owlet
