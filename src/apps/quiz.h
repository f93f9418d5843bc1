// What a model in training is asked at each validation: questions that it answers in words, and multiple choice.
#pragma once

#include "apps/config.h"
#include "apps/progress.h"
#include "apps/training_log.h"
#include "eval/multiple_choice.h"
#include "model/model.h"
#include "tokenizer/chat.h"

namespace owlet {

class Quiz {
 public:
  // Of data.ask and data.choices; the tokenizer and the template (none: what follows the text is the answer) outlive it.
  static Result<Quiz> load(const RunConfig& config, const Tokenizer& tokenizer, const ChatTemplate* chat_template);

  // What comes of it goes to the terminal and the log.
  void take(const Context& context, const Model& model, int64_t step, Progress& progress, TrainingLog& log) const;

 private:
  struct Choices {
    std::string name;
    std::vector<ChoiceQuestion> questions;
  };
  Quiz(const Tokenizer& tokenizer, const ChatTemplate* chat_template) : tokenizer_(tokenizer), chat_template_(chat_template) {}
  Result<std::string> answer(const Context& context, const Model& model, const std::string& question) const;

  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_template_;
  std::vector<std::string> questions_;
  std::vector<Choices> choices_;
};

}  // namespace owlet
