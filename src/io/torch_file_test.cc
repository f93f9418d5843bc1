#include "io/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/test_torch_file.h"

namespace owlet {
namespace {
namespace fs = std::filesystem;
using namespace testing_torch;
using testing::HasSubstr;

constexpr const char* kSix = "\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40";  // 0 … 5

fs::path checkpoint_file(const std::string& bytes) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_torch_file_test";
  fs::create_directories(dir);
  EXPECT_TRUE(write_file(dir / "sample.pt", bytes).ok());
  return dir / "sample.pt";
}

std::string archive(const std::string& value, bool zip64 = false) {
  return zip({{"m/data.pkl", pickle(value)}, {"m/data/0", std::string(kSix, 24)}}, zip64);
}

std::string refusal(const std::string& bytes) {
  const auto file = TorchFile::open(checkpoint_file(bytes));
  if (!file.ok()) return file.error().to_string();
  const auto tensor = file->tensor("x");
  return tensor.ok() ? "" : tensor.error().to_string();
}

std::vector<float> numbers(const std::string& bytes) {
  const auto file = TorchFile::open(checkpoint_file(bytes));
  if (!file.ok()) ADD_FAILURE() << file.error().to_string();
  const auto tensor = file->tensor("x");
  if (!tensor.ok()) ADD_FAILURE() << tensor.error().to_string();
  const auto all = tensor->span<float>();
  return {all.begin(), all.end()};
}

std::string dict_of(const std::string& value) { return "}" + text("x") + value + "s"; }
const std::string kWhole = tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1});

TEST(TorchFile, TensorsAreViewsOfTheFile) {
  for (const bool zip64 : {false, true}) {
    EXPECT_EQ(numbers(archive(dict_of(kWhole), zip64)), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(numbers(archive(dict_of(tensor("FloatStorage", "0", 6, 2, {3}, {1})), zip64)), (std::vector<float>{2, 3, 4}));
  }
}

TEST(TorchFile, StridesAreFollowed) {
  EXPECT_EQ(numbers(archive(dict_of(tensor("FloatStorage", "0", 6, 0, {3, 2}, {1, 3})))), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(numbers(archive(dict_of(tensor("FloatStorage", "0", 6, 1, {2, 2}, {0, 2})))), (std::vector<float>{1, 3, 1, 3}));
}

TEST(TorchFile, StateDictsAreFoundWhereTheyAreKept) {
  for (const char* key : {"model", "state_dict", "model_state_dict"}) {
    EXPECT_EQ(numbers(archive("}" + text(key) + dict_of(kWhole) + "s")).size(), 6u);
  }
  EXPECT_EQ(numbers(archive("}" + text("_orig_mod.x") + kWhole + "s")).size(), 6u);
  EXPECT_EQ(numbers(archive("}" + text("module._orig_mod.x") + kWhole + "s")).size(), 6u);
  const std::string parameter = "ctorch._utils\n_rebuild_parameter\n" + tuple(kWhole + "\x88" + "ccollections\nOrderedDict\n)R") + "R";
  EXPECT_EQ(numbers(archive(dict_of(parameter))).size(), 6u);
}

TEST(TorchFile, WhatCouldRunCodeIsRefusedByName) {
  EXPECT_THAT(refusal(archive(dict_of("cos\nsystem\n" + tuple(text("true")) + "R"))), HasSubstr("'os.system'"));
  EXPECT_THAT(refusal(archive(dict_of(text("builtins") + text("eval") + "\x93"))), HasSubstr("'builtins.eval'"));
  EXPECT_THAT(refusal(archive("ios\nsystem\n")), HasSubstr("instruction 0x69"));
}

TEST(TorchFile, TensorsStayInTheirStorage) {
  const auto damaged = [](auto... arguments) { return refusal(archive(dict_of(tensor("FloatStorage", "0", arguments...)))); };
  using Dims = std::vector<int64_t>;
  EXPECT_THAT(damaged(6, 0, Dims{2, 4}, Dims{4, 1}), HasSubstr("past its storage"));
  EXPECT_THAT(damaged(6, 1, Dims{2, 3}, Dims{3, 1}), HasSubstr("past its storage"));
  EXPECT_THAT(damaged(6, 6, Dims{1}, Dims{1}), HasSubstr("past its storage"));
  EXPECT_THAT(damaged(6, -1, Dims{1}, Dims{1}), HasSubstr("past its storage"));
  EXPECT_THAT(damaged(7, 0, Dims{1}, Dims{1}), HasSubstr("shorter"));
  EXPECT_THAT(damaged(6, 0, Dims{2, 3}, Dims{3}), HasSubstr("fit together"));
  EXPECT_THAT(damaged(6, 0, Dims{-1, 3}, Dims{3, 1}), HasSubstr("no sense"));
  EXPECT_THAT(damaged(6, 0, Dims{2}, Dims{-1}), HasSubstr("no sense"));
  EXPECT_THAT(damaged(6, 0, Dims{1 << 30, 1 << 30}, Dims{0, 0}), HasSubstr("past its storage"));
  EXPECT_THAT(damaged(6, 0, Dims{1, 1, 1, 1, 1}, Dims{1, 1, 1, 1, 1}), HasSubstr("dimensions"));
  EXPECT_THAT(refusal(archive(dict_of(tensor("FloatStorage", "9", 6, 0, {1}, {1})))), HasSubstr("'9' is not in the file"));
  EXPECT_THAT(refusal(archive(dict_of(tensor("LongStorage", "0", 3, 0, {1}, {1})))), HasSubstr("LongStorage"));
}

TEST(TorchFile, OtherFilesAreRefusedWithAHint) {
  EXPECT_THAT(refusal("\x80\x02\x8a\x0al\xfc\x9c" "F"), HasSubstr("torch.save() it again"));
  EXPECT_THAT(refusal(archive(text("nothing"))), HasSubstr("no tensors"));
  EXPECT_THAT(refusal(zip({{"m/other", "x"}})), HasSubstr("data.pkl"));
  EXPECT_THAT(refusal(zip({{"m/data.pkl", pickle(dict_of(kWhole))}, {"m/byteorder", "big"}})), HasSubstr("little-endian"));
  EXPECT_THAT(refusal(zip({{"m/data.pkl", "}"}, {"m/data.pkl", "}"}})), HasSubstr("two entries"));
  std::string compressed = archive(dict_of(kWhole));
  compressed[compressed.find("PK\1\2") + 10] = 8;
  EXPECT_THAT(refusal(compressed), HasSubstr("compressed"));
}

// The archive's directory, entries and ends, one number of each a lie.
TEST(TorchFile, ArchivesThatLieAreRefused) {
  const auto lie = [](bool zip64, std::string_view record, size_t at, auto value) {
    std::string bytes = archive(dict_of(kWhole), zip64);
    std::memcpy(bytes.data() + bytes.rfind(record) + at, &value, sizeof value);
    return refusal(bytes);
  };
  const std::string_view local = "PK\3\4", central = "PK\1\2", end = "PK\5\6", end64 = "PK\6\6", locator = "PK\6\7";
  EXPECT_EQ(lie(true, central, 0, 'P'), "");
  EXPECT_THAT(lie(false, central, 42, uint32_t{0}), HasSubstr("disagree"));             // another entry's local header
  EXPECT_THAT(lie(false, central, 42, uint32_t{0x7fffffff}), HasSubstr("no local header"));
  EXPECT_THAT(lie(false, central, 8, uint16_t{1}), HasSubstr("encrypted"));
  EXPECT_THAT(lie(false, central, 20, uint32_t{5}), HasSubstr("compressed"));            // 24 bytes made of 5
  EXPECT_THAT(lie(false, central, 28, uint16_t{0xffff}), HasSubstr("directory is damaged"));
  EXPECT_THAT(lie(false, local, 22, uint32_t{23}), HasSubstr("disagree"));
  EXPECT_THAT(lie(false, local, 26, uint16_t{0xffff}), HasSubstr("past the end"));
  EXPECT_THAT(lie(false, end, 10, uint16_t{9}), HasSubstr("directory is damaged"));
  EXPECT_THAT(lie(false, end, 16, uint32_t{0x7fffffff}), HasSubstr("directory goes past"));
  EXPECT_THAT(lie(true, end64, 32, ~uint64_t{0}), HasSubstr("entries in a ZIP"));
  EXPECT_THAT(lie(true, end64, 40, ~uint64_t{0}), HasSubstr("directory goes past"));
  EXPECT_THAT(lie(true, end64, 48, ~uint64_t{0}), HasSubstr("directory goes past"));
  EXPECT_THAT(lie(true, locator, 8, ~uint64_t{0}), HasSubstr("ZIP64 end record"));
  EXPECT_THAT(lie(true, central, 46 + 8 + 2, uint16_t{8}), HasSubstr("ZIP64 field is too short"));
  for (const size_t field : {4, 12}) {
    EXPECT_THAT(lie(true, central, 46 + 8 + field, ~uint64_t{0}), testing::AnyOf(HasSubstr("compressed"), HasSubstr("past the end")));
  }
  EXPECT_THAT(lie(true, central, 46 + 8 + 20, ~uint64_t{0}), HasSubstr("no local header"));
  // Names are looked up, never followed.
  EXPECT_THAT(refusal(archive(dict_of(tensor("FloatStorage", "../../../etc/passwd", 6, 0, {1}, {1})))), HasSubstr("is not in the file"));
  // Two entries that share their bytes: the same header under both names is not there, and one inside the other is seen.
  const std::string inner = zip({{"m/data/1", std::string(kSix, 24)}});
  std::string nested = zip({{"m/data.pkl", pickle(dict_of(kWhole))}, {"m/data/0", inner}, {"m/data/1", std::string(kSix, 24)}});
  const auto inside = static_cast<uint32_t>(nested.find(inner));
  std::memcpy(nested.data() + nested.rfind(central) + 42, &inside, sizeof inside);
  EXPECT_THAT(refusal(nested), HasSubstr("overlaps"));
}

TEST(TorchFile, PicklesCannotGrow) {
  std::string remembers = ")", copies = "(" + std::string(200'000, 'N') + "t";
  for (int i = 0; i < 300'000; ++i) remembers += '\x94';
  EXPECT_THAT(refusal(archive(remembers)), HasSubstr("more than 200000"));
  EXPECT_THAT(refusal(archive(copies)), HasSubstr("more than 200000"));
  EXPECT_THAT(refusal(archive("(" + std::string(2'100'000, '('))), HasSubstr("steps"));
  EXPECT_THAT(refusal(archive(std::string("]q\0h\0a", 6))), HasSubstr("no tensors"));  // a list that holds itself
}

}  // namespace
}  // namespace owlet
