// Chats: who said what, and how a model wants it written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace owlet {

struct ChatMessage {
  std::string role;      // "system", "user", "assistant"
  std::string content;
  std::string thinking;  // what the assistant thought before it answered; may be empty
};

// A Jinja chat template as models ship it (tokenizer_config.json, chat_template.jinja, GGUF "tokenizer.chat_template").
// Rendering has a budget of steps and output, so that no template can stall. Templates see `messages` (role, content,
// and reasoning_content where there are thoughts), `add_generation_prompt`, `bos_token`, `eos_token`.
class ChatTemplate {
 public:
  static Result<ChatTemplate> parse(std::string source);
  Result<std::string> render(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                             const std::map<std::string, std::string>& variables = {}) const;
  const std::string& source() const { return source_; }

 private:
  struct Program;
  std::string source_;
  std::shared_ptr<const Program> program_;
};

}  // namespace owlet
