#include "apps/quiz.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "core/printable.h"
#include "serve/answer_assembler.h"
#include "tokenizer/unicode.h"

namespace owlet {
namespace {

constexpr int64_t kAnswerTokens = 64, kChoiceTokens = 512;

// "data/arc_easy.jsonl.zst" is "arc_easy".
std::string name_of(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  return name.substr(0, name.find('.'));
}

}  // namespace

Result<Quiz> Quiz::load(const RunConfig& config, const Tokenizer& tokenizer, const ChatTemplate* chat_template) {
  Quiz quiz(tokenizer, chat_template);
  quiz.questions_ = config.ask;
  for (const std::string& file : config.choices) {
    OWLET_ASSIGN(auto questions, load_questions(file, tokenizer, config.choices_limit));
    quiz.choices_.push_back({name_of(file), std::move(questions)});
  }
  return quiz;
}

void Quiz::take(const Context& context, const Model& model, int64_t step, Progress& progress, TrainingLog& log) const {
  for (const std::string& question : questions_) {
    const auto answered = answer(context, model, question);
    const std::string text = answered.ok() ? *answered : answered.error().message;
    progress.note(fmt::format("ask    {}\n       {}", printable_line(question, 200), printable_line(text, 600)));
    log.add_answer(step, question, text);
  }
  if (choices_.empty()) return;
  Scorer scorer(context, model, std::min(kChoiceTokens, model.config.max_positions));
  for (const Choices& choices : choices_) {
    const auto scores = score_choices(scorer, choices.questions);
    if (!scores.ok()) {
      progress.note(fmt::format("choose {}: {}", choices.name, scores.error().message));
      continue;
    }
    const ChoiceReport report = summarize(choices.questions, *scores);
    progress.note(fmt::format("choose {}  {:.1f} % ± {:.1f} of {}", choices.name, 100 * report.acc_norm.value, 100 * report.acc_norm.stderr_, format_count(report.n)));
    log.add_choices(step, choices.name, report.acc_norm.value);
  }
}

Result<std::string> Quiz::answer(const Context& context, const Model& model, const std::string& question) const {
  std::vector<int32_t> prompt = tokenizer_.encode(question);
  if (chat_template_) {
    OWLET_ASSIGN(prompt, encode_chat(tokenizer_, *chat_template_, {{"user", question, ""}}, true));
  }
  const auto n = static_cast<int64_t>(prompt.size());
  const int64_t most = std::min(kAnswerTokens, model.config.max_positions - n);
  if (n == 0 || most < 1) return make_error(ErrorCode::kTooLarge, "a question of {} tokens leaves no room for an answer", n);
  const KvCache cache(model.config, (n + most) / KvCache::kPageLen + 1);
  Runner runner(context, model, n);
  std::vector<int32_t> pages(static_cast<size_t>(cache.n_pages())), answer, next = prompt;
  std::iota(pages.begin(), pages.end(), 0);
  for (int64_t position = 0; std::ssize(answer) < most; next = {answer.back()}) {
    const auto rows = static_cast<int64_t>(next.size());
    RaggedBatch batch{.tokens_N = next, .positions_N = std::vector<int32_t>(next.size()), .sequences = {{0, rows, position, pages}},
                      .output_rows = {static_cast<int32_t>(rows - 1)}, .reach = {n + most}};
    std::iota(batch.positions_N.begin(), batch.positions_N.end(), static_cast<int32_t>(position));
    position += rows;
    const TensorView logits = runner.forward(batch, cache);
    const auto best = static_cast<int32_t>(std::max_element(logits.f32(), logits.f32() + logits.cols()) - logits.f32());
    const auto& eos = model.config.eos;
    if (std::find(eos.begin(), eos.end(), best) != eos.end() || best == tokenizer_.eos()) break;
    answer.push_back(best);
  }
  const ThoughtMarks marks = thought_marks_of(tokenizer_);
  AnswerAssembler assembler(tokenizer_, {.starts_in_thought = ends_in_thought(tokenizer_, marks, prompt), .marks = marks});
  AnswerText text;
  const auto add = [&](const AnswerText& piece) {
    text.thinking += piece.thinking;
    text.content += piece.content;
  };
  for (const int32_t id : answer) add(assembler.push(id));
  add(assembler.finish());
  const std::string whole = text.thinking.empty() ? text.content : fmt::format("({}) {}", text.thinking, text.content);
  return unicode::replace_broken(whole);  // half a character, while little is learnt
}

}  // namespace owlet
