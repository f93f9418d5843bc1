#include "data/samples.h"

#include <algorithm>

#include "core/file.h"
#include "core/thread_pool.h"

namespace owlet {
namespace fs = std::filesystem;
namespace {

struct ChatTurn {
  std::string question;
  std::string thought;
  std::string answer;
};

// Four-byte characters from U+1F000 on, and the older symbols that are drawn in colour.
size_t emoji_length(std::string_view rest) {
  const auto byte = [&](size_t i) { return i < rest.size() ? static_cast<uint8_t>(rest[i]) : uint8_t{0}; };
  if (byte(0) == 0xf0 && byte(1) == 0x9f && rest.size() >= 4) return 4;
  const uint32_t code = (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
  const bool three = (byte(0) & 0xf0) == 0xe0 && rest.size() >= 3;
  return three && ((code >= 0x2600 && code <= 0x27bf) || code == 0xfe0f || code == 0x200d) ? 3 : 0;
}

Error bad_chat(std::string_view why) { return make_error(ErrorCode::kInvalidArgument, "not a chat: {}", why); }

// Messages in pairs; a system message is said at the head of the first question.
Result<std::vector<ChatTurn>> turns_of_messages(const Json& messages) {
  std::vector<ChatTurn> turns;
  std::string question;
  for (const Json& message : messages) {
    OWLET_ASSIGN(const std::string role, get_string(message, "role"));
    OWLET_ASSIGN(const std::string content, get_string(message, "content"));
    if (role == "assistant") {
      const bool thinks = message.contains("thinking") && message["thinking"].is_string();
      turns.push_back({std::exchange(question, {}), thinks ? message["thinking"].get<std::string>() : "", content});
    } else if (role == "user" || role == "system") {
      question += (question.empty() ? "" : "\n") + content;
    } else {
      return bad_chat(fmt::format("the role '{}'", role));
    }
  }
  return turns;
}

Result<std::vector<ChatTurn>> turns_of_data(const Json& data) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  std::vector<ChatTurn> turns;
  for (size_t i = 0; i + 1 < data.size(); i += 2) {
    if (!data[i].is_string() || !data[i + 1].is_string()) return bad_chat("'data' must hold texts");
    ChatTurn turn{.question = clean_question(data[i].get<std::string>()), .thought = {}, .answer = {}};
    std::string answer = data[i + 1].get<std::string>();
    const size_t close = answer.find(kClose);
    if (answer.starts_with(kOpen) && close != std::string::npos) {
      turn.thought = clean_question(answer.substr(kOpen.size(), close - kOpen.size()));
      answer.erase(0, close + kClose.size());
    }
    turn.answer = clean_answer(answer);
    turns.push_back(std::move(turn));
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

std::string clean_question(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("**")) {
      at += 2;
    } else if (rest[0] == '#' && (at == 0 || text[at - 1] == '\n')) {
      at = std::min(text.find_first_not_of('#', at), text.size());
    } else if (const size_t length = emoji_length(rest); length > 0) {
      at += length;
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::string clean_answer(std::string_view text) {
  std::string out = clean_question(text);
  const size_t last = out.find_last_not_of(" \t\n\r");
  const size_t end = out.find_last_of(".!?");
  if (end != std::string::npos && last != std::string::npos && end < last && out.find_first_of("\"')]}`", end) > last) {
    out.resize(end + 1);
  }
  return out;
}

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

Result<std::vector<Sample>> chat_samples(const Json& chat, const Tokenizer& tokenizer, const ChatTokens& tokens,
                                         size_t max_tokens) {
  const bool homemade = chat.is_object() && chat.contains("data");
  const char* key = homemade ? "data" : "messages";
  if (!chat.is_object() || !chat.contains(key) || !chat[key].is_array()) {
    return bad_chat("expected a list called 'messages' or 'data'");
  }
  OWLET_ASSIGN(const auto turns, homemade ? turns_of_data(chat[key]) : turns_of_messages(chat[key]));
  std::vector<Sample> samples;
  for (size_t i = 0; i < turns.size(); ++i) {
    samples.push_back(sample_of(turns, i, tokenizer, tokens, !homemade, max_tokens));
  }
  return samples;
}

std::vector<Sample> text_samples(std::string_view text, const Tokenizer& tokenizer, int32_t end, size_t max_tokens) {
  std::vector<int32_t> ids = tokenizer.encode(text);
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

namespace {

// The samples of one line of JSON.
Result<std::vector<Sample>> line_samples(std::string_view line, const Tokenizer& tokenizer, int32_t end, size_t max_tokens) {
  if (line.empty()) return std::vector<Sample>();
  OWLET_ASSIGN(const Json value, parse_json(line));
  if (value.contains("text")) {
    OWLET_ASSIGN(const std::string text, get_string(value, "text"));
    return text_samples(text, tokenizer, end, max_tokens);
  }
  OWLET_ASSIGN(const ChatTokens tokens, ChatTokens::find(tokenizer));
  return chat_samples(value, tokenizer, tokens, max_tokens);
}

}  // namespace

Result<std::vector<Sample>> load_samples(const fs::path& file, const Tokenizer& tokenizer, size_t max_tokens) {
  constexpr size_t kBlockBytes = size_t{16} << 20;  // of lines that are worked on at once, by all threads
  OWLET_ASSIGN(LineReader reader, LineReader::open(file));
  const bool json = file.string().find(".jsonl") != std::string::npos;
  const int32_t end = tokenizer.id_of("<text_end>") >= 0 ? tokenizer.id_of("<text_end>") : tokenizer.eos();
  ThreadPool pool;
  std::vector<Sample> all;
  std::vector<std::string> lines;
  std::string line, document;
  size_t bytes = 0;
  for (int64_t first = 1;;) {
    OWLET_ASSIGN(const bool more, reader.next(line));
    if (!more && !json) return text_samples(document, tokenizer, end, max_tokens);
    if (!json) document += line + "\n";
    if (!json) continue;
    bytes += line.size();
    if (more) lines.push_back(std::move(line));
    if (more && bytes < kBlockBytes) continue;
    std::vector<Result<std::vector<Sample>>> made(lines.size(), std::vector<Sample>());
    pool.parallel_for(static_cast<int64_t>(lines.size()), 1, [&](int64_t begin, int64_t stop) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(stop); ++i) made[i] = line_samples(lines[i], tokenizer, end, max_tokens);
    });
    for (auto& samples : made) {
      if (!samples.ok()) return std::move(samples).error().in(fmt::format("{}:{}", file.string(), first + (&samples - made.data())));
      std::move(samples->begin(), samples->end(), std::back_inserter(all));
    }
    if (!more) return all;
    first += static_cast<int64_t>(std::exchange(lines, {}).size());
    bytes = 0;
  }
}

}  // namespace owlet
