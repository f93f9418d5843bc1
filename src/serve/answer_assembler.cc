#include "serve/answer_assembler.h"

#include <algorithm>

namespace owlet {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// The length of the longest end of `text` that `needle` could go on from: what must wait for more text.
size_t possible_beginning(std::string_view text, std::string_view needle) {
  if (needle.empty()) return 0;
  for (size_t n = std::min(text.size(), needle.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == needle.substr(0, n)) return n;
  }
  return 0;
}

// Where the stop string begins that is complete first, so that the way the text arrives in pieces changes
// nothing.
size_t first_stop(std::string_view text, const std::vector<std::string>& stops) {
  size_t begin = std::string_view::npos;
  size_t end = std::string_view::npos;
  for (const std::string& stop : stops) {
    const size_t at = text.find(stop);
    if (at == std::string_view::npos || stop.empty()) continue;
    if (at + stop.size() < end || (at + stop.size() == end && at < begin)) {
      begin = at;
      end = at + stop.size();
    }
  }
  return begin;
}

}  // namespace

ThoughtMarks thought_marks_of(const Tokenizer& tokenizer) {
  constexpr std::pair<const char*, const char*> kNames[] = {{"<think_start>", "<think_end>"},
                                                            {"<think>", "</think>"}};
  for (const auto& [start, end] : kNames) {
    ThoughtMarks marks{tokenizer.id_of(start), tokenizer.id_of(end), start, end};
    if (marks.start >= 0 && marks.end >= 0) return marks;
  }
  return {};
}

bool ends_in_thought(const Tokenizer& tokenizer, const ThoughtMarks& marks,
                     const std::vector<TokenId>& prompt) {
  if (marks.start >= 0) {
    const auto mark = std::find_if(prompt.rbegin(), prompt.rend(),
                                   [&](TokenId id) { return id == marks.start || id == marks.end; });
    return mark != prompt.rend() && *mark == marks.start;
  }
  // A mark in plain text is a few tokens: the last ones of the prompt are enough to see it.
  constexpr size_t kTail = 32;
  const size_t first = prompt.size() - std::min(prompt.size(), kTail);
  std::string tail = tokenizer.decode({prompt.begin() + static_cast<ptrdiff_t>(first), prompt.end()});
  tail.erase(tail.find_last_not_of(kBlanks) + 1);
  return tail.ends_with(marks.start_text);
}

AnswerAssembler::AnswerAssembler(const Tokenizer& tokenizer, AnswerFormat format)
    : tokenizer_(&tokenizer), format_(std::move(format)), decoder_(tokenizer) {
  section_ = !format_.split_thoughts     ? Section::kContent
             : format_.starts_in_thought ? Section::kThought
                                         : Section::kStart;
}

AnswerText AnswerAssembler::push(TokenId id) {
  AnswerText out;
  if (stopped_) return out;
  const ThoughtMarks& marks = format_.marks;
  if (format_.split_thoughts && id >= 0 && (id == marks.start || id == marks.end)) {
    take(decoder_.finish(), out);
    decoder_ = StreamDecoder(*tokenizer_);
    if (stopped_) return out;
    if (id == marks.start && section_ != Section::kThought) {
      if (section_ == Section::kContent) flush(out);
      enter(Section::kThought);
    } else if (id == marks.end && section_ == Section::kThought) {
      flush(out);
      enter(Section::kContent);
    }
  } else {
    take(decoder_.push(id), out);
  }
  return out;
}

AnswerText AnswerAssembler::finish() {
  AnswerText out;
  if (stopped_) return out;
  take(decoder_.finish(), out);
  if (!stopped_) flush(out);
  return out;
}

void AnswerAssembler::enter(Section section) {
  pending_.clear();
  thought_blanks_.clear();
  skip_blanks_ = section_ == Section::kThought && section == Section::kContent;
  section_ = section;
}

void AnswerAssembler::take(std::string_view text, AnswerText& out) {
  pending_ += text;
  while (!stopped_ && !pending_.empty() && advance(out)) {
  }
}

// One move forward; false where the rest has to wait.
bool AnswerAssembler::advance(AnswerText& out) {
  switch (section_) {
    case Section::kStart:
      return advance_start();
    case Section::kThought:
      return advance_thought(out);
    case Section::kContent:
      return advance_content(out);
  }
  return false;
}

bool AnswerAssembler::advance_start() {
  const size_t begin = pending_.find_first_not_of(kBlanks);
  if (begin == std::string::npos) return false;
  const std::string_view text = std::string_view(pending_).substr(begin);
  const std::string& mark = format_.marks.start_text;
  const bool in_text = format_.marks.start < 0;
  if (in_text && text.starts_with(mark)) {
    std::string rest(text.substr(mark.size()));
    enter(Section::kThought);
    pending_ = std::move(rest);
    return true;
  }
  if (in_text && std::string_view(mark).starts_with(text)) return false;
  section_ = Section::kContent;
  return true;
}

bool AnswerAssembler::advance_thought(AnswerText& out) {
  const std::string& mark = format_.marks.end_text;
  const bool in_text = format_.marks.end < 0;
  const size_t at = in_text ? pending_.find(mark) : std::string::npos;
  if (at != std::string::npos) {
    emit_thought(std::string_view(pending_).substr(0, at), out);
    std::string rest = pending_.substr(at + mark.size());
    enter(Section::kContent);
    pending_ = std::move(rest);
    return true;
  }
  const size_t held = in_text ? possible_beginning(pending_, mark) : 0;
  emit_thought(std::string_view(pending_).substr(0, pending_.size() - held), out);
  pending_.erase(0, pending_.size() - held);
  return false;
}

bool AnswerAssembler::advance_content(AnswerText& out) {
  if (skip_blanks_) {
    pending_.erase(0, std::min(pending_.size(), pending_.find_first_not_of(kBlanks)));
    if (pending_.empty()) return false;
    skip_blanks_ = false;
  }
  const size_t stop = first_stop(pending_, format_.stops);
  if (stop != std::string::npos) {
    out.content += pending_.substr(0, stop);
    pending_.clear();
    stopped_ = true;
    return false;
  }
  size_t held = 0;
  for (const std::string& needle : format_.stops) held = std::max(held, possible_beginning(pending_, needle));
  out.content += pending_.substr(0, pending_.size() - held);
  pending_.erase(0, pending_.size() - held);
  return false;
}

// Without white space at either end, which belongs to the marks.
void AnswerAssembler::emit_thought(std::string_view text, AnswerText& out) {
  if (!thought_began_) text.remove_prefix(std::min(text.size(), text.find_first_not_of(kBlanks)));
  if (text.empty()) return;
  thought_began_ = true;
  const size_t end = text.find_last_not_of(kBlanks) + 1;
  if (end > 0) {
    out.thinking += thought_blanks_;
    out.thinking += text.substr(0, end);
    thought_blanks_.clear();
  }
  thought_blanks_ += text.substr(end);
}

// Gives out what waited in the hope of a mark or a stop string that did not come.
void AnswerAssembler::flush(AnswerText& out) {
  if (section_ == Section::kThought) {
    emit_thought(pending_, out);
  } else {
    out.content += pending_;
  }
  pending_.clear();
}

}  // namespace owlet
