// A line of training data in the shapes that people have them, told apart by its keys:
//
//   {"text": "…"}                                                      a document
//   {"prompt": "…", "completion": "…"}                                 a text whose end is learnt
//   {"messages": [{"role": "user", "content": "…", "thinking"?} …]}    OpenAI; content may be a list of {"type": "text", "text"}
//   {"conversations": [{"from": "human", "value": "…"} …]}             ShareGPT
//   {"instruction": "…", "input"?: "…", "output": "…"}                 Alpaca; "system" and "history" too
//   {"data": [question, answer, …]}                                    the homemade family, with its clean-up
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "tokenizer/chat.h"

namespace owlet {

struct Example {
  enum class Kind : uint8_t { kText, kCompletion, kChat, kHomemade };
  Kind kind = Kind::kText;
  std::string text;                   // the document, or what stands before `completion`
  std::string completion;
  std::vector<ChatMessage> messages;  // roles "system", "user" and "assistant"
};

// Errors say what the line has instead of any of these shapes.
Result<Example> read_example(const Json& line);

// The homemade family's clean-up, for a question and for an answer.
std::string clean_question(std::string_view text);
std::string clean_answer(std::string_view text);

}  // namespace owlet
