// From an answer's tokens to the text that people see: whole characters, thoughts apart from content, stop
// strings found across the borders of tokens. For the server, the terminal and files alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace owlet {

// How a model marks its thoughts.
struct ThoughtMarks {
  TokenId start = -1;  // added tokens; −1 where the marks are plain text
  TokenId end = -1;
  std::string start_text = "<think>";
  std::string end_text = "</think>";
};

// <think_start>/<think_end> or <think>/</think>, whichever the tokenizer has; else the plain text "<think>".
ThoughtMarks thought_marks_of(const Tokenizer& tokenizer);

// Whether a prompt ends inside a thought, as templates that begin the thought themselves leave it.
bool ends_in_thought(const Tokenizer& tokenizer, const ThoughtMarks& marks,
                     const std::vector<TokenId>& prompt);

struct AnswerText {
  std::string thinking;
  std::string content;
  bool empty() const { return thinking.empty() && content.empty(); }
};

struct AnswerFormat {
  bool split_thoughts = true;  // false: everything is content
  bool starts_in_thought = false;
  ThoughtMarks marks = {};
  std::vector<std::string> stops = {};  // content ends before the first of them; thoughts are not searched
};

class AnswerAssembler {
 public:
  AnswerAssembler(const Tokenizer& tokenizer, AnswerFormat format);

  // What this token adds. Text that may turn out to be the beginning of a stop string or of a mark waits; so
  // do unfinished characters.
  AnswerText push(TokenId id);
  // What still waited, when no more tokens come.
  AnswerText finish();
  // A stop string has been found: nothing more will come, and the rest of the tokens is not needed.
  bool stopped() const { return stopped_; }
  bool in_thought() const { return section_ == Section::kThought; }

 private:
  // kStart: nothing but white space so far, and a mark in plain text may still follow.
  enum class Section { kStart, kThought, kContent };

  void enter(Section section);
  void take(std::string_view text, AnswerText& out);
  bool advance(AnswerText& out);
  bool advance_start();
  bool advance_thought(AnswerText& out);
  bool advance_content(AnswerText& out);
  void emit_thought(std::string_view text, AnswerText& out);
  void flush(AnswerText& out);

  const Tokenizer* tokenizer_;
  AnswerFormat format_;
  StreamDecoder decoder_;
  Section section_;
  std::string pending_;         // decoded, not yet given out
  std::string thought_blanks_;  // white space that is part of a thought only where more follows
  bool thought_began_ = false;
  bool skip_blanks_ = false;  // between a thought and the content
  bool stopped_ = false;
};

}  // namespace owlet
