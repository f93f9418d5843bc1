// The house rules that a compiler does not see: who includes whom, and that no path of one machine got in.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace {
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// docs/architecture.md: | `folder` | may, include | job |
std::map<std::string, std::set<std::string>> read_table() {
  std::map<std::string, std::set<std::string>> table;
  const std::string text = read(fs::path(OWLET_SOURCE_DIR) / "docs/architecture.md");
  const std::regex row(R"(\n\| `(\w+)` \| ([^|]*) \|)"), word(R"(\w+)");
  for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it) {
    std::set<std::string>& allowed = table[(*it)[1]];
    const std::string list = (*it)[2];
    for (std::sregex_iterator w(list.begin(), list.end(), word); w != end; ++w) allowed.insert(w->str());
  }
  return table;
}

bool is_source(const fs::path& path) { return path.extension() == ".cc" || path.extension() == ".h"; }

TEST(IncludeTable, EveryArrowIsInTheTable) {
  const auto table = read_table();
  ASSERT_EQ(table.size(), 12u);
  const fs::path src = fs::path(OWLET_SOURCE_DIR) / "src";
  const std::regex include(R"re(#include "(\w+)/)re");
  int arrows = 0;
  for (const auto& entry : fs::recursive_directory_iterator(src)) {
    // Tests need a backend to run on, so they may reach for what they test with.
    const std::string name = entry.path().filename().string();
    if (!is_source(entry.path()) || name.find("test") != std::string::npos) continue;
    const std::string from = entry.path().lexically_relative(src).begin()->string();
    ASSERT_TRUE(table.contains(from)) << from << "/ is a room that the table does not know";
    const std::string text = read(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
      const std::string to = (*it)[1];
      ++arrows;
      EXPECT_TRUE(from == to || table.at(from).contains(to)) << entry.path() << " includes " << to << "/";
    }
  }
  EXPECT_GT(arrows, 100);
}

TEST(Tree, NoPathOfOneMachine) {
  // Put together here, so that this file does not find itself.
  const std::string slash = "/";
  const std::set<std::string> paths = {slash + "work/main", slash + "work/shared", slash + "tmp/w/", slash + "home/"};
  for (const char* folder : {"src", "docs", "models", "configs", "web/src", "tests", "tools", "deploy"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(OWLET_SOURCE_DIR) / folder)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".gguf") continue;
      const std::string text = read(entry.path());
      for (const std::string& path : paths) EXPECT_EQ(text.find(path), std::string::npos) << entry.path() << " names " << path;
    }
  }
}

}  // namespace
