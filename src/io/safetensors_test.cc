#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace owlet {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

fs::path shard_file(const std::string& name) {
  const fs::path dir = fs::path(testing::TempDir()) / "owlet_safetensors_test";
  fs::create_directories(dir);
  return dir / name;
}

std::string file_bytes(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + std::string(data_bytes, '\1');
}

Result<Safetensors> open_bytes(const std::string& bytes) {
  const fs::path path = shard_file("bytes.safetensors");
  EXPECT_TRUE(write_file(path, bytes).ok());
  return Safetensors::open(path);
}

Tensor numbers(Shape shape) {
  Tensor tensor(DType::kF32, shape);
  for (int64_t i = 0; i < tensor.numel(); ++i) tensor.f32()[i] = static_cast<float>(i) - 1.5f;
  return tensor;
}

TEST(Safetensors, WhatIsWrittenIsReadAndMapped) {
  const Tensor matrix = numbers({2, 3}), scalar = numbers({}), empty(DType::kF32, {0, 4});
  Tensor halves(DType::kBF16, {5});
  std::memset(halves.view().data, 0x3f, 10);
  const fs::path path = shard_file("round.safetensors");
  ASSERT_TRUE(write_safetensors(path, {{"h\"ö", halves}, {"matrix", matrix}, {"scalar", scalar}, {"empty", empty}},
                                {{"made by", "a test"}}).ok());
  const auto file = Safetensors::open(path);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_THAT(file->names(), ElementsAre("empty", "h\"ö", "matrix", "scalar"));
  EXPECT_EQ(file->metadata().at("made by"), "a test");
  EXPECT_EQ(file->metadata().at("format"), "pt");
  const auto read = file->tensor("matrix");  // behind ten bytes: copied to where float32 is aligned
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->shape(), matrix.shape());
  EXPECT_EQ(std::memcmp(read->f32(), matrix.f32(), 24), 0);
  EXPECT_EQ(file->tensor("scalar")->shape().rank(), 0);
  EXPECT_EQ(file->tensor("scalar")->f32()[0], -1.5f);
  EXPECT_EQ(file->tensor("empty")->numel(), 0);
  EXPECT_EQ(file->tensor("h\"ö")->dtype(), DType::kBF16);
  // Aligned tensors are views: the same bytes twice.
  EXPECT_EQ(file->tensor("h\"ö")->view().data, file->tensor("h\"ö")->view().data);
}

TEST(Safetensors, TheSameTensorsGiveTheSameBytesOnACacheLine) {
  const Tensor matrix = numbers({2, 3});
  ASSERT_TRUE(write_safetensors(shard_file("a.safetensors"), {{"m", matrix}}).ok());
  ASSERT_TRUE(write_safetensors(shard_file("b.safetensors"), {{"m", matrix}}).ok());
  const auto a = read_file(shard_file("a.safetensors")), b = read_file(shard_file("b.safetensors"));
  EXPECT_EQ(*a, *b);
  EXPECT_EQ((a->size() - 24) % 64, 0u);
}

TEST(Safetensors, WritingRefusesWhatCannotBeRead) {
  const Tensor m = numbers({2});
  const fs::path path = shard_file("refused.safetensors");
  EXPECT_THAT(write_safetensors(path, {{"m", m}, {"m", m}}).error().message, HasSubstr("two tensors"));
  EXPECT_THAT(write_safetensors(path, {{"__metadata__", m}}).error().message, HasSubstr("two tensors"));
  EXPECT_THAT(write_safetensors(path, {{"\xff", m}}).error().message, HasSubstr("UTF-8"));
  EXPECT_THAT(write_safetensors(path, {{"q", Tensor(DType::kQ8_0, {32})}}).error().message, HasSubstr("q8_0"));
  EXPECT_FALSE(fs::exists(path));
}

TEST(Safetensors, TypesThatAreNotReadAreRefusedOnlyWhenAskedFor) {
  const auto file = open_bytes(file_bytes(
      R"({"ids":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"new":{"dtype":"F4","shape":[8],"data_offsets":[16,20]},)"
      R"("deep":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[20,24]},"w":{"dtype":"F32","shape":[1],"data_offsets":[24,28]}})", 28));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_TRUE(file->tensor("w").ok());
  EXPECT_THAT(file->tensor("ids").error().to_string(), HasSubstr("'ids' is of type I64\n  read are F32"));
  EXPECT_THAT(file->tensor("new").error().message, HasSubstr("F4"));
  EXPECT_THAT(file->tensor("deep").error().message, HasSubstr("5 dimensions"));
  EXPECT_THAT(file->tensor("gone").error().message, HasSubstr("'gone' is missing"));
  EXPECT_THAT(*read_safetensors(shard_file("bytes.safetensors")), testing::SizeIs(1));
}

struct Broken {
  const char* rule;
  std::string header;
  size_t data_bytes;
  const char* message;
};

class Rules : public testing::TestWithParam<Broken> {};

TEST_P(Rules, AreEnforced) {
  const Broken& broken = GetParam();
  const auto file = open_bytes(file_bytes(broken.header, broken.data_bytes));
  ASSERT_FALSE(file.ok()) << broken.rule;
  EXPECT_THAT(file.error().message, HasSubstr(broken.message)) << broken.rule;
  EXPECT_THAT(file.error().message, HasSubstr("bytes.safetensors")) << broken.rule;
}

std::string entry(const char* offsets, const char* shape = "[1]", const char* type = "F32") {
  return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":{}}})", type, shape, offsets);
}

INSTANTIATE_TEST_SUITE_P(
    Safetensors, Rules,
    testing::Values(
        Broken{"begins with a brace", " {}", 0, "begin with '{'"}, Broken{"empty header", "", 0, "begin with '{'"},
        Broken{"is JSON", "{\"a\":", 0, "not valid JSON"}, Broken{"ends with the object", "{} x", 0, "not valid JSON"},
        Broken{"is UTF-8", "{\"\xff\xfe\":" + entry("[0,4]") + "}", 4, "not valid JSON"},
        Broken{"no duplicate tensors", "{\"a\":" + entry("[0,4]") + ",\"a\":" + entry("[4,8]") + "}", 8, "'a' stands twice"},
        Broken{"no duplicate members", R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "'dtype' twice"},
        Broken{"no duplicate metadata", R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' stands twice"},
        Broken{"metadata once", R"({"__metadata__":{},"__metadata__":{}})", 0, "stands twice"},
        Broken{"metadata is texts", R"({"__metadata__":{"k":1}})", 0, "a number where"},
        Broken{"metadata is an object", R"({"__metadata__":"k"})", 0, "a text where"},
        Broken{"metadata is flat", R"({"__metadata__":{"k":{}}})", 0, "an object where"},
        Broken{"entries are objects", R"({"a":[1]})", 0, "a list where"},
        Broken{"all members", R"({"a":{"dtype":"F32","shape":[1]}})", 0, "must have"},
        Broken{"no other members", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown member 'x'"},
        Broken{"two offsets", "{\"a\":" + entry("[0,4,8]") + "}", 8, "two numbers"},
        Broken{"offsets in order", "{\"a\":" + entry("[4,0]") + "}", 4, "ends before it begins"},
        Broken{"offsets not negative", "{\"a\":" + entry("[-4,0]") + "}", 4, "a negative number"},
        Broken{"offsets whole", "{\"a\":" + entry("[0.0,4]") + "}", 4, "a fraction"},
        Broken{"offsets in the file", "{\"a\":" + entry("[0,4]") + "}", 3, "past the end"},
        Broken{"offsets not astronomical", "{\"a\":" + entry("[0,18446744073709551615]") + "}", 4, "past the end"},
        Broken{"size as type and shape say", "{\"a\":" + entry("[0,8]") + "}", 8, "ask for 4"},
        Broken{"size of types not read", "{\"a\":" + entry("[0,8]", "[2]", "I64") + "}", 8, "ask for 16"},
        Broken{"whole bytes", "{\"a\":" + entry("[0,1]", "[3]", "F4") + "}", 1, "ask for 2"},
        Broken{"no overflow of the shape", "{\"a\":" + entry("[0,4]", "[4294967296,4294967296,4294967297]") + "}", 4, "impossible"},
        Broken{"shape is whole numbers", "{\"a\":" + entry("[0,4]", "[\"1\"]") + "}", 4, "a text where"},
        Broken{"shape is a list", "{\"a\":" + entry("[0,4]", "1") + "}", 4, "a number where"},
        Broken{"no holes", "{\"a\":" + entry("[0,4]") + ",\"b\":" + entry("[8,12]") + "}", 12, "a hole of 4"},
        Broken{"no hole in front", "{\"a\":" + entry("[4,8]") + "}", 8, "a hole of 4"},
        Broken{"no overlaps", "{\"a\":" + entry("[0,8]", "[2]") + ",\"b\":" + entry("[4,8]") + "}", 8, "overlaps"},
        Broken{"nothing after the last", "{\"a\":" + entry("[0,4]") + "}", 5, "1 bytes after"},
        Broken{"duplicates however they are spelled", "{\"a\":" + entry("[0,4]") + ",\"\\u0061\":" + entry("[4,8]") + "}", 8, "'a' stands twice"},
        Broken{"types of the format", "{\"a\":" + entry("[0,4]", "[1]", "F33") + "}", 4, "'F33', which is not one of the format's"},
        Broken{"types as they are spelled", "{\"a\":" + entry("[0,4]", "[1]", "f32") + "}", 4, "'f32', which is not one of the format's"},
        Broken{"bounded depth", "{\"a\":" + std::string(100000, '[') , 0, "a list where"},
        Broken{"bounded rank", "{\"a\":" + entry("[0,4]", "[1,1,1,1,1,1,1,1,1]") + "}", 4, "over 8"}));

TEST(Safetensors, LengthsThatLieAreRefused) {
  EXPECT_THAT(open_bytes("1234567").error().message, HasSubstr("8-byte length"));
  std::string bytes = file_bytes("{}", 0);
  bytes[0] = 3;
  EXPECT_THAT(open_bytes(bytes).error().message, HasSubstr("past the end"));
  bytes[7] = '\x7f';
  EXPECT_THAT(open_bytes(bytes).error().message, HasSubstr("at most 100000000"));
  // One text of 17 MB: the parser would hold several copies of it.
  EXPECT_THAT(open_bytes(file_bytes("{\"" + std::string(17 << 20, 'a'), 0)).error().message, HasSubstr("a text of over"));
}

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = shard_file("folder");
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    a_ = numbers({4});
    ASSERT_TRUE(write_safetensors(dir_ / "one.safetensors", {{"a", a_}}).ok());
    ASSERT_TRUE(write_safetensors(dir_ / "two.safetensors", {{"b", a_}}).ok());
  }
  std::string refusal(const std::string& index) {
    EXPECT_TRUE(write_file(dir_ / "model.safetensors.index.json", index).ok());
    const auto folder = Safetensors::open_folder(dir_);
    return folder.ok() ? "" : folder.error().message;
  }
  fs::path dir_;
  Tensor a_;
};

TEST_F(Folder, ShardsBecomeOne) {
  EXPECT_EQ(refusal(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})"), "");
  EXPECT_THAT(Safetensors::open_folder(dir_)->names(), ElementsAre("a", "b"));
  EXPECT_EQ((*read_safetensors_folder(dir_)).at("b").f32()[3], 1.5f);
}

TEST_F(Folder, BrokenIndexesAreRefused) {
  EXPECT_THAT(Safetensors::open_folder(dir_).error().message, HasSubstr("neither"));
  EXPECT_THAT(refusal("[]"), HasSubstr("weight_map"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":1}})"), HasSubstr("file names"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"../folder/one.safetensors"}})"), HasSubstr("beside the index"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"one.bin"}})"), HasSubstr("beside the index"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"gone.safetensors"}})"), HasSubstr("gone.safetensors"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"one.safetensors","c":"one.safetensors"}})"), HasSubstr("'c' should be in one"));
  ASSERT_TRUE(write_safetensors(dir_ / "two.safetensors", {{"a", a_}}).ok());
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})"), HasSubstr("in two files"));
}

}  // namespace
}  // namespace owlet
