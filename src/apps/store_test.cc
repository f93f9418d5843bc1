#include "apps/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/file.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

struct StoreTest : testing::Test {
  StoreTest() {
    fs::remove_all(base);
    for (const char* file : {"org/both/config.json", "org/both/model.safetensors", "org/both/both-Q8_0.gguf", "org/both/deep/both-Q4_0.gguf",
                             "org/one/one.gguf", "mine/x.q8_0.gguf"}) {
      put(store.root() / file);
    }
    put(base / "outside/config.json");
  }
  ~StoreTest() override { fs::remove_all(base); }
  static void put(const fs::path& file) {
    fs::create_directories(file.parent_path());
    ASSERT_TRUE(write_file(file, "12345").ok());
  }
  // Where a name leads, from the root; or the error.
  std::string found(const std::string& name) const {
    const auto path = store.find(name);
    return path.ok() ? path->lexically_relative(store.root()).string() : path.error().to_string();
  }
  std::string removed(const std::string& name) const {
    const auto freed = store.remove(name);
    return freed.ok() ? fmt::format("{}", *freed) : freed.error().to_string();
  }

  const fs::path base = fs::path(testing::TempDir()) / fmt::format("owlet_store_{}", ::getpid());
  const Store store = Store(base / "models");
};

TEST_F(StoreTest, NamesLeadToModels) {
  EXPECT_EQ(found("org/both"), "org/both");
  EXPECT_EQ(found("org/both:q8_0"), "org/both/both-Q8_0.gguf");
  EXPECT_EQ(found("org/both:Q4_0"), "org/both/deep/both-Q4_0.gguf");
  EXPECT_EQ(found("org/one"), "org/one/one.gguf");
  EXPECT_EQ(found("mine"), "mine/x.q8_0.gguf");
  EXPECT_THAT(found("org/both:q5_0"), HasSubstr("there are: org/both:Q8_0, org/both:Q4_0"));
  EXPECT_THAT(found("org/none"), HasSubstr("no model is kept as org/none"));
  for (const char* name : {"../outside", "org/../../outside", "/etc", "", "org", ".", "..", "org/both/deep", "org/one:../../mine/x.q8_0.gguf"}) {
    EXPECT_THAT(found(name), HasSubstr("no model is kept as")) << name;
  }
  fs::remove(store.root() / "org/both/config.json");
  EXPECT_THAT(found("org/both"), HasSubstr("means 2 models\n  say which: org/both:Q8_0, org/both:Q4_0"));
}

TEST_F(StoreTest, TheListFindsItsOwnNames) {
  std::vector<std::string> names;
  for (const StoredModel& model : store.list()) {
    names.push_back(model.name);
    EXPECT_EQ(store.find(model.name).value(), model.path) << model.name;
    EXPECT_EQ(model.bytes_to_come, 0);
  }
  EXPECT_THAT(names, ElementsAre("mine:q8_0", "org/both", "org/both:Q4_0", "org/both:Q8_0", "org/one"));
}

TEST_F(StoreTest, DownloadsThatAreNotFinished) {
  put(store.root() / "org/new/new-Q8_0.gguf.part");
  ASSERT_TRUE(write_file(store.root() / "org/new/new-Q8_0.gguf.part.state", R"({"size":5,"version":"v","piece_bytes":5,"received":[2]})").ok());
  const auto models = store.list();
  const auto it = std::find_if(models.begin(), models.end(), [](const StoredModel& m) { return m.name == "org/new:new-Q8_0.gguf"; });
  ASSERT_NE(it, models.end());
  EXPECT_EQ(it->bytes, 2);
  EXPECT_EQ(it->bytes_to_come, 3);
  EXPECT_THAT(found("org/new"), HasSubstr("no model is kept"));
  EXPECT_EQ(removed("org/new:new-Q8_0.gguf").find("no model"), std::string::npos);
  EXPECT_FALSE(fs::exists(store.root() / "org/new"));
}

TEST_F(StoreTest, RemovingOneOrAll) {
  EXPECT_EQ(removed("org/both:q4_0"), "5");
  EXPECT_FALSE(fs::exists(store.root() / "org/both/deep"));
  EXPECT_TRUE(fs::exists(store.root() / "org/both/both-Q8_0.gguf"));
  EXPECT_EQ(removed("org/both"), "15");
  EXPECT_TRUE(fs::exists(store.root() / "org/one/one.gguf"));
  EXPECT_EQ(removed("org/one"), "5");
  EXPECT_FALSE(fs::exists(store.root() / "org"));
  EXPECT_TRUE(fs::exists(store.root()));
}

TEST_F(StoreTest, NothingOutsideIsRemoved) {
  fs::create_directory_symlink(base / "outside", store.root() / "link");
  fs::create_directory_symlink(base, store.root() / "orglink");
  EXPECT_THAT(removed("link"), HasSubstr("outside the store"));
  EXPECT_THAT(removed("orglink/outside"), HasSubstr("outside the store"));
  for (const char* name : {"../outside", "/etc", "..", "", "org", "org/..", "mine:../../outside/config.json"}) {
    EXPECT_FALSE(store.remove(name).ok()) << name;
  }
  EXPECT_TRUE(fs::exists(base / "outside/config.json"));
  EXPECT_TRUE(fs::exists(store.root() / "org/one/one.gguf"));
  // A file that is a link goes, what it leads to stays.
  fs::create_symlink(base / "outside/config.json", store.root() / "mine/linked-Q4_0.gguf");
  EXPECT_EQ(removed("mine:linked-Q4_0.gguf"), "0");
  EXPECT_TRUE(fs::exists(base / "outside/config.json"));
}

TEST_F(StoreTest, CopiesShareTheirBytes) {
  ASSERT_TRUE(store.copy(store.root() / "org/one/one.gguf", "short").ok());
  EXPECT_EQ(found("short"), "short/one.gguf");
  EXPECT_TRUE(fs::equivalent(store.root() / "short/one.gguf", store.root() / "org/one/one.gguf"));
  ASSERT_TRUE(store.copy(store.root() / "org/both", "other/name").ok());
  EXPECT_EQ(found("other/name"), "other/name");
  EXPECT_FALSE(fs::exists(store.root() / "other/name/both-Q8_0.gguf"));  // the folder's model, not its neighbours
  EXPECT_FALSE(store.copy(store.root() / "org/one/one.gguf", "short").ok());
  EXPECT_FALSE(store.copy(store.root() / "org/one/one.gguf", "org").ok());
  EXPECT_FALSE(store.copy(store.root() / "org/one/one.gguf", "mine/inside").ok());
  EXPECT_FALSE(store.copy(store.root() / "org/one/one.gguf", "../escape").ok());
  EXPECT_FALSE(store.copy(store.root() / "org/one/one.gguf", "a:q8_0").ok());
  EXPECT_FALSE(store.copy(base / "nowhere", "nothing").ok());
  EXPECT_FALSE(fs::exists(store.root() / "nothing"));
}

}  // namespace
}  // namespace owlet
