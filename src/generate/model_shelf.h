// Several models by name in a fixed amount of memory: loaded when somebody asks, kept while somebody has them, and unloaded when another
// needs the room, the least recently asked for first. T is whatever stands for a loaded model: weights, tokenizer, engine.
//
// One thread, started when it is first needed, loads and unloads, in the order of asking. Who asks for what is loaded has it at once, whatever
// else is being loaded. Where all that is loaded is in use, the least recently asked for is lent to nobody else, and what its users have given
// back first goes: who waits for the room gets it after the answers of others, and not after all that come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/result.h"

namespace owlet {

template <class T>
class ModelShelf {
 public:
  // Says as it goes what share of the work is done, 0 to 1.
  using Load = std::function<Result<std::unique_ptr<T>>(std::atomic<double>& share)>;
  // A model stays loaded while it is held. Once the shelf has gone it can only be given back.
  using Lent = std::shared_ptr<T>;
  using Ready = std::function<void(Result<Lent>)>;
  static constexpr size_t kMaxWaiting = 1024;

  explicit ModelShelf(int64_t budget_bytes) : budget_(budget_bytes) {}
  ~ModelShelf() {
    stop();
    if (thread_.joinable()) thread_.join();
    for (auto& [name, place] : places_) {
      const std::unique_ptr<T> last = std::move(place.model);  // its users may give it back until it is gone
    }
  }

  // What a name stands for, and what it takes once loaded; before the first get().
  void add(const std::string& name, int64_t bytes, Load load) {
    Place& place = places_[name];
    place.bytes = bytes;
    place.load = std::move(load);
  }

  // One that is there and stays.
  void put(const std::string& name, std::unique_ptr<T> model) { places_[name].model = std::move(model); }

  // Thread-safe. Calls `ready` once: before returning where the model is loaded, else from the shelf's thread. Errors: kNotFound; kTooLarge
  // where it would never fit, or too many wait; kCancelled when the shelf stops; what loading says.
  void get(const std::string& name, Ready ready) {
    const auto it = places_.find(name);
    if (it == places_.end()) return ready(make_error(ErrorCode::kNotFound, "there is no model '{}'", name));
    std::unique_lock lock(turn_->mutex);
    Place& place = it->second;
    place.last_asked = ++clock_;
    const bool is_full = waiting_.size() >= kMaxWaiting;
    const bool is_there = place.model && !place.is_leaving;
    if (!stop_ && !is_there && !is_full) {
      waiting_.push_back({&place, std::move(ready)});
      if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
      return turn_->changed.notify_all();
    }
    Result<Lent> answer = stop_     ? Result<Lent>(stopped())
                          : is_there ? Result<Lent>(lend(place))
                                     : make_error(ErrorCode::kTooLarge, "{} requests wait for a model to be loaded", waiting_.size());
    lock.unlock();
    ready(std::move(answer));
  }

  // Those who wait, and all who ask from now on, get an error. What is loaded stays.
  void stop() {
    std::vector<Waiting> none;
    {
      const std::lock_guard lock(turn_->mutex);
      stop_ = true;
      none.swap(waiting_);
    }
    turn_->changed.notify_all();
    for (Waiting& waiting : none) waiting.ready(stopped());
  }

  enum class State { kUnloaded, kLoading, kLoaded };
  State state(const std::string& name) const {
    const std::lock_guard lock(turn_->mutex);
    const Place& place = places_.at(name);
    return place.is_loading ? State::kLoading : place.model ? State::kLoaded : State::kUnloaded;
  }
  // Of a model that is being loaded: the share that is done.
  double progress(const std::string& name) const { return places_.at(name).share; }
  // The model where it is loaded, else null; nothing is loaded, and it does not count as asked for.
  Lent loaded(const std::string& name) const {
    const std::lock_guard lock(turn_->mutex);
    const Place& place = places_.at(name);
    return place.model ? lend(place) : nullptr;
  }

 private:
  struct Place {
    int64_t bytes = 0;
    Load load;
    std::unique_ptr<T> model = nullptr;
    const std::shared_ptr<int64_t> n_users = std::make_shared<int64_t>(0);  // outlives the shelf, as what is lent may
    std::atomic<double> share = 0;  // of it that is loaded, while it is
    bool is_loading = false;
    bool is_leaving = false;
    uint64_t last_asked = 0;
  };
  struct Waiting {
    Place* place;
    Ready ready;
  };

  static Error stopped() { return make_error(ErrorCode::kCancelled, "no models are loaded any more"); }

  // Under the mutex, which giving back takes too.
  Lent lend(const Place& place) const {
    ++*place.n_users;
    return Lent(place.model.get(), [turn = turn_, n_users = place.n_users](T*) {
      const std::lock_guard lock(turn->mutex);
      --*n_users;
      turn->changed.notify_all();
    });
  }

  void work() {
    std::unique_lock lock(turn_->mutex);
    while (true) {
      turn_->changed.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (stop_) return;
      Place& place = *waiting_.front().place;
      const Status status = load(place, lock);
      std::vector<Waiting> others;
      std::vector<std::pair<Ready, Result<Lent>>> answers;
      for (Waiting& waiting : waiting_) {
        if (waiting.place != &place) {
          others.push_back(std::move(waiting));
        } else {
          answers.emplace_back(std::move(waiting.ready), status.ok() ? Result<Lent>(lend(place)) : Result<Lent>(status.error()));
        }
      }
      waiting_.swap(others);
      lock.unlock();
      for (auto& [ready, answer] : answers) ready(std::move(answer));
      answers.clear();
      lock.lock();
    }
  }

  // It can be there: one that was to leave, when it was asked for, and did not have to.
  Status load(Place& place, std::unique_lock<std::mutex>& lock) {
    if (place.model) return {};
    OWLET_TRY(make_room(place.bytes, lock));
    place.share = 0;
    place.is_loading = true;
    lock.unlock();
    Result<std::unique_ptr<T>> made = place.load(place.share);
    lock.lock();
    place.is_loading = false;
    OWLET_ASSIGN(place.model, std::move(made));
    return {};
  }

  // What is unloaded is gone before this returns: its memory is what the next one takes.
  Status make_room(int64_t bytes, std::unique_lock<std::mutex>& lock) {
    if (bytes > budget_) return make_error(ErrorCode::kTooLarge, "it needs {} bytes, and all models together may have {}", bytes, budget_);
    while (loaded_bytes() + bytes > budget_) {
      Place& leaver = next_to_leave();
      leaver.is_leaving = true;
      turn_->changed.wait(lock, [&] { return stop_ || *next_to_leave().n_users == 0; });
      if (stop_) return stopped();
      leaver.is_leaving = false;
      std::unique_ptr<T> gone = std::move(next_to_leave().model);
      lock.unlock();
      gone.reset();
      lock.lock();
    }
    return {};
  }

  int64_t loaded_bytes() const {
    int64_t n = 0;
    for (const auto& [name, place] : places_) n += place.model ? place.bytes : 0;
    return n;
  }

  // The least recently asked for, of those that nobody uses where there are any. There is one: something takes the room.
  Place& next_to_leave() {
    Place* next = nullptr;
    for (auto& [name, place] : places_) {
      if (!place.model || !place.load) continue;
      const auto key = [](const Place& p) { return std::pair(*p.n_users > 0, p.last_asked); };
      if (!next || key(place) < key(*next)) next = &place;
    }
    return *next;
  }

  const int64_t budget_;
  std::map<std::string, Place> places_;
  struct Turn {
    std::mutex mutex;  // of all but names, bytes and loaders
    std::condition_variable changed;
  };
  const std::shared_ptr<Turn> turn_ = std::make_shared<Turn>();
  std::vector<Waiting> waiting_;
  uint64_t clock_ = 0;
  bool stop_ = false;
  std::thread thread_;  // under the mutex; last: it uses all of the above
};

}  // namespace owlet
