// Texts and chats as token ids with a loss mask: what training reads, before it is packed into rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// counted[i]: whether predicting ids[i] counts in the loss.
struct Sample {
  std::vector<int32_t> ids;
  std::vector<uint8_t> counted;
};

// The control tokens of the homemade family, by name in the vocabulary. A chat is
//   question <q_end> <think_start> thought <think_end> answer <a_end> question <q_end> …
// where earlier turns keep the answer and drop the thought.
struct ChatTokens {
  int32_t q_end = -1;
  int32_t a_end = -1;
  int32_t think_start = -1;
  int32_t think_end = -1;
  // Errors name the token that the vocabulary lacks.
  static Result<ChatTokens> find(const Tokenizer& tokenizer);
};

// One sample for each of the assistant's turns, with what was said before it; loss on that answer and its thought only.
//   {"messages": [{"role", "content", "thinking"?} …]}     the decision to think counts in the loss
//   {"data": [question, answer, …]}, thoughts as <think>…</think> in the answer: the homemade form, with its clean-up (bold and
//   heading marks and emoji dropped, an answer's unfinished last sentence dropped); a thought's opening is given, not learnt
// Samples are cut to max_tokens.
Result<std::vector<Sample>> chat_samples(const Json& chat, const Tokenizer& tokenizer, const ChatTokens& tokens,
                                         size_t max_tokens);

// A document, every token counted, ended by `end` (none where it is negative), in pieces of at most max_tokens that overlap by one
// token, so that each token is predicted once.
std::vector<Sample> text_samples(std::string_view text, const Tokenizer& tokenizer, int32_t end, size_t max_tokens);

// All samples of a file, in its order: .txt is one document; .jsonl holds documents {"text"}, or chats; .zst too.
Result<std::vector<Sample>> load_samples(const std::filesystem::path& file, const Tokenizer& tokenizer, size_t max_tokens);

// The homemade family's clean-up, for a question and for an answer.
std::string clean_question(std::string_view text);
std::string clean_answer(std::string_view text);

}  // namespace owlet
