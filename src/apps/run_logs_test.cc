#include "apps/run_logs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

namespace owlet {
namespace {

namespace fs = std::filesystem;

class RunLogsTest : public testing::Test {
 protected:
  ~RunLogsTest() override { fs::remove_all(folder_); }
  void append(const std::string& run, const std::string& bytes) const {
    fs::create_directories(folder_ / run);
    std::ofstream(folder_ / run / "log.jsonl", std::ios::app | std::ios::binary) << bytes;
  }
  static std::string step(int number, double loss, double seconds = 0.5) {
    return fmt::format("{{\"step\":{},\"steps\":100,\"loss\":{},\"tokens\":1000,\"seconds\":{}}}\n", number, loss, seconds);
  }
  const fs::path folder_ = fs::temp_directory_path() / "owlet_run_logs_test";
};

TEST_F(RunLogsTest, TellsWhereARunStands) {
  for (int i = 1; i <= 40; ++i) append("first", step(i, 4.0 - 0.05 * i, i <= 20 ? 9 : 0.5));
  append("first", R"({"step":40,"valid_loss":2.5,"valid_bpb":1.25})" "\n" R"({"step":40,"question":"Who?","answer":"An owl."})" "\n"
                  R"({"step":40,"choices":"arc","accuracy":0.75})" "\n");
  RunLogs logs(folder_);
  ASSERT_EQ(logs.list()["runs"].size(), 1u);
  EXPECT_EQ(logs.list()["runs"][0]["name"], "first");
  const Json run = logs.describe("first").value();
  EXPECT_EQ(run["step"], 40);
  EXPECT_EQ(run["steps"], 100);
  EXPECT_EQ(run["tokens"], 40000);
  EXPECT_EQ(run["tokens_per_second"], 2000) << "of the last steps, not of the slow ones before them";
  EXPECT_EQ(run["seconds_left"], 30);
  EXPECT_EQ(run["loss"].size(), 40u);
  EXPECT_EQ(run["loss"][39], Json({40, 2.0}));
  EXPECT_EQ(run["validations"], Json::array({{{"step", 40}, {"loss", 2.5}, {"bits_per_byte", 1.25}}}));
  EXPECT_EQ(run["answers"], Json::array({{{"step", 40}, {"question", "Who?"}, {"answer", "An owl."}}}));
  EXPECT_EQ(run["choices"]["arc"]["accuracy"], 0.75);
}

TEST_F(RunLogsTest, FollowsALogThatGrows) {
  append("run", step(1, 3));
  RunLogs logs(folder_);
  EXPECT_EQ(logs.describe("run").value()["step"], 1);
  const std::string second = step(2, 2);
  append("run", second.substr(0, 9));
  EXPECT_EQ(logs.describe("run").value()["step"], 1) << "half a line is none yet";
  append("run", second.substr(9) + step(3, 1));
  EXPECT_EQ(logs.describe("run").value()["step"], 3);
  EXPECT_EQ(logs.describe("run").value()["loss"].size(), 3u);
  append("run", step(2, 5));
  EXPECT_EQ(logs.describe("run").value()["loss"][1], Json({2, 5.0})) << "a resumed run did it again";
  fs::remove(folder_ / "run/log.jsonl");
  append("run", step(1, 7));
  EXPECT_EQ(logs.describe("run").value()["loss"], Json::array({{1, 7.0}})) << "another run under the same name";
}

TEST_F(RunLogsTest, ALongCurveIsThinnedToMeans) {
  std::string log;
  for (int i = 1; i <= 1000; ++i) log += step(i, i % 2);
  append("run", log);
  const Json run = RunLogs(folder_).describe("run").value();
  EXPECT_LE(run["loss"].size(), 400u);
  EXPECT_EQ(run["loss"].back()[0], 1000);
  EXPECT_NEAR(run["loss"][0][1].get<double>(), 0.5, 0.2);
}

TEST_F(RunLogsTest, NamesLeadNowhereElse) {
  append("inside/run", step(1, 3));
  append("secret", step(1, 3));
  RunLogs logs(folder_ / "inside");
  for (const char* name : {"../secret", "run/../../secret", "", ".", "..", "/", "no"}) EXPECT_FALSE(logs.describe(name)) << name;
  EXPECT_TRUE(logs.describe("run"));
  EXPECT_TRUE(RunLogs(folder_ / "secret").describe("secret")) << "a run's own folder";
  EXPECT_EQ(RunLogs(folder_ / "nothing").list()["runs"].size(), 0u);
}

TEST_F(RunLogsTest, WhatIsNoLogIsPassedOver) {
  append("run", "\n{\n[1]\n{\"step\":\"x\",\"loss\":1}\n{\"step\":-1,\"loss\":1}\n{\"step\":1e300,\"loss\":1}\n{\"step\":5,\"loss\":\"low\"}\n{\"loss\":1}\n" +
                    std::string(100, '[') + "\n" + std::string(2 << 20, 'x') + "\n" + R"({"step":2,"question":5,"answer":[]})" "\n" + std::string("\0\xff\n", 3) + step(6, 2));
  const Json run = RunLogs(folder_).describe("run").value();
  EXPECT_EQ(run["loss"], Json::array({{6, 2.0}}));
  EXPECT_EQ(run["answers"].size(), 0u);
}

}  // namespace
}  // namespace owlet
