// Texts and chats as token ids with a loss mask: what training reads, before it is packed into rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/example.h"
#include "data/sample_store.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

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

// One sample for each of the assistant's turns, with what was said before it; loss on that answer and its thought only. The decision to
// think counts in the loss; of the homemade form a thought's opening is given, not learnt. Samples are cut to max_tokens.
std::vector<Sample> chat_samples(const Example& chat, const Tokenizer& tokenizer, const ChatTokens& tokens, size_t max_tokens);

// The same for a model with a chat template of its own: what it writes from where the answer begins counts.
Result<std::vector<Sample>> template_samples(const std::vector<ChatMessage>& messages, const Tokenizer& tokenizer,
                                             const ChatTemplate& chat_template, size_t max_tokens);

// A document, every token counted, ended by `end` (none where it is negative), in pieces of at most max_tokens that overlap by one
// token, so that each token is predicted once.
std::vector<Sample> text_samples(std::string_view text, const Tokenizer& tokenizer, int32_t end, size_t max_tokens);

struct LoadOptions {
  size_t max_tokens = 0;                        // of a sample
  const ChatTemplate* chat_template = nullptr;  // for tokenizers without the homemade family's control tokens
  double held_out = 0;                          // share of the lines that are for validation, by their hash; 0: all are taken
  bool take_held_out = false;                   // those, or the others
};

// All samples of a file, in its order: .jsonl holds the shapes of example.h, anything else is one document; .zst too. It is read once, in
// constant memory: lines are worked on in blocks, a document in pieces that end where a line does.
Result<SampleStore> load_samples(const std::filesystem::path& file, const Tokenizer& tokenizer, const LoadOptions& options);

// Whether a line falls among the held-out share: a matter of the line alone, wherever it stands.
bool is_held_out(std::string_view line, double share);

}  // namespace owlet
