#include "io/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/file.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);    // RFC 3720, appendix B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(EventFile, HoldsWhatTensorBoardReads) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_events_test";
  fs::remove_all(dir);
  fs::create_directories(dir);
  {
    auto events = EventFile::create(dir, 1700000000.25);
    ASSERT_TRUE(events.ok());
    const std::pair<std::string, double> scalars[] = {{"loss", 2.5}, {"lr", 0.001}};
    ASSERT_TRUE(events->add(1700000001.0, 300, scalars).ok());
    ASSERT_TRUE(events->add_text(1700000002.0, 300, "answers/Who?", "An owl.").ok());
  }
  const fs::path path = fs::directory_iterator(dir)->path();
  EXPECT_TRUE(path.filename().string().starts_with("events.out.tfevents.1700000000"));
  std::string bytes = *read_file(path);
  std::vector<std::string> messages;
  while (!bytes.empty()) {
    ASSERT_GE(bytes.size(), 16u);
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), 8);
    ASSERT_LE(size + 16, bytes.size());
    messages.push_back(bytes.substr(12, size));
    bytes.erase(0, size + 16);
  }
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_NE(messages[0].find("\x1a\x0d" "brain.Event:2"), std::string::npos);
  const std::string loss = std::string("\x0a\x04loss\x15", 7) + std::string("\x00\x00\x20\x40", 4);  // tag, then 2.5 as a float
  EXPECT_NE(messages[1].find(loss), std::string::npos);
  EXPECT_NE(messages[1].find(std::string("\x10\xac\x02", 3)), std::string::npos);  // step 300
  const std::string answer = "\x42\x0b\x08\x07\x42\x07" "An owl." "\x4a\x08\x0a\x06\x0a\x04text";
  EXPECT_NE(messages[2].find("answers/Who?" + answer), std::string::npos);
  EXPECT_FALSE(EventFile::create(dir / "absent", 1).ok());
}

}  // namespace
}  // namespace owlet
