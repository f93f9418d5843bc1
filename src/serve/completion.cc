#include "serve/completion.h"

#include <algorithm>
#include <cmath>
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
  Completion(ModelUse use, ApiRequest request, std::shared_ptr<ResponseWriter> writer, std::shared_ptr<Exchange> exchange)
      : use_(std::move(use)),
        model_(*use_.model),
        id_(use_.card->id),
        request_(std::move(request)),
        writer_(std::move(writer)),
        exchange_(std::move(exchange)),
        marks_(thought_marks_of(model_.tokenizer)) {
    head_ = {.endpoint = request_.endpoint,
             .id = make_completion_id(request_.endpoint),
             .model = id_,
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
    Exchange::Clock::time_point last_token = {};
  };

  std::optional<ApiError> encode_prompts();
  std::optional<ApiError> encode_prompt(const Prompt& prompt);
  std::optional<ApiError> encode_chat_prompt();
  Result<MarkedText> chat_text(const TemplateVariables& variables) const;
  std::optional<ApiError> check_text(size_t n_bytes) const;
  std::optional<ApiError> check_prompt(size_t n_tokens, std::string_view about = {}) const;
  std::optional<ApiError> set_thinking_budget();
  void encode_sampling();
  // Of max_tokens 0 the engine makes one token, which costs nothing and is dropped.
  bool only_prompt() const { return request_.max_tokens == 0; }
  Choice first_news(size_t i, const std::vector<TokenId>& prompt) const;
  std::optional<ApiError> submit();
  GenerationRequest generation_request(const std::vector<TokenId>& prompt, int k) const;
  void cancel();
  void interrupt();

  void add_logprobs(Answer& answer, GeneratedToken token);
  void on_prompt(size_t i, const std::vector<GeneratedToken>& tokens);
  void on_token(size_t i, const GeneratedToken& token);
  void on_finish(size_t i, FinishReason reason, const GenerationStats& stats);
  void on_stop(size_t i, const GeneratedToken& token);
  void add(Answer& answer, AnswerText text);
  void send_news(Answer& answer);
  void finish();

  const ModelUse use_;  // first: what follows refers to it
  const ServedModel& model_;
  const std::string& id_;
  ApiRequest request_;
  std::shared_ptr<ResponseWriter> writer_;
  std::shared_ptr<Exchange> exchange_;
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
  if (!error) error = set_thinking_budget();
  if (!error) encode_sampling();
  if (!error) error = submit();
  if (error) return writer_->send(to_response(*error));
  // Tokens arrive as tasks on this very turn's queue: none of them runs before we are done here.
  writer_->on_disconnect([self = shared_from_this()] { self->cancel(); });
  exchange_->begin_answers(totals_.prompt_tokens, answers_.size(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->writer_->post([self] { self->interrupt(); });
  });
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
  if (text) {
    if (auto error = check_text(text->size())) return error;
  }
  prompts_.push_back(text ? model_.tokenizer.encode(*text) : std::get<std::vector<TokenId>>(prompt));
  if (prompts_.back().empty())
    return ApiError{.message = "'prompt' is empty: at least one token is needed", .param = "prompt"};
  return check_prompt(prompts_.back().size());
}

std::optional<ApiError> Completion::encode_chat_prompt() {
  if (!model_.chat_template) {
    return ApiError{.message =
                        fmt::format("the model '{}' has no chat template: use /v1/completions", id_)};
  }
  TemplateVariables variables = special_names(model_.tokenizer);
  if (request_.reasoning_effort) {
    variables["reasoning_effort"] = *request_.reasoning_effort;
    variables["enable_thinking"] = *request_.reasoning_effort != "none";
  }
  const auto text = chat_text(variables);
  if (!text) {
    return ApiError{.message = "the chat template refuses these messages: " + text.error().message,
                    .param = "messages"};
  }
  if (auto error = check_text(text->bytes().size())) return error;
  prompts_.push_back(model_.tokenizer.encode(*text));
  return check_prompt(prompts_.back().size());
}

// An answer that is gone on with is not the template's to write, for it would end it: what there is of it stands where an answer
// begins, after its thoughts where the template opens some.
Result<MarkedText> Completion::chat_text(const TemplateVariables& variables) const {
  const ChatTemplate& chat_template = *model_.chat_template;
  if (!request_.continue_final_message) return chat_template.render_marked(request_.messages, /*add_generation_prompt=*/true, variables);
  const std::vector<ChatMessage> before(request_.messages.begin(), std::prev(request_.messages.end()));
  OWLET_ASSIGN(MarkedText text, chat_template.render_marked(before, /*add_generation_prompt=*/true, variables));
  if (ends_in_thought(model_.tokenizer, marks_, model_.tokenizer.encode(text))) text.append(marks_.end_text, /*trusted=*/true);
  text.append(request_.messages.back().content, /*trusted=*/false);
  return text;
}

// Spares the work, and the memory, of a text that cannot fit.
std::optional<ApiError> Completion::check_text(size_t n_bytes) const {
  if (model_.longest_token == 0) return std::nullopt;
  return check_prompt(n_bytes / model_.longest_token, "at least ");
}

std::optional<ApiError> Completion::check_prompt(size_t n_tokens, std::string_view about) const {
  const int64_t context = model_.engine.context_length();
  if (static_cast<int64_t>(n_tokens) < context) return std::nullopt;
  return ApiError{
      .message = fmt::format(
          "This model's context is {} tokens long, but the prompt has {}{} tokens and the answer needs at "
          "least one. Shorten the prompt or drop earlier messages.",
          context, about, n_tokens),
      .param = request_.endpoint == Endpoint::kChat ? "messages" : "prompt",
      .code = "context_length_exceeded"};
}

GenerationRequest Completion::generation_request(const std::vector<TokenId>& prompt, int k) const {
  GenerationRequest generation{.prompt = prompt,
                               .max_new_tokens = only_prompt() ? 1 : request_.max_tokens.value_or(0),
                               .sampling = request_.sampling.params,
                               .stop_ids = request_.sampling.stop_ids,
                               .n_logprobs = request_.n_logprobs,
                               .n_prompt_logprobs = std::max(request_.n_prompt_logprobs, request_.echo ? request_.n_logprobs : -1),
                               .caller = exchange_->key_id(),
                               .cache_scope = model_.shares_prefixes ? std::string() : exchange_->key_id(),
                               .adapter = use_.adapter()};
  SamplingParams& sampling = generation.sampling;
  auto& ends = request_.sampling.ignore_eos ? sampling.suppress_tokens : generation.stop_ids;
  ends.insert(ends.end(), model_.stop_ids.begin(), model_.stop_ids.end());
  sampling.seed = seed_of_choice(sampling.seed, k);
  return generation;
}

// A budget is kept by a token that ends the thought, so there must be one.
std::optional<ApiError> Completion::set_thinking_budget() {
  if (!request_.thinking_budget) return std::nullopt;
  const char* name = request_.reasoning_effort ? "reasoning_effort" : "thinking_budget";
  if (marks_.start < 0) {
    return ApiError{.message = fmt::format("'{}' is not supported: the model '{}' has no tokens that mark its thoughts", name, id_),
                    .param = name};
  }
  SamplingParams& params = request_.sampling.params;
  params.thought_start = marks_.start;
  params.thought_end = marks_.end;
  params.thinking_budget = *request_.thinking_budget;
  return std::nullopt;
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
                                                    .news = first_news(i, prompt)});
      if (answer.news.echoes_prompt) answer.n_characters = n_characters(model_.tokenizer.bytes_of(prompt[0]));
      const auto id = model_.engine.submit(
          generation_request(prompt, k),
          {.on_token =
               [self = shared_from_this(), i](const GeneratedToken& token) {
                 self->writer_->post([self, i, token] { self->on_token(i, token); });
               },
           .on_finish =
               [self = shared_from_this(), i](FinishReason reason, const GenerationStats& stats) {
                 self->writer_->post([self, i, reason, stats] { self->on_finish(i, reason, stats); });
               },
           .on_prompt =
               [self = shared_from_this(), i](std::vector<GeneratedToken> tokens) {
                 self->writer_->post([self, i, tokens = std::move(tokens)] { self->on_prompt(i, tokens); });
               },
           .on_stop =
               [self = shared_from_this(), i](const GeneratedToken& token) {
                 self->writer_->post([self, i, token] { self->on_stop(i, token); });
               }});
      if (!id) {
        cancel();
        interrupted_ = true;
        if (id.error().code != ErrorCode::kTooLarge) return ApiError{.message = id.error().to_string()};
        const double wait_s = std::clamp(std::ceil(model_.engine.snapshot().expected_wait_s), 1.0, 3600.0);
        return ApiError{.status = 429, .message = id.error().to_string(), .code = "queue_full", .retry_after_s = static_cast<int>(wait_s)};
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

// What an answer begins with: the prompt, where it is asked for.
Choice Completion::first_news(size_t i, const std::vector<TokenId>& prompt) const {
  Choice news{.index = static_cast<int>(i)};
  if (request_.n_prompt_logprobs >= 0) news.prompt_logprobs.push_back({.id = prompt[0]});
  if (!request_.echo) return news;
  const std::string* text = std::get_if<std::string>(&request_.prompts[i / static_cast<size_t>(request_.n)]);
  news.text.content = text ? *text : model_.tokenizer.decode(prompt);
  news.echoes_prompt = head_.logprobs;
  if (head_.logprobs) news.logprobs.push_back({.id = prompt[0]});
  return news;
}

void Completion::add_logprobs(Answer& answer, GeneratedToken token) {
  if (answer.news.logprobs.empty()) answer.news.logprobs_offset = answer.n_characters;
  answer.n_characters += n_characters(model_.tokenizer.bytes_of(token.id));
  token.top_logprobs.resize(std::min(token.top_logprobs.size(), static_cast<size_t>(request_.n_logprobs)));
  answer.news.logprobs.push_back(std::move(token));
}

void Completion::on_prompt(size_t i, const std::vector<GeneratedToken>& tokens) {
  Answer& answer = answers_[i];
  if (interrupted_) return;
  for (const GeneratedToken& token : tokens) {
    if (request_.echo && head_.logprobs) add_logprobs(answer, token);
    if (request_.n_prompt_logprobs < 0) continue;
    answer.news.prompt_logprobs.push_back(token);
    auto& best = answer.news.prompt_logprobs.back().top_logprobs;
    best.resize(std::min(best.size(), static_cast<size_t>(request_.n_prompt_logprobs)));
  }
}

// The server stops: what there is goes out, with an error behind it.
void Completion::interrupt() {
  if (interrupted_ || n_finished_ == answers_.size()) return;
  interrupted_ = true;
  finish();
}

void Completion::on_token(size_t i, const GeneratedToken& token) {
  Answer& answer = answers_[i];
  if (answer.assembler.stopped() || interrupted_ || only_prompt()) return;
  const auto now = Exchange::Clock::now();
  exchange_->add_token(answer.n_tokens == 0 ? -1 : std::chrono::duration<double>(now - answer.last_token).count());
  answer.last_token = now;
  const bool was_in_thought = answer.assembler.in_thought();
  AnswerText text = answer.assembler.push(token.id);
  ++answer.n_tokens;
  if (head_.logprobs && !was_in_thought && !answer.assembler.in_thought()) {
    add_logprobs(answer, token);
  }
  add(answer, std::move(text));
  if (answer.assembler.stopped()) model_.engine.cancel(answer.id);
}

// The token that ends a completion stands among its log-probabilities: who asks for one token finds one.
void Completion::on_stop(size_t i, const GeneratedToken& token) {
  const bool is_wanted = head_.logprobs && head_.endpoint == Endpoint::kCompletions && !only_prompt();
  if (is_wanted && !answers_[i].assembler.stopped() && !interrupted_) add_logprobs(answers_[i], token);
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
  Answer& answer = answers_[i];
  const bool stopped = answer.assembler.stopped();
  const bool is_whole = stopped || reason != FinishReason::kCancelled;
  exchange_->end_answer(!is_whole ? "cancelled" : stopped || reason == FinishReason::kStop ? "stop" : "length", stats);
  if (interrupted_) return;
  AnswerText rest = answer.assembler.finish();
  answer.news.text.thinking += rest.thinking;
  answer.news.text.content += rest.content;
  if (!is_whole) interrupted_ = true;
  answer.news.finish_reason = (stopped || reason == FinishReason::kStop) && !only_prompt() ? "stop" : "length";

  totals_.completion_tokens += answer.n_tokens;
  if (i % static_cast<size_t>(request_.n) == 0) totals_.cached_tokens += stats.cached_tokens;
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

void run_completion(ModelUse model, ApiRequest request, std::shared_ptr<ResponseWriter> writer,
                    std::shared_ptr<Exchange> exchange) {
  std::make_shared<Completion>(std::move(model), std::move(request), std::move(writer), std::move(exchange))->start();
}

}  // namespace owlet
