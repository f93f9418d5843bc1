#include "generate/scheduler.h"

#include <algorithm>

namespace owlet {

Sequence::Sequence(Engine::RequestId id_, GenerationRequest request_, GenerationListener listener_,
                   int64_t max_tokens_)
    : id(id_),
      request(std::move(request_)),
      listener(std::move(listener_)),
      max_tokens(max_tokens_),
      sampler(request.sampling, request.prompt, request.stop_ids,
              max_tokens_ - static_cast<int64_t>(request.prompt.size())),
      tokens(std::move(request.prompt)) {
  stats.prompt_tokens = n_tokens();
}

void Scheduler::admit() {
  while (!waiting_.empty() && static_cast<int64_t>(running_.size()) < limits_.max_sequences) {
    Sequence& next = *waiting_.front();
    const int64_t n_pages = (next.max_tokens + limits_.page_len - 1) / limits_.page_len;
    if (n_pages > pages_.n_free()) return;
    next.pages = pages_.take(n_pages);
    next.first_step = Sequence::Clock::now();
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

std::vector<StepRows> Scheduler::plan() {
  admit();
  std::vector<StepRows> rows;
  int64_t budget = limits_.chunk_tokens;
  for (const auto& sequence : running_) {
    const int64_t left = sequence->n_tokens() - sequence->n_cached;
    if (left == 1) {
      rows.push_back({sequence.get(), 1});
    } else if (const int64_t n = std::min(left, budget); n > 0) {
      rows.push_back({sequence.get(), n});
      budget -= n;
    }
  }
  return rows;
}

std::unique_ptr<Sequence> Scheduler::remove(Engine::RequestId id) {
  const auto take = [id](auto& list) -> std::unique_ptr<Sequence> {
    const auto it =
        std::find_if(list.begin(), list.end(), [id](const auto& sequence) { return sequence->id == id; });
    if (it == list.end()) return nullptr;
    std::unique_ptr<Sequence> sequence = std::move(*it);
    list.erase(it);
    return sequence;
  };
  std::unique_ptr<Sequence> sequence = take(running_);
  if (!sequence) return take(waiting_);
  pages_.give_back(std::move(sequence->pages));
  return sequence;
}

Engine::Load Scheduler::load() const {
  return {.running = static_cast<int64_t>(running_.size()),
          .waiting = static_cast<int64_t>(waiting_.size()),
          .pages_used = pages_.n_used(),
          .pages_total = pages_.n_pages()};
}

std::vector<Engine::RequestId> Scheduler::ids() const {
  std::vector<Engine::RequestId> ids;
  for (const auto& sequence : running_) ids.push_back(sequence->id);
  for (const auto& sequence : waiting_) ids.push_back(sequence->id);
  return ids;
}

}  // namespace owlet
