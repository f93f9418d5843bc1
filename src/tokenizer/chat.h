// Chats: who said what, and how a model wants it written.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "tokenizer/marked_text.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

struct ChatMessage {
  std::string role;      // "system", "user", "assistant"
  std::string content;
  std::string thinking;  // what the assistant thought before it answered; may be empty
};

// Of a template, by name: texts mostly, and whether to think.
using TemplateVariables = std::map<std::string, nlohmann::ordered_json>;

// Everything that a template may look at, by name.
struct ChatInput {
  nlohmann::ordered_json trusted = nlohmann::ordered_json::object();    // ours: bos_token, add_generation_prompt …
  nlohmann::ordered_json untrusted = nlohmann::ordered_json::object();  // people's: messages, tools, documents …
  std::optional<std::tm> now;                                           // none: the clock
};

// A Jinja chat template as models ship it (tokenizer_config.json, chat_template.jinja, GGUF "tokenizer.chat_template"):
// the subset of Jinja that they use, in the sandbox that transformers runs them in. Rendering has a budget of steps,
// depth and output, so that no template can stall. Templates see `messages` (role, content, and reasoning_content where
// there are thoughts), `add_generation_prompt` and the variables.
class ChatTemplate {
 public:
  // Errors name the line and what is wrong there or not known.
  static Result<ChatTemplate> parse(std::string source);

  // Errors: what the template raised, in its own words, or the line and what failed.
  Result<std::string> render(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                             const TemplateVariables& variables = {}) const;
  // The same, and of each byte whether the template or its variables wrote it, or one of the messages.
  Result<MarkedText> render_marked(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                   const TemplateVariables& variables = {}) const;
  Result<MarkedText> render(const ChatInput& input) const;

  const std::string& source() const { return source_; }

 private:
  struct Program;
  ChatTemplate() = default;
  std::string source_;
  std::shared_ptr<const Program> program_;
};

// What templates call the tokenizer's own tokens: bos_token and eos_token.
TemplateVariables special_names(const Tokenizer& tokenizer);

// The ids of a chat. Special tokens come from the template only: what looks like one in a message is text, so that
// nobody can end a turn or speak as the system by typing it. bos_token and eos_token are the tokenizer's unless given.
Result<std::vector<TokenId>> encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                         const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                         TemplateVariables variables = {});

// The homemade family's way to write a chat, as a template:
//   question <q_end> <think_start> thought <think_end> answer <a_end> question <q_end> …   (no spaces between)
extern const char* const kHomemadeTemplate;

}  // namespace owlet
