#include "generate/model_shelf.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace owlet {
namespace {

// A model that counts how many of its kind there are.
struct Loaded {
  explicit Loaded(std::atomic<int>& n_) : n(n_) { ++n; }
  ~Loaded() { --n; }
  std::atomic<int>& n;
  std::shared_ptr<Loaded> self = nullptr;  // held by itself, as an engine's requests hold theirs
};

using Shelf = ModelShelf<Loaded>;

// Models a, b, c and slow of 40 bytes each, one that is larger than the shelf and one that cannot be loaded.
struct ShelfRig {
  ShelfRig() {
    for (const char* name : {"a", "b", "c"}) shelf.add(name, 40, [this](auto&) { return load(); });
    shelf.add("huge", 101, [this](auto&) { return load(); });
    shelf.add("broken", 40, [this](auto&) -> Result<std::unique_ptr<Loaded>> {
      ++n_loads;
      return corrupt("no model");
    });
    shelf.add("slow", 40, [this](auto& share) {
      share = 0.25;
      started.set_value();
      go_on.get_future().wait();
      return load();
    });
  }
  Result<std::unique_ptr<Loaded>> load() {
    ++n_loads;
    return std::make_unique<Loaded>(n_alive);
  }
  // The answer to come.
  std::future<Result<Shelf::Lent>> ask(const std::string& name) {
    const auto answer = std::make_shared<std::promise<Result<Shelf::Lent>>>();
    shelf.get(name, [answer](Result<Shelf::Lent> result) { answer->set_value(std::move(result)); });
    return answer->get_future();
  }
  Result<Shelf::Lent> get(const std::string& name) { return ask(name).get(); }
  std::string loaded() const {
    std::string names;
    for (const char* name : {"a", "b", "c", "slow"}) names += shelf.state(name) == Shelf::State::kLoaded ? name : "";
    return names;
  }
  std::atomic<int> n_alive = 0, n_loads = 0;
  std::promise<void> started, go_on;
  Shelf shelf{100};
};

bool is_ready(const std::future<Result<Shelf::Lent>>& answer) { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

TEST(ModelShelf, WhatWasPutThereIsLentAtOnceAndStays) {
  ShelfRig rig;
  rig.shelf.put("here", std::make_unique<Loaded>(rig.n_alive));
  EXPECT_TRUE(is_ready(rig.ask("here")));
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(rig.get(name).ok());
  EXPECT_EQ(rig.shelf.state("here"), Shelf::State::kLoaded);
  EXPECT_EQ(rig.loaded(), "bc");
}

TEST(ModelShelf, WhatIsLentCanBeGivenBackWhenTheShelfHasGone) {
  auto rig = std::make_unique<ShelfRig>();
  Shelf::Lent lent = rig->get("a").value();
  rig.reset();
  const std::weak_ptr<Loaded> given_back = lent;
  lent.reset();
  EXPECT_TRUE(given_back.expired());
}

TEST(ModelShelf, UnloadsTheLeastRecentlyAskedFor) {
  ShelfRig rig;
  for (const char* name : {"a", "b", "a", "c"}) ASSERT_TRUE(rig.get(name).ok());
  EXPECT_EQ(rig.loaded(), "ac");
  EXPECT_EQ(rig.n_alive, 2);
  EXPECT_EQ(rig.n_loads, 3);
  EXPECT_NE(rig.shelf.loaded("a"), nullptr);
  EXPECT_EQ(rig.shelf.loaded("b"), nullptr);
}

TEST(ModelShelf, WhatIsIdleGoesBeforeWhatIsUsed) {
  ShelfRig rig;
  const auto a = rig.get("a");
  ASSERT_TRUE(rig.get("b").ok());
  ASSERT_TRUE(rig.get("c").ok());
  EXPECT_EQ(rig.loaded(), "ac");
}

TEST(ModelShelf, WhereAllAreUsedTheOldestIsLentNoMoreAndGoesWithItsLastUser) {
  ShelfRig rig;
  auto a = rig.get("a");
  auto b = rig.get("b");
  auto c = rig.ask("c");
  auto again = rig.ask("a");
  const bool came_in_time = is_ready(again);  // before the shelf had decided: then b is the one asked for least recently
  EXPECT_FALSE(is_ready(c));
  EXPECT_EQ(rig.loaded(), "ab");
  (came_in_time ? b : a).value().reset();
  ASSERT_TRUE(c.get().ok());
  EXPECT_TRUE(again.get().ok());
  EXPECT_LE(rig.n_alive, 2);
}

TEST(ModelShelf, WhatIsGivenBackFirstGoesAndTheOtherStays) {
  ShelfRig rig;
  const auto a = rig.get("a");
  auto b = rig.get("b");
  auto c = rig.ask("c");
  std::this_thread::sleep_for(std::chrono::milliseconds(5));  // so that most times the shelf has chosen a, the older, before b is given back
  b.value().reset();
  EXPECT_TRUE(c.get().ok());
  EXPECT_TRUE(rig.get("a").ok());
  EXPECT_EQ(rig.loaded(), "ac");
  EXPECT_EQ(rig.n_loads, 3);
}

TEST(ModelShelf, LoadingOneKeepsNobodyFromAnother) {
  ShelfRig rig;
  ASSERT_TRUE(rig.get("a").ok());
  auto first = rig.ask("slow");
  rig.started.get_future().wait();
  auto second = rig.ask("slow");
  EXPECT_EQ(rig.shelf.state("slow"), Shelf::State::kLoading);
  EXPECT_EQ(rig.shelf.progress("slow"), 0.25);
  auto a = rig.ask("a");
  EXPECT_TRUE(is_ready(a)) << "it is there, and whoever asks has it at once";
  EXPECT_FALSE(is_ready(first));
  EXPECT_FALSE(is_ready(second));
  rig.go_on.set_value();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(rig.n_loads, 2) << "who asks for what is being loaded waits for that";
}

TEST(ModelShelf, SaysWhyNot) {
  ShelfRig rig;
  EXPECT_EQ(rig.get("nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(rig.get("huge").error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(rig.get("broken").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(rig.loaded(), "");
  EXPECT_TRUE(rig.get("a").ok());
  EXPECT_EQ(rig.get("broken").error().code, ErrorCode::kCorrupt) << "it is tried again";
  EXPECT_EQ(rig.n_loads, 3);
}

TEST(ModelShelf, StoppingAnswersThoseWhoWait) {
  ShelfRig rig;
  const auto a = rig.get("a"), b = rig.get("b");
  auto c = rig.ask("c");
  rig.shelf.stop();
  EXPECT_EQ(c.get().error().code, ErrorCode::kCancelled);
  EXPECT_EQ(rig.get("a").error().code, ErrorCode::kCancelled);
  EXPECT_EQ(rig.loaded(), "ab") << "who has one keeps it";
}

TEST(ModelShelf, ModelsMayHoldThemselvesToTheEnd) {
  std::atomic<int> n_alive = 0;
  {
    Shelf shelf(100);
    shelf.add("a", 40, [&](auto&) -> Result<std::unique_ptr<Loaded>> { return std::make_unique<Loaded>(n_alive); });
    std::promise<void> done;
    shelf.get("a", [&](Result<Shelf::Lent> a) {
      a.value()->self = a.value();
      done.set_value();
    });
    done.get_future().wait();
  }
  EXPECT_EQ(n_alive, 0);
}

TEST(ModelShelf, ManyAtOnceLoadEachOnceAndNeverTooMuch) {
  ShelfRig rig;
  std::atomic<int> n_too_many = 0, n_served = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string name(1, static_cast<char>('a' + (t + i / 20) % 3));
        const auto model = rig.get(name);
        n_served += model.ok();
        n_too_many += rig.n_alive > 2;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_too_many, 0);
  EXPECT_EQ(n_served, 1200);
}

}  // namespace
}  // namespace owlet
