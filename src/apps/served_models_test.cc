#include "apps/served_models.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/file.h"

namespace owlet {
namespace {

namespace fs = std::filesystem;

// A folder with files of these names, which is where names are looked for.
class NameModels : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "tuned");
    for (const char* name : {"small.gguf", "large.gguf", "a=b.gguf"}) ASSERT_TRUE(write_file(folder_ / name, "x").ok());
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  std::string refusal(const std::vector<std::string>& models, const std::vector<std::string>& adapters) const {
    const auto named = name_models(models, adapters);
    return named.ok() ? "accepted" : named.error().message;
  }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("owlet-names-{}", ::getpid());
};

TEST_F(NameModels, AreThoseOfFilesOrThoseGiven) {
  const auto named = name_models({at("small.gguf"), "big=" + at("large.gguf"), at("tuned"), at("a=b.gguf")},
                                 {"poems=adapters/poems:0.5", "big:law=adapters/law"});
  ASSERT_TRUE(named.ok()) << named.error().message;
  std::vector<std::string> ids;
  for (const NamedModel& model : *named) ids.push_back(model.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"small", "big", "tuned", "a=b"}));
  EXPECT_EQ((*named)[1].path, at("large.gguf"));
  ASSERT_EQ((*named)[0].adapters.size(), 1u);
  EXPECT_EQ((*named)[0].adapters[0].id, "poems");
  EXPECT_EQ((*named)[0].adapters[0].from.folder, "adapters/poems");
  EXPECT_EQ((*named)[0].adapters[0].from.strength, 0.5);
  ASSERT_EQ((*named)[1].adapters.size(), 1u);
  EXPECT_EQ((*named)[1].adapters[0].id, "big:law");
}

TEST_F(NameModels, ThatCannotBeMeantAreRefused) {
  EXPECT_EQ(refusal({at("small.gguf"), "small=" + at("large.gguf")}, {}), "two of those that are to be served are called 'small'");
  EXPECT_EQ(refusal({at("small.gguf")}, {"small=adapters/x"}), "two of those that are to be served are called 'small'");
  EXPECT_EQ(refusal({at("small.gguf")}, {"big:law=adapters/law"}), "the adapter 'big:law' is for a model 'big', which is not served");
  EXPECT_NE(refusal({at("nowhere.gguf")}, {}).find("there is no model at"), std::string::npos);
  EXPECT_NE(refusal({at("small.gguf")}, {"x=adapters/x:much"}).find("is no adapter"), std::string::npos);
}

}  // namespace
}  // namespace owlet
