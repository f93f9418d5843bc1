#include "data/example.h"

#include <algorithm>

namespace owlet {
namespace {

// Four-byte characters from U+1F000 on, and the older symbols that are drawn in colour.
size_t emoji_length(std::string_view rest) {
  const auto byte = [&](size_t i) { return i < rest.size() ? static_cast<uint8_t>(rest[i]) : uint8_t{0}; };
  if (byte(0) == 0xf0 && byte(1) == 0x9f && rest.size() >= 4) return 4;
  const uint32_t code = (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
  const bool three = (byte(0) & 0xf0) == 0xe0 && rest.size() >= 3;
  return three && ((code >= 0x2600 && code <= 0x27bf) || code == 0xfe0f || code == 0x200d) ? 3 : 0;
}

Error bad_chat(std::string_view why) { return make_error(ErrorCode::kInvalidArgument, "not a chat: {}", why); }

// "user" for what people call it; empty for roles that are not known.
std::string role_of(std::string_view name) {
  if (name == "user" || name == "human") return "user";
  if (name == "assistant" || name == "gpt" || name == "model" || name == "chatgpt" || name == "bot") return "assistant";
  return name == "system" || name == "developer" ? "system" : "";
}

// A text, or the texts of a list of parts.
Result<std::string> read_content(const Json& message, const char* key) {
  if (!message.is_object() || !message.contains(key) || !message[key].is_array()) return get_string(message, key);
  std::string text;
  for (const Json& part : message[key]) {
    OWLET_ASSIGN(const std::string type, get_string(part, "type"));
    if (type != "text") return bad_chat(fmt::format("a part of type '{}'", type));
    OWLET_ASSIGN(const std::string piece, get_string(part, "text"));
    text += piece;
  }
  return text;
}

Result<std::vector<ChatMessage>> read_messages(const Json& list, const char* role_key, const char* content_key) {
  if (!list.is_array()) return bad_chat("expected a list of messages");
  std::vector<ChatMessage> messages;
  for (const Json& message : list) {
    OWLET_ASSIGN(const std::string name, get_string(message, role_key));
    OWLET_ASSIGN(std::string content, read_content(message, content_key));
    const std::string role = role_of(name);
    if (role.empty()) return bad_chat(fmt::format("the role '{}'", name));
    ChatMessage read{role, std::move(content), {}};
    for (const char* key : {"thinking", "reasoning_content"}) {
      if (role == "assistant" && message.contains(key) && message[key].is_string()) read.thinking = message[key].get<std::string>();
    }
    messages.push_back(std::move(read));
  }
  return messages;
}

// Questions and answers in turn; a thought stands in <think>…</think> at the head of its answer.
Result<std::vector<ChatMessage>> read_homemade(const Json& data) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  if (!data.is_array()) return bad_chat("'data' must be a list");
  std::vector<ChatMessage> messages;
  for (size_t i = 0; i + 1 < data.size(); i += 2) {
    if (!data[i].is_string() || !data[i + 1].is_string()) return bad_chat("'data' must hold texts");
    messages.push_back({"user", clean_question(data[i].get<std::string>()), {}});
    ChatMessage answer{"assistant", {}, {}};
    std::string text = data[i + 1].get<std::string>();
    const size_t close = text.find(kClose);
    if (text.starts_with(kOpen) && close != std::string::npos) {
      answer.thinking = clean_question(text.substr(kOpen.size(), close - kOpen.size()));
      text.erase(0, close + kClose.size());
    }
    answer.content = clean_answer(text);
    messages.push_back(std::move(answer));
  }
  return messages;
}

Result<std::vector<ChatMessage>> read_alpaca(const Json& line) {
  std::vector<ChatMessage> messages;
  const auto has_text = [&](const char* key) { return line.contains(key) && line[key].is_string() && line[key] != Json(""); };
  if (has_text("system")) messages.push_back({"system", line["system"].get<std::string>(), {}});
  if (line.contains("history") && line["history"].is_array()) {
    for (const Json& pair : line["history"]) {
      if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) return bad_chat("'history' must hold pairs of texts");
      messages.push_back({"user", pair[0].get<std::string>(), {}});
      messages.push_back({"assistant", pair[1].get<std::string>(), {}});
    }
  }
  OWLET_ASSIGN(std::string question, get_string(line, "instruction"));
  if (has_text("input")) question += "\n\n" + line["input"].get<std::string>();
  OWLET_ASSIGN(std::string answer, get_string(line, "output"));
  messages.push_back({"user", std::move(question), {}});
  messages.push_back({"assistant", std::move(answer), {}});
  return messages;
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

Result<Example> read_example(const Json& line) {
  const auto has = [&](const char* key) { return line.is_object() && line.contains(key); };
  Example example;
  if (has("text")) {
    OWLET_ASSIGN(example.text, get_string(line, "text"));
  } else if (has("completion")) {
    example.kind = Example::Kind::kCompletion;
    OWLET_ASSIGN(example.text, get_string(line, "prompt"));
    OWLET_ASSIGN(example.completion, get_string(line, "completion"));
  } else if (has("data")) {
    example.kind = Example::Kind::kHomemade;
    OWLET_ASSIGN(example.messages, read_homemade(line["data"]));
  } else if (has("messages") || has("conversations") || has("instruction")) {
    example.kind = Example::Kind::kChat;
    OWLET_ASSIGN(example.messages, has("messages")        ? read_messages(line["messages"], "role", "content")
                                   : has("conversations") ? read_messages(line["conversations"], "from", "value")
                                                          : read_alpaca(line));
  } else {
    return bad_chat("expected 'text', 'completion', 'messages', 'conversations', 'instruction' or 'data'");
  }
  return example;
}

}  // namespace owlet
