#include "serve/completion.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "core/random.h"
#include "serve/completion_json.h"

namespace owlet {
namespace {

// Answers to one prompt must differ though they share a seed; the first is what n = 1 gives.
uint64_t seed_of_choice(uint64_t seed, int k) {
  return k == 0 ? seed : Random{seed, /*stream=*/static_cast<uint64_t>(k)}.next_u64();
}

// The work behind one request. Lives as long as the engine or the connection knows of it; all methods run on
// the writer's turn.
class Completion : public std::enable_shared_from_this<Completion> {
 public:
  Completion(const ServedModel& model, ApiRequest request, std::shared_ptr<ResponseWriter> writer)
      : model_(model),
        request_(std::move(request)),
        writer_(std::move(writer)),
        marks_(thought_marks_of(model.tokenizer)) {
    head_ = {.endpoint = request_.endpoint,
             .id = make_completion_id(request_.endpoint),
             .model = model_.id,
             .created = static_cast<int64_t>(std::time(nullptr)),
             .logprobs = request_.n_logprobs >= 0};
  }

  void start();

 private:
  struct Answer {
    AnswerAssembler assembler;
    Choice news;  // since the last chunk of a stream; else all of it
    Engine::RequestId id = 0;
    int64_t n_characters = 0;  // of content, where logprobs count them
    int64_t n_tokens = 0;
    bool first_chunk_sent = false;
  };

  std::optional<ApiError> encode_prompts();
  std::optional<ApiError> encode_prompt(const Prompt& prompt);
  std::optional<ApiError> encode_chat_prompt();
  std::optional<ApiError> check_prompt(size_t n_tokens) const;
  void encode_sampling();
  std::optional<ApiError> submit();
  GenerationRequest generation_request(const std::vector<TokenId>& prompt, int k) const;
  void cancel();

  void on_token(size_t i, const GeneratedToken& token);
  void on_finish(size_t i, FinishReason reason, const GenerationStats& stats);
  void add(Answer& answer, AnswerText text);
  void send_news(Answer& answer);
  void finish();

  const ServedModel& model_;
  ApiRequest request_;
  std::shared_ptr<ResponseWriter> writer_;
  ThoughtMarks marks_;
  AnswerHead head_;
  std::vector<std::vector<TokenId>> prompts_;
  std::vector<Answer> answers_;
  size_t n_finished_ = 0;
  bool interrupted_ = false;
  Totals totals_;
};

void Completion::start() {
  std::optional<ApiError> error = encode_prompts();
  if (!error) encode_sampling();
  if (!error) error = submit();
  if (error) return writer_->send(to_response(*error));
  // Tokens arrive as tasks on this very turn's queue: none of them runs before we are done here.
  writer_->on_disconnect([self = shared_from_this()] { self->cancel(); });
  if (!request_.stream) return;
  writer_->stream_begin({.content_type = "text/event-stream",
                         .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
  for (Answer& answer : answers_) send_news(answer);
}

std::optional<ApiError> Completion::encode_prompts() {
  if (request_.endpoint == Endpoint::kChat) return encode_chat_prompt();
  for (const Prompt& prompt : request_.prompts) {
    if (auto error = encode_prompt(prompt)) return error;
  }
  return std::nullopt;
}

std::optional<ApiError> Completion::encode_prompt(const Prompt& prompt) {
  const std::string* text = std::get_if<std::string>(&prompt);
  prompts_.push_back(text ? model_.tokenizer.encode(*text) : std::get<std::vector<TokenId>>(prompt));
  if (prompts_.back().empty())
    return ApiError{.message = "'prompt' is empty: at least one token is needed", .param = "prompt"};
  return check_prompt(prompts_.back().size());
}

std::optional<ApiError> Completion::encode_chat_prompt() {
  if (!model_.chat_template) {
    return ApiError{.message =
                        fmt::format("the model '{}' has no chat template: use /v1/completions", model_.id)};
  }
  auto ids =
      encode_chat(model_.tokenizer, *model_.chat_template, request_.messages, /*add_generation_prompt=*/true);
  if (!ids) {
    return ApiError{.message = "the chat template refuses these messages: " + ids.error().message,
                    .param = "messages"};
  }
  prompts_.push_back(std::move(*ids));
  return check_prompt(prompts_.back().size());
}

std::optional<ApiError> Completion::check_prompt(size_t n_tokens) const {
  const int64_t context = model_.engine.context_length();
  if (static_cast<int64_t>(n_tokens) < context) return std::nullopt;
  return ApiError{
      .message = fmt::format(
          "This model's context is {} tokens long, but the prompt has {} tokens and the answer needs at "
          "least one. Shorten the prompt or drop earlier messages.",
          context, n_tokens),
      .param = request_.endpoint == Endpoint::kChat ? "messages" : "prompt",
      .code = "context_length_exceeded"};
}

GenerationRequest Completion::generation_request(const std::vector<TokenId>& prompt, int k) const {
  GenerationRequest generation{.prompt = prompt,
                               .max_new_tokens = request_.max_tokens,
                               .sampling = request_.sampling.params,
                               .stop_ids = request_.sampling.stop_ids,
                               .n_logprobs = request_.n_logprobs};
  SamplingParams& sampling = generation.sampling;
  auto& ends = request_.sampling.ignore_eos ? sampling.suppress_tokens : generation.stop_ids;
  ends.insert(ends.end(), model_.stop_ids.begin(), model_.stop_ids.end());
  sampling.seed = seed_of_choice(sampling.seed, k);
  return generation;
}

// Words become ids as they stand at the beginning of a text and after a space.
void Completion::encode_sampling() {
  SamplingParams& params = request_.sampling.params;
  for (const std::string& word : request_.sampling.bad_words) {
    for (const std::string& text : {word, " " + word}) {
      if (TokenIds ids = model_.tokenizer.encode(text, {.add_special = false}); !ids.empty()) params.bad_words.push_back(std::move(ids));
    }
  }
  if (params.dry.multiplier == 0) return;
  for (TokenId id = 0; id < model_.tokenizer.vocab_size(); ++id) {
    const std::string_view bytes = model_.tokenizer.bytes_of(id);
    const auto holds = [bytes](const std::string& breaker) { return bytes.find(breaker) != std::string_view::npos; };
    const auto& breakers = request_.sampling.dry_breakers;
    if (std::any_of(breakers.begin(), breakers.end(), holds)) params.dry.breakers.insert(id);
  }
}

// All answers or none: what was already accepted is cancelled when one is refused.
std::optional<ApiError> Completion::submit() {
  const bool is_chat = request_.endpoint == Endpoint::kChat;
  for (const auto& prompt : prompts_) {
    totals_.prompt_tokens += static_cast<int64_t>(prompt.size());
    const AnswerFormat format{
        .split_thoughts = is_chat,
        .starts_in_thought = is_chat && ends_in_thought(model_.tokenizer, marks_, prompt),
        .marks = marks_,
        .stops = request_.stops};
    for (int k = 0; k < request_.n; ++k) {
      const size_t i = answers_.size();
      Answer& answer = answers_.emplace_back(Answer{.assembler = AnswerAssembler(model_.tokenizer, format),
                                                    .news = {.index = static_cast<int>(i)}});
      const auto id = model_.engine.submit(
          generation_request(prompt, k),
          {.on_token =
               [self = shared_from_this(), i](const GeneratedToken& token) {
                 self->writer_->post([self, i, token] { self->on_token(i, token); });
               },
           .on_finish =
               [self = shared_from_this(), i](FinishReason reason, const GenerationStats& stats) {
                 self->writer_->post([self, i, reason, stats] { self->on_finish(i, reason, stats); });
               }});
      if (!id) {
        cancel();
        interrupted_ = true;
        return ApiError{.status = id.error().code == ErrorCode::kTooLarge ? 429 : 400,
                        .message = id.error().to_string()};
      }
      answer.id = *id;
    }
  }
  return std::nullopt;
}

void Completion::cancel() {
  for (const Answer& answer : answers_) {
    if (answer.id != 0) model_.engine.cancel(answer.id);
  }
}

void Completion::on_token(size_t i, const GeneratedToken& token) {
  Answer& answer = answers_[i];
  if (answer.assembler.stopped() || interrupted_) return;
  const bool was_in_thought = answer.assembler.in_thought();
  AnswerText text = answer.assembler.push(token.id);
  ++answer.n_tokens;
  if (head_.logprobs && !was_in_thought && !answer.assembler.in_thought()) {
    if (answer.news.logprobs.empty()) answer.news.logprobs_offset = answer.n_characters;
    answer.news.logprobs.push_back(token);
    answer.n_characters += n_characters(model_.tokenizer.bytes_of(token.id));
  }
  add(answer, std::move(text));
  if (answer.assembler.stopped()) model_.engine.cancel(answer.id);
}

void Completion::add(Answer& answer, AnswerText text) {
  answer.news.text.thinking += text.thinking;
  answer.news.text.content += text.content;
  if (request_.stream && !text.empty()) send_news(answer);
}

// In a stream, gives out what is new; else it piles up until the end.
void Completion::send_news(Answer& answer) {
  writer_->stream_write(
      sse_event(answer_chunk(head_, model_.tokenizer, answer.news, !answer.first_chunk_sent)));
  answer.first_chunk_sent = true;
  answer.news = {.index = answer.news.index};
}

void Completion::on_finish(size_t i, FinishReason reason, const GenerationStats& stats) {
  if (interrupted_) return;
  Answer& answer = answers_[i];
  const bool stopped = answer.assembler.stopped();
  AnswerText rest = answer.assembler.finish();
  answer.news.text.thinking += rest.thinking;
  answer.news.text.content += rest.content;
  if (reason == FinishReason::kCancelled && !stopped) interrupted_ = true;
  answer.news.finish_reason = stopped || reason == FinishReason::kStop ? "stop" : "length";

  totals_.completion_tokens += answer.n_tokens;
  totals_.prompt_ms = std::max(totals_.prompt_ms, stats.prompt_ms);
  totals_.decode_ms = std::max(totals_.decode_ms, stats.decode_ms);
  totals_.decode_intervals += std::max<int64_t>(0, stats.new_tokens - 1);
  ++n_finished_;
  if (interrupted_) return finish();
  if (request_.stream) send_news(answer);
  if (n_finished_ == answers_.size()) finish();
}

void Completion::finish() {
  if (interrupted_) {
    cancel();
    const ApiError error{.status = 503, .message = "the server is stopping; the answer is not complete"};
    if (!request_.stream) return writer_->send(to_response(error));
    writer_->stream_write(sse_event(to_json(error)));
    return writer_->stream_end();
  }
  if (!request_.stream) {
    std::vector<Choice> choices;
    for (Answer& answer : answers_) choices.push_back(std::move(answer.news));
    return writer_->send({.body = dump_json(whole_answer(head_, model_.tokenizer, choices, totals_))});
  }
  if (request_.include_usage) writer_->stream_write(sse_event(usage_chunk(head_, totals_)));
  writer_->stream_write(std::string(kSseDone));
  writer_->stream_end();
}

}  // namespace

void run_completion(const ServedModel& model, ApiRequest request, std::shared_ptr<ResponseWriter> writer) {
  std::make_shared<Completion>(model, std::move(request), std::move(writer))->start();
}

}  // namespace owlet
